"""A negative number in a table of the book has a real minus, as `shown.amount` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
HIDDEN = re.compile(r"<(style|script).*?</\1>|<[^>]+>", re.S)
# behind a blank, a bracket or nothing; elsewhere it joins: "random-10", "1e-3", "4-5"
HYPHEN = re.compile(r"(?<![^\s(\[|])-\.?\d\S*")


def hyphens(html: str) -> list[str]:
    """The negative numbers with a hyphen in the visible text of a piece of HTML."""
    return HYPHEN.findall(unescape(HIDDEN.sub(" ", html)))


def tables(path: Path) -> Iterator[str]:
    """The HTML tables among the stored outputs of a notebook."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            if "<table" in html:
                yield html


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_table_has_a_hyphen_for_a_minus(path):
    found = [number for html in tables(path) for number in hyphens(html)]
    assert not found, f"{path.name} shows {found}: execute it anew; `shown.amount` words a number"


def test_a_hyphen_is_found_where_it_stands_for_a_minus():
    row = "<style>td {margin: -1px}</style><td style='left: -2px'>-0.42 [-.5, \N{MINUS SIGN}0.1]"
    assert hyphens(f"{row}</td><td>random-10, 1e-3, 4-5 pairs</td>") == ["-0.42", "-.5,"]
