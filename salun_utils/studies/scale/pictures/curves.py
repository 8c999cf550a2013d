"""Average gap over duration as curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from ....plots import GREY, MARKERS, Picture
from ....plots.methods import COLOUR_OF, kind
from ...yardstick import NAME
from .marks import STYLES, shared_legend


def curves(
    table: pd.DataFrame,
    panels: Mapping[str, str],
    names: Mapping[str, str],
    *,
    x_label: str,
    zero: Sequence[str] = (),
    ticks: str = "{:g}",
    again: Mapping[float, pd.Series] | None = None,
) -> Picture:
    """Means with intervals against a size on a logarithmic axis; a panel a measure, a line a
    method, in the colour of its kind.

    Parameters
    ----------
    table : rows by (method, size) with the columns c, c_low and c_high for each measure c. panels :
        c -> title. names : method -> label.
    zero : measures in whose panels zero, the level of Retrain, is drawn. ticks : how a size is
        written. again : size -> another Retrain there, in grey.
    """
    sizes = sorted(set(table.index.get_level_values(1)))
    columns = len(panels) if len(panels) < 4 else 2
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(max(4.2, 0.4 + 3.3 * columns), 0.4 + 2.6 * lines), squeeze=False
    )
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (measure, title) in zip(axes.flat, panels.items(), strict=False):
        _lines_of_methods(axis, table, measure, names)
        if again:
            gaps = [again[size][measure] for size in sorted(again)]
            axis.plot(sorted(again), gaps, color=GREY, linestyle=":", marker="P", label=NAME)
        if measure in zero:
            axis.axhline(0, color="0.4", linewidth=0.9, zorder=0)
        _axis_of_sizes(axis, sizes, ticks)
        axis.set_title(title, fontsize=10.5)
        axis.tick_params(labelsize=9)
    for axis in axes[-1]:
        axis.set_xlabel(x_label)
    shared_legend(figure, axes[0, 0], len(names) + bool(again))
    return (
        figure,
        (
            f"Lines with intervals against {x_label} for {', '.join(names.values())}; panels:"
            f" {', '.join(panels.values())}"
        ),
    )


def _lines_of_methods(
    axis: Axes, table: pd.DataFrame, measure: str, names: Mapping[str, str]
) -> None:
    """One panel: a line with intervals for each method."""
    for k, (method, name) in enumerate(names.items()):
        part = table.xs(method, level=0).sort_index()
        # equal values would hide one another
        x = part.index.to_numpy(dtype=float) * 1.035 ** (k - (len(names) - 1) / 2)
        low, high = part[f"{measure}_low"], part[f"{measure}_high"]
        colour = COLOUR_OF[kind(method)]
        axis.vlines(x, low, high, color=colour, linewidth=1.6, alpha=0.8)
        look = {
            "color": colour,
            "marker": MARKERS[k],
            "linestyle": STYLES[k],
            "markersize": 5.5,
        }
        axis.plot(
            x, part[measure], label=name, markeredgecolor="white", markeredgewidth=0.5, **look
        )


def _axis_of_sizes(axis: Axes, sizes: Sequence[float], ticks: str) -> None:
    """A logarithmic axis with a tick at each size, of which those are named that have the room."""
    labelled = _apart(sizes)
    axis.set_xscale("log")
    axis.set_xticks(
        sizes,
        [ticks.format(s) if s in labelled else "" for s in sizes],
        rotation=40 if len(labelled) > 4 else 0,
    )
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.minorticks_off()


def _apart(sizes: Sequence[float]) -> set[float]:
    """Those that can be written under a logarithmic axis without touching the next, the largest
    first.
    """
    least = 0.07 * math.log(sizes[-1] / sizes[0]) if len(sizes) > 1 else 0
    chosen: list[float] = []
    for size in reversed(sizes):
        if not chosen or math.log(chosen[-1] / size) >= least:
            chosen.append(size)
    return set(chosen)
