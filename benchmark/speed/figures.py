"""The measured figures, and how they are written: tables of Markdown, ratios, ranges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Found = dict[str, Any]


def read(name: str) -> Found:
    """The figures of that name; empty where there are none yet."""
    path = HERE / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown: words to the left, figures to the right."""
    if not rows:
        return "Not measured yet."
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(row: Found, kind: str = "") -> str:
    """A ratio with the least and the largest of its turns."""
    value, low, high = (row[f"ratio{kind}{end}"] for end in ("", "_low", "_high"))
    return f"{rounded(value)} ({rounded(low)}–{rounded(high)})"


def ratios(found: Found) -> str:
    """All ratios of some figures as a table for a terminal: processor time, and wall time."""
    rows = [row for part in ("rows", "tries") for row in found.get(part, {}).values()]
    if not rows:
        return "No ratio was measured."
    width = max(len(row["title"]) for row in rows)
    lines = [f"{'times as fast as the other way':{width}}  {'processor':>22}  {'wall':>22}"]
    for row in rows:
        both = f"{spread(row, '_processor'):>22}  {spread(row):>22}"
        aim = "" if row.get("target") is None else f"  target {row['target']:g}"
        lines.append(f"{row['title']:{width}}  {both}{aim}")
    return "\n".join(lines)


def rounded(value: float) -> str:
    """Three figures, and not more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ranged(values: list[float]) -> str:
    """A mean, and the least and the largest where there are several."""
    mean = f"{sum(values) / len(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f}–{max(values):.1f})"
