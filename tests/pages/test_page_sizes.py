"""How much of a console each chapter still is: cells, their longest, their widest line, tables as
HTML, exercises, checks of answers. ``pytest -s tests/pages/test_page_sizes.py`` prints the table.

None may have a cell or a line that a page cuts.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jupytext
import pandas as pd
import pytest
import yaml

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PAGES = sorted(NOTEBOOKS.glob("[0-9]*.py"))
CHAPTERS = [path for path in PAGES if not path.name.startswith("00_")]  # without the templates
LINES, COLUMNS = 15, 88  # a page cuts there
MOST_CODE = 88  # lines a chapter on average; lower it with every chapter that is put in form
# All 23 chapters that there were, as this table counts them, before the first was put in form
# (commit f7d7b41).
BEFORE = {
    "cells": 417,
    "code lines": 4305,
    "cells too long": 91,
    "lines too wide": 1207,
    "HTML tables": 43,
    "exercises": 87,
    "checks": 0,
    "longest cell": 109,
    "widest line": 291,
}
FOLDED = {"parameters", "hide-cell"}  # a list of settings that nobody need open
SETTINGS = {"parameters"}  # of a template, whose settings are all that there is to read
CHECK = re.compile(r"^.*\*Check:\*", re.M)
HTML = re.compile(r"\b(\w*_?table|claims_table)\(")


@cache
def sizes() -> pd.DataFrame:
    """One row a chapter."""
    return pd.DataFrame({path.stem: _row(path) for path in CHAPTERS}).T


def _totals(table: pd.DataFrame) -> pd.Series:
    """All chapters together: of lengths and widths the largest, of all else the sum."""
    largest = [name for name in table.columns if name in ("longest cell", "widest line")]
    return pd.concat([table.drop(columns=largest).sum(), table[largest].max()]).rename("total")


def _row(path: Path) -> dict[str, int]:
    cells = jupytext.read(path).cells
    code = [c for c in cells if c.cell_type == "code" and "google.colab" not in c.source]
    listed = FOLDED if path in CHAPTERS else SETTINGS
    code = [c for c in code if not listed.issubset(c.metadata.get("tags", []))]
    whole = [cell.source.splitlines() for cell in code]
    lines = [[line for line in cell.source.splitlines() if line.strip()] for cell in code]
    prose = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    exercises = prose[prose.rindex("## Exercises") :] if "## Exercises" in prose else ""
    return {
        "cells": len(code),
        "code lines": sum(map(len, lines)),
        "longest cell": max(map(len, whole)),
        "widest line": max(len(line) for cell in lines for line in cell),
        "cells too long": sum(len(cell) > LINES for cell in whole),
        "lines too wide": sum(len(line) > COLUMNS for cell in lines for line in cell),
        "HTML tables": sum(len(HTML.findall(cell.source)) for cell in code),
        "exercises": len(re.findall(r"^\d+\. ", exercises, re.M)),
        "checks": len(CHECK.findall(exercises)),
    }


def test_the_table_is_printed_and_chapters_do_not_grow_on_average():
    table = sizes()
    totals = pd.DataFrame({"before": BEFORE, "now": _totals(table)})
    print(f"\n{table.to_string()}\n\n{totals.to_string()}")
    assert table["code lines"].mean() <= MOST_CODE


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_has_short_cells_and_narrow_lines(path):
    row = pd.Series(_row(path))
    assert row["cells too long"] == 0 and row["lines too wide"] == 0, row.to_string()


def test_every_chapter_has_three_exercises():
    few = sizes().query("exercises < 3")
    assert few.empty, few.exercises.to_string()


def test_every_part_ends_with_an_open_question_and_what_is_needed_to_answer_it():
    parts = yaml.safe_load((NOTEBOOKS.parent / "_toc.yml").read_text())["parts"]
    for part in parts:
        files = [NOTEBOOKS.parent / f"{one['file']}.py" for one in part["chapters"]]
        chapters = [path for path in files if path in CHAPTERS]
        asked = [path.stem for path in chapters if "**An open question.**" in path.read_text()]
        assert asked or not chapters, part["caption"]
        assert not chapters or all(
            "needs" in _question(path) for path in chapters if path.stem in asked
        )


def _question(path: Path) -> str:
    text = path.read_text()
    return text[text.index("**An open question.**") :].split("\n#\n")[0]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_picture_has_a_caption_and_says_what_there_is_to_see(path):
    for cell in jupytext.read(path.with_suffix(".ipynb")).cells:
        drawn = ["image/png" in output.get("data", {}) for output in cell.get("outputs", [])]
        if any(drawn):
            about = cell.metadata.get("mystnb", {})
            assert about.get("figure", {}).get("caption"), cell.source
            assert about.get("image", {}).get("alt"), cell.source
            assert sum(drawn) == 1, f"two pictures with one caption: {cell.source}"
