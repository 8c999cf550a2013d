"""Axes of these pictures."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter


def plain_log(axis: Axes) -> None:
    """A logarithmic axis with plain numbers on it: 1, 2, 5, or every third of a decade where that
    would be too many.
    """
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    steps = (1, 2, 5) if high / low < 30 else (1, 3) if high / low < 1000 else (1,)
    ticks = [k * 10.0**e for e in range(-4, 5) for k in steps]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlim(low, high)
