"""A table as HTML on a page, and as text where there is no page; both say the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from ..errors import InputError
from ..shown import amount

WORDS = 24  # a column with longer texts holds words, which stand to the left and may wrap


@dataclass(frozen=True)
class Cell:
    """A figure with something smaller behind it, such as an interval or a signed gap."""

    text: str
    small: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.small}".strip()


@dataclass(frozen=True)
class Table:
    """What `table` returns: the same rows twice. A notebook shows the HTML, tests compare both."""

    text: str
    html: str

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html}


def between(low: float, high: float, digits: int = 2) -> str:
    """An interval as it stands behind its mean; "" where there is none."""
    return "" if low != low or high != high else f"[{amount(low, digits)}, {amount(high, digits)}]"


def table(
    frame: pd.DataFrame,
    *,
    digits: int | Mapping[str, int] = 1,
    best: Collection[str] = (),
    reference: Collection[str] = (),
    signed: Collection[str] = (),
    caption: str = "",
    note: str = "",
) -> Table:
    """Show a frame: names to the left, figures to the right, rows that matter marked.

    Parameters
    ----------
    frame : one row a name (its index), one column a figure: numbers, texts, or `Cell`. None and
        NaN are shown as a dash.
    digits : places after the point, for all columns or by column.
    best : names of rows in bold. reference : of rows to compare with, such as Retrain, in italics.
    signed : columns whose figures carry a plus. caption : above the table. note : below it.

    Raises
    ------
    InputError : two columns of one name, or a marked row or column that the frame doesn't have.
    """
    _check(frame, (best, reference), (*(digits if isinstance(digits, Mapping) else ()), *signed))
    columns = [str(c) for c in frame.columns]
    rows = {}
    for name, values in zip(map(str, frame.index), frame.itertuples(index=False), strict=True):
        places = [digits.get(c, 1) if isinstance(digits, Mapping) else digits for c in columns]
        rows[name] = [
            value if isinstance(value, Cell) else Cell(amount(_plain(value), d, signed=c in signed))
            for c, d, value in zip(columns, places, values, strict=True)
        ]
    marks = {**dict.fromkeys(reference, "i"), **dict.fromkeys(best, "b")}
    head = [str(frame.index.name or ""), *columns]
    return Table(_text(head, rows, caption, note), _html(head, rows, marks, caption, note))


def _check(frame: pd.DataFrame, rows: tuple[Collection[str], ...], columns: tuple) -> None:
    if not frame.columns.is_unique or not frame.index.is_unique:
        raise InputError("a table must have one row of each name and one column of each name")
    for kind, wanted, known in (
        ("row", [n for names in rows for n in names], frame.index),
        ("column", columns, frame.columns),
    ):
        if missing := next((n for n in wanted if n not in known), None):
            raise InputError(f"the table has no {kind} {missing!r}; it has {', '.join(known)}")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value  # NumPy's numbers


def _text(head: list[str], rows: dict[str, list[Cell]], caption: str, note: str) -> str:
    lines = [head, *([name, *map(str, cells)] for name, cells in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    said = [
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*([caption] if caption else []), *said, *([note] if note else [])])


def _html(
    head: list[str], rows: dict[str, list[Cell]], marks: dict[str, str], caption: str, note: str
) -> str:
    columns = list(zip(*([Cell(n), *cells] for n, cells in rows.items()), strict=True))
    styles = [
        "text-align:left"
        if place == 0 or any(len(cell.text) > WORDS for cell in column)
        else "text-align:right;white-space:nowrap"
        for place, column in enumerate(columns or [()] * len(head))
    ]
    lines = [_line([Cell(text) for text in head], styles, "th", "")]
    lines += [_line([Cell(n), *cells], styles, "td", marks.get(n, "")) for n, cells in rows.items()]
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    below = f"<p><small>{escape(note)}</small></p>" if note else ""
    body = "\n".join(lines[1:])
    start = '<div class="salun-table"><table class="dataframe">'
    return (
        f"{start}{above}\n<thead>{lines[0]}</thead>\n<tbody>\n{body}\n</tbody></table>{below}</div>"
    )


def _line(cells: list[Cell], styles: list[str], tag: str, mark: str) -> str:
    said = []
    for place, (cell, style) in enumerate(zip(cells, styles, strict=True)):
        inner = escape(cell.text)
        inner = f"<{mark}>{inner}</{mark}>" if mark and not place else inner
        small = f" <small>{escape(cell.small)}</small>" if cell.small else ""
        kind = tag if place else "th"
        said.append(f'<{kind} style="{style}">{inner}{small}</{kind}>')
    return f"<tr>{''.join(said)}</tr>"
