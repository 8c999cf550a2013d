"""The page from figures to records counts what the chapters read, and follows their names."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("book_map", ROOT / "book" / "map.py")
page = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page)


@pytest.fixture(scope="module")
def counted():
    return json.loads(page.COUNTED.read_text())


def notebook(path, *cells):
    """A notebook of code cells: (source, tags, prose below, whether it shows a picture)."""
    written = []
    for source, tags, prose, picture in cells:
        output = [{"output_type": "display_data", "data": {"image/png": ""}}] if picture else []
        metadata = {"tags": tags, "mystnb": {"image": {"alt": "An alt text"}}}
        written.append(
            {"cell_type": "code", "source": source, "metadata": metadata, "outputs": output}
        )
        written.append({"cell_type": "markdown", "source": prose, "metadata": {}})
    path.write_text(json.dumps({"cells": written}))
    return path


def test_it_is_up_to_date(capsys):
    """Where this fails, ``python book/map.py`` counts anew."""
    assert page.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", page.chapters(), ids=lambda p: p.stem)
def test_no_chapter_reads_what_the_page_has_not(path, counted):
    """A chapter prints how many runs it has read under the cell that does. They were no more than
    are counted for that cell; what a study reads by itself in a later cell was counted before.
    """
    read = counted["chapters"][path.stem]
    for number, (cell, _, _) in enumerate(page.code_of(path)):
        for output in cell["outputs"]:
            for said in page.LINE.findall("".join(output.get("text", ""))):
                most = read["cells"].get(str(number)) or max(read["cells"].values(), default=0)
                assert int(said) <= most, f"cell {number} reads {said} runs"


def test_every_figure_of_a_chapter_is_on_the_page():
    text = page.PAGE.read_text()
    for path in page.chapters():
        cells = [cell for cell, _, _ in page.code_of(path)]
        shown = sum('"image/' in json.dumps(cell["outputs"]) for cell in cells)
        section = text.split(page.heading(path))[1].split("\n## ")[0]
        rows = section.partition("| figure | rests on |\n| --- | --- |\n")[2].splitlines()
        assert len([row for row in rows if row.startswith("| ")]) == shown, path.stem


def test_grids_hold_what_is_said_of_them(counted):
    assert set(counted["grids"]) == {p.stem for p in page.GRIDS.glob("*.yaml")}
    read = page.read_grid(page.GRIDS / "traces.yaml")
    there = {p.stem for p in page.RECORDS.rglob("*.json")}
    assert counted["grids"]["traces"] == {
        "template": "00_traces",
        "runs": len(read.runs),
        "recorded": len({r.name for r in read.runs} & there),
    }
    stems = {p.stem for p in (ROOT / "notebooks").glob("*.py")}
    assert {g["template"] for g in counted["grids"].values()} <= stems


def test_names_are_followed_from_what_is_read_to_what_is_drawn(tmp_path):
    path = notebook(
        tmp_path / "01_x.ipynb",
        ("found = recorded.on_file()\nother = 1", [], "", False),
        ("rows = found.table()\nother", [], "", False),
        ("draw(rows)", [], "*What it shows.*", True),
        ("if rows := other:\n    draw(rows)", [], "**Bold** is no caption", True),
    )
    known = {"recorded.on_file()"}
    assert page.figures(path, known) == [
        ("What it shows.", ["recorded.on_file()"]),
        ("An alt text", []),
    ]
    assert page.figures(path, set())[0] == ("What it shows.", [])


def test_what_a_chapter_reads_is_found_with_its_parameters(tmp_path, monkeypatch):
    (folder := tmp_path / "records" / "cpu").mkdir(parents=True)
    for name in [*page.RECORDS.rglob("00_audit*.json"), *page.RECORDS.rglob("00_requests*.json")]:
        shutil.copy(name, folder)
    sums = page.RECORDS / "cpu" / "SHA256SUMS"
    shutil.copy(sums, folder)
    monkeypatch.setenv("SALUN_RECORDS", str(folder.parent))
    path = notebook(
        tmp_path / "01_x.ipynb",
        ("%pip install nothing\nfrom salun_utils.studies.audit import recorded", [], "", False),
        ("tier = 'cpu'", ["parameters"], "", False),
        ("found = recorded.on_file(tier=tier)\nrecorded.rows(live)", [], "", False),
        ("train.load(tier)", [], "", False),
    )
    ((number, call, seen),) = page.called(path)
    assert (number, call) == (2, "recorded.on_file(tier=tier)")
    assert {file.name for file, _ in seen} == {p.name for p in folder.glob("00_audit*.json")}


def test_long_words_are_cut_where_mathematics_stays_whole():
    cell = {"metadata": {"mystnb": {"image": {"alt": "a|b " + "word " * 13 + "$x + y + z$ end"}}}}
    text = page.said(cell, "")
    assert text.startswith("a∣b") and text.endswith("word …") and "$" not in text
