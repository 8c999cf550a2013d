"""How much of a console each chapter still is: cells, their longest, their widest line, tables as
HTML, exercises. ``pytest -s tests/pages/test_page_sizes.py`` prints the table.

What has been brought into form stays in form; the rest may not grow.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jupytext
import pandas as pd
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHAPTERS = sorted(p for p in NOTEBOOKS.glob("[0-9]*.py") if not p.name.startswith("00_"))
LINES, COLUMNS = 15, 88  # a page cuts there
MOST_CODE = 88  # lines a chapter on average; lower it with every chapter that is put in form
IN_FORM = (
    "01_quickstart",
    "02_unlearning_and_its_measures",
    "03_weight_saliency",
    "04_random_forgetting",
    "05_class_forgetting",
    "06_stability",
    "07_leaderboard",
    "08_ddpm_class_forgetting",
    "09_text_to_image",
    "10_harmful_concepts",
    "11_gans_and_vaes",
    "12_hard_or_soft",
    "13_sparsity_and_threshold",
    "14_architectures",
    "15_is_the_mask_needed",
    "16_gradient_and_influence",
    "17_duration_and_scale",
    "20_errata",
    "21_it_did_not_forget",
    "25_errata_of_generators",
    "26_the_cliff",
    "27_what_it_costs",
)
FOLDED = {"parameters", "hide-cell"}  # a list of settings that nobody need open
HTML = re.compile(r"\b(\w*_?table|claims_table)\(")


@cache
def sizes() -> pd.DataFrame:
    """One row a chapter."""
    return pd.DataFrame({path.stem: _row(path) for path in CHAPTERS}).T


def _row(path: Path) -> dict[str, int]:
    cells = jupytext.read(path).cells
    code = [c for c in cells if c.cell_type == "code" and "google.colab" not in c.source]
    code = [c for c in code if not FOLDED.issubset(c.metadata.get("tags", []))]
    lines = [[line for line in cell.source.splitlines() if line.strip()] for cell in code]
    prose = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    exercises = prose[prose.rindex("## Exercises") :] if "## Exercises" in prose else ""
    return {
        "cells": len(code),
        "code lines": sum(map(len, lines)),
        "longest cell": max(map(len, lines)),
        "widest line": max(len(line) for cell in lines for line in cell),
        "cells too long": sum(len(cell) > LINES for cell in lines),
        "lines too wide": sum(len(line) > COLUMNS for cell in lines for line in cell),
        "HTML tables": sum(len(HTML.findall(cell.source)) for cell in code),
        "exercises": len(re.findall(r"^\d+\. ", exercises, re.M)),
    }


def test_the_table_is_printed_and_chapters_do_not_grow_on_average():
    table = sizes()
    print(f"\n{table.to_string()}\ntotal\n{table.sum().to_string()}")
    assert table["code lines"].mean() <= MOST_CODE


@pytest.mark.parametrize("name", IN_FORM)
def test_a_chapter_in_form_has_short_cells_and_narrow_lines(name):
    row = sizes().loc[name]
    assert row["cells too long"] == 0 and row["lines too wide"] == 0, row.to_string()


def test_every_chapter_has_three_exercises():
    few = sizes().query("exercises < 3")
    assert few.empty, few.exercises.to_string()
