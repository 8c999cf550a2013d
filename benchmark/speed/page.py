"""Write the measured figures into ``book/speed_and_scale.md``, and draw its picture.

``python -m benchmark.speed.page`` puts tables between the marks of the page; ``--check`` changes
nothing, and ends with 1 where the page is behind the figures.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from salun_utils.files import atomic

from . import scale_tables as scale
from . import speed_tables as speed
from .figures import read

ROOT = Path(__file__).resolve().parents[2]
PAGE, PICTURE = ROOT / "book" / "speed_and_scale.md", ROOT / "book" / "_static" / "speed.svg"
PARTS: dict[str, Callable[[], str]] = {
    "answer": speed.answer,
    "machine": speed.machine,
    "rows": speed.rows_table,
    "work": speed.work_table,
    "plain ways": speed.plain_ways,
    "tries": speed.tries_table,
    "first seconds": speed.first_table,
    "profile": speed.profile,
    "recipe": speed.recipe_table,
    "large": scale.large_table,
    "large said": scale.large_said,
    "law": scale.law_table,
    "plan": scale.plan_table,
    "slurm": scale.slurm_table,
    "slurm said": scale.slurm_said,
    "durability": scale.durability_table,
    "durability said": scale.durability_said,
}


def written(page: str, parts: dict[str, Callable[[], str]]) -> str:
    """The page with each part between its marks.

    Raises
    ------
    ValueError : a part whose marks are not there exactly once.
    """
    for name, make in parts.items():
        marks = re.compile(rf"(<!-- {name}: .*?-->\n).*?(<!-- end of {name} -->)", re.S)
        if len(marks.findall(page)) != 1:
            raise ValueError(f"the page needs the two marks of {name!r}, once")
        text = make()
        page = marks.sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page)
    return page


def draw() -> None:
    """The ratios of all rows, their spread and their targets."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    rows = list(read("cpu").get("rows", {}).values())[::-1]
    if not rows:
        return
    style = {"svg.hashsalt": "salun", "font.size": 10, "svg.fonttype": "path"}
    with mpl.rc_context(style), atomic(PICTURE) as part:
        figure, axis = plt.subplots(figsize=(8, 0.42 * len(rows) + 1.2), dpi=200)
        for place, row in enumerate(rows):
            low, high = row["ratio_processor_low"], row["ratio_processor_high"]
            axis.plot([low, high], [place, place], color="#0072b2", lw=3, alpha=0.4)
            axis.plot(row["ratio_processor"], place, "o", color="#0072b2")
            if row["target"]:
                axis.plot(row["target"], place, "|", color="#d55e00", ms=16, mew=2)
        axis.axvline(1, color="0.5", lw=1, ls="--")
        axis.set(xscale="log", xlabel="times as fast as the plain way, processor time")
        most = max(max(r["ratio_processor_high"], r["target"] or 0) for r in rows)
        ticks = [t for t in (1, 2, 3, 5, 10, 20, 50, 100, 200) if t <= 1.3 * most]
        axis.set_xticks(ticks, [f"{t}×" for t in ticks])
        axis.minorticks_off()
        axis.set_yticks(range(len(rows)), [row["title"] for row in rows])
        axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(part, format="svg", metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Bring the page up to date, or say that it is behind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, only say")
    options = parser.parse_args(argv)
    before = PAGE.read_text()
    after = written(before, PARTS)
    if not options.check:
        draw()
        if after != before:
            with atomic(PAGE) as part:
                part.write_text(after)
    behind = options.check and after != before
    print(f"{PAGE.name} {'is behind the figures' if behind else 'is up to date'}")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
