"""What these pictures share: strokes, logarithmic axes, legends."""

from __future__ import annotations

from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

STYLES = ("-", "--", ":", "-.")
HELD = ("#111111", "#a0005a")  # what was kept out of a fit
STAR: dict[str, Any] = {"markersize": 14, "markeredgecolor": "white", "zorder": 4}
LIGHT = 0.55  # of a cell's colour, above which its figure is written in black


def logarithmic(axis: Axes) -> None:
    axis.set(xscale="log", yscale="log")
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_locator(LogLocator(numticks=7))
        one.set_major_formatter(FuncFormatter(_short))
        one.set_minor_formatter(NullFormatter())
    axis.tick_params(labelsize=9)


def shared_legend(figure: Figure, axis: Axes, columns: int) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handletextpad=0.3,
        columnspacing=1.2,
    )
    sns.despine(figure)
    lines = -(-len(labels) // columns)
    figure.tight_layout(rect=(0, 0, 1, 1 - (0.1 + 0.2 * lines) / figure.get_figheight()))


def _short(value: float, _: int = 0) -> str:
    """1200000 as "1.2M"; below one thousand as it is."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
