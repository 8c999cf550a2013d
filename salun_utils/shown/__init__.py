"""How the library's objects show themselves: one readable line, and a piece of HTML in a notebook.

Plain strings, without PyTorch or pandas, so that every other module can use it. What comes from
outside (a class's name, a note) is escaped; colours and sizes are left to the page around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from .pictures import strip

__all__ = ["amount", "bars", "block", "inline", "strip", "table"]

MINUS, NONE = "\N{MINUS SIGN}", "–"
BAR = "background:currentColor;opacity:.55;height:.7em;display:inline-block"


def amount(value: Any, digits: int = 1, *, signed: bool = False) -> str:
    """A value in words: a float to `digits` places with a real minus, a count in groups of three,
    a dash for None and NaN, anything else as it is.
    """
    if value is None or (isinstance(value, float) and value != value):
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    sign = "+" if signed else ""
    text = f"{value:{sign},}" if isinstance(value, int) else f"{value:{sign},.{digits}f}"
    text = text if text.strip("+-0.,") else text.lstrip("+-")  # no sign before a zero
    return text.replace("-", MINUS)


def inline(kind: str, what: str, *parts: str) -> str:
    """``Kind(what: part, part)``, the parts that are empty left out."""
    said = ", ".join(part for part in parts if part)
    return f"{kind}({what}{': ' if what and said else ''}{said})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, marked: str = "") -> str:
    """An HTML table: the first column words to the left, the others figures to the right.

    Parameters
    ----------
    head : one name a column. rows : as many texts each. marked : the first text of the row that is
        set in bold, which is the one to compare with.
    """
    lines = [_row(head, "th")]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row of {len(row)} texts under {len(head)} names")
        lines.append(_row(row, "td", bold=bool(marked) and row[0] == marked))
    return "<table>\n<thead>{}</thead>\n<tbody>\n{}\n</tbody>\n</table>".format(
        lines[0], "\n".join(lines[1:])
    )


def _row(texts: Sequence[str], tag: str, bold: bool = False) -> str:
    cells = []
    for place, text in enumerate(texts):
        inner = f"<b>{escape(text)}</b>" if bold else escape(text)
        cells.append(f'<{tag} style="text-align:{"right" if place else "left"}">{inner}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"


def bars(shares: Mapping[str, float], notes: Mapping[str, str] | None = None) -> str:
    """Shares between 0 and 1 as horizontal bars, one line each, with the share in per cent.

    Parameters
    ----------
    notes : a word after the name, such as how many there are.
    """
    lines = []
    for name, share in shares.items():
        note = f" <small>{escape(notes[name])}</small>" if notes and name in notes else ""
        bar = f'<span style="{BAR};width:{max(0.0, min(1.0, share)) * 12:.2f}em"></span>'
        lines.append(
            f'<tr><td style="text-align:left">{escape(name)}{note}</td>'
            f'<td style="text-align:right">{100 * share:.1f} %</td>'
            f'<td style="text-align:left;min-width:12em">{bar}</td></tr>'
        )
    return "<table><tbody>\n{}\n</tbody></table>".format("\n".join(lines))


def block(line: str, *parts: str) -> str:
    """A line of text, and pieces of HTML below it."""
    return "<div>\n<p>{}</p>\n{}\n</div>".format(escape(line), "\n".join(p for p in parts if p))
