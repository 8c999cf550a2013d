"""What the first pages say is what the records say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from salun_utils.runs import Record
from salun_utils.studies.benchmark.recorded import Benchmark

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
    assert page.findings(Benchmark(()), pd.DataFrame()) == "There are no recorded runs yet."


def test_only_what_stands_between_the_marks_is_written():
    before = "a\n<!-- findings: x -->\nold\n<!-- end of findings -->\nb"
    after = page.written(before, "new | table")
    assert after == "a\n<!-- findings: x -->\n\nnew | table\n\n<!-- end of findings -->\nb"
    assert page.written(after, "new | table") == after
    with pytest.raises(ValueError, match="two marks"):
        page.written("no marks", "new")


def test_the_network_that_remembers_is_a_row_where_it_is_recorded():
    scores = {"ua": 30.0, "ra": 100.0, "ta": 70.0, "mia": 60.0}
    variants = dict.fromkeys(("confidence", "correctness", "entropy", "m_entropy", "prob"), 60.0)

    def run(method, seed, ua, mask=None):
        mine = scores | {"ua": ua, "mia_variants": variants}
        gaps = {m: mine[m] - scores[m] for m in scores}
        return Record(
            id=f"{method}-{mask}-{seed}",
            spec={"method": method, "mask": mask, "params": {}},
            seeds={"unlearning": seed},
            scores=mine,
            reference=scores | {"mia_variants": variants},
            gap=gaps | {"average": abs(ua - 30.0) / 4},
            data={"name": "toy", "scenario": "random-10"},
        )

    runs = [
        run(*one)
        for seed in (1, 2)
        for one in (
            ("original", seed, 0.0),
            ("salun", seed, 34.0, "saliency"),
            ("salun", seed, 32.0 if seed == 1 else 38.0, "random"),
        )
    ]
    (row,) = page.of_memory(runs)
    assert row["SalUn"] == "1.00, 1st of 2" and row["Doing nothing"] == "7.50"
    assert row["Saliency nearer than a random mask in"] == "1 of 2 seeds"
    assert page.of_memory(runs[:1]) == []
