"""Axes that several pictures use."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes


def log_axis(axis: Axes, values: np.ndarray, *, along: str = "x") -> None:
    """A logarithmic axis ("x" or "y") that spans a factor of five at least, with plain numbers."""
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return
    middle, half = (
        np.sqrt(values.min() * values.max()),
        max(np.sqrt(5), 1.25 * np.sqrt(values.max() / values.min())),
    )
    low, high = middle / half, middle * half
    axis.set(**{f"{along}scale": "log", f"{along}lim": (low, high)})
    every = (m * 10.0**e for e in range(-3, 4) for m in ((1, 3) if high / low > 60 else (1, 2, 5)))
    ticks = [t for t in every if low <= t <= high]
    axis.set(**{f"{along}ticks": ticks, f"{along}ticklabels": [f"{t:g}" for t in ticks]})
    axis.minorticks_off()
