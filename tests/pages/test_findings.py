"""What the first pages say is what the records say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
from made_records import made_run as run

from salun_utils.studies.benchmark.recorded import REMEMBERING, Benchmark, Kind

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("findings", ROOT / "book" / "findings.py")
page = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page)


def test_the_first_pages_are_up_to_date(capsys):
    """Where this fails, ``python book/findings.py`` writes the new figures."""
    assert page.main(["--check"]) == 0, capsys.readouterr().out


def test_erasers_are_rows_with_figures_from_their_attacked_runs():
    every = pd.DataFrame(
        {
            "name": ["SalUn", "SalUn", "UCE", "ESD-x"],
            "concept": ["Bag", "Coat", "Bag", "Bag"],
            "ua": [99.0, 97.0, 100.0, 90.0],
            "word": [2.0, 4.0, 35.0, float("nan")],
            "change": [-3.0, -1.0, -0.01, 0.0],
        }
    )
    rows = page.of_erasers(every)
    assert [row["Eraser"] for row in rows] == ["SalUn", "UCE"]
    assert list(rows[0].values())[1:] == [
        "2.0 %",
        "3.0 % (coat 4, bag 2)",
        "\N{MINUS SIGN}2.0 points",
    ]
    assert rows[1]["Others change"] == "0.0 points"


def test_without_records_the_pages_say_so():
    assert page.findings([Benchmark(())], pd.DataFrame()) == "There are no recorded runs yet."


def test_only_what_stands_between_the_marks_is_written():
    before = "a\n<!-- findings: x -->\nold\n<!-- end of findings -->\nb"
    after = page.written(before, "new | table")
    assert after == "a\n<!-- findings: x -->\n\nnew | table\n\n<!-- end of findings -->\nb"
    assert page.written(after, "new | table") == after
    with pytest.raises(ValueError, match="two marks"):
        page.written("no marks", "new")


def test_the_network_that_remembers_is_a_row_where_it_is_recorded():
    runs = []
    for seed in (1, 2, 3):
        random = 0.5 if seed == 1 else 2.0
        runs += [run("original", 7.5, seed), run("salun", 1.0, seed, "saliency")]
        runs += [run("salun", random, seed, "random")]
    (row,) = page.of_tasks(Benchmark(tuple(runs), kind=REMEMBERING))
    assert row["To forget"] == "10 % of the pictures, all remembered"
    assert row["SalUn"] == "1.00, 1st of 1" and row["Doing nothing"] == "7.50"
    assert row["Saliency nearer than a random mask in"] == "2 of 3 seeds"
    (usual,) = page.of_tasks(Benchmark(tuple(runs)))
    assert usual == row | {"To forget": "10 % of the pictures"}
    (third,) = page.of_tasks(Benchmark(tuple(runs), kind=Kind("a wide network", "wide")))
    assert third == row | {"To forget": "10 % of the pictures, wide"}
    assert page.of_tasks(Benchmark(tuple(runs[:6]))) == [], "two seeds are too few for a place"


def test_every_claim_of_the_chapters_is_counted_once(tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    text = "claim  here  the figure behind it\na is b  holds  3\nb  too few\nc   FAILS  it holds"
    output = new_output("display_data", data={"text/plain": text})
    other = new_output("display_data", data={"text/plain": "method  here\na  holds  1"})
    page_of_two = new_notebook(cells=[new_code_cell("x", outputs=[output, other])])
    nbformat.write(page_of_two, tmp_path / "01_a.ipynb")
    found = page.of_claims(tmp_path)
    assert found == {"holds": 1, "FAILS": 1, "open": 0, "too few": 1}
    assert "3 sentences" in page.in_words(found) and page.in_words(dict.fromkeys(found, 0)) == ""


def test_every_p_of_the_chapters_is_counted_once(tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    texts = (
        "claim  here  the figure behind it\na  holds  +1.00 points, p = 0.031, 6 pairs\nc  open",
        "table\n   minus  p (Holm)  nearer?\nA  +0.50     0.031    holds\nB      –         –",
        "   p, one       minus  p, other\nA   0.500  0.20 [0.1]     1.000",
        "method  p = 3\nA        0.10",
    )
    outputs = [new_output("display_data", data={"text/plain": text}) for text in texts]
    nbformat.write(
        new_notebook(cells=[new_code_cell("x", outputs=outputs)]), tmp_path / "01_a.ipynb"
    )
    assert page.of_comparisons(tmp_path) == 1 + 1 + 2
    said = page.in_words({"holds": 1, "FAILS": 0, "open": 0, "too few": 0}, 4)
    assert "4 paired comparisons" in said and "not over the whole book" in said


def test_no_chosen_value_lies_at_an_edge_of_what_was_searched():
    import math

    import yaml

    for path in (ROOT / "benchmark" / "tuned").glob("*.yaml"):
        for method, entry in yaml.safe_load(path.read_text()).items():
            for name, (low, high) in (entry.get("ranges") or {}).items():
                value = entry["params"].get(name)
                if not isinstance(value, int | float) or value == low == 1:
                    continue  # of epochs there can't be fewer than one
                in_log = low > 0 and high / low >= 50
                part = (
                    math.log(value / low) / math.log(high / low)
                    if in_log
                    else (value - low) / (high - low)
                )
                assert 0.05 <= part <= 0.95, f"{path.name}, {method}: {name} = {value}"
