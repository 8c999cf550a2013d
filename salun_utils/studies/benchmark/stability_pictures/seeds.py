"""How far figures differ from seed to seed, and what that means for places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from ....metrics import bootstrap_interval
from ....plots import COLOURS, MARKERS, Picture
from ....plots.methods import colour_named, line_at
from .marks import plain_log


def seed_dots(
    runs: pd.DataFrame,
    *,
    value: str = "average",
    label: str = "average gap, points",
    nothing: Mapping[str, float] | None = None,
    again: Mapping[str, Mapping[int, float]] | None = None,
) -> Picture:
    """Every seed a dot, the mean a bar and its bootstrap 95 % interval a line; one panel a
    scenario with an axis of its own, one row a method in the colour of its kind.

    Parameters
    ----------
    runs : columns panel, name, seed and `value` (above 0), in the order to be shown.
    nothing : panel -> the value of doing nothing, a dashed line. again : panel -> seed -> the value
        of another Retrain, whose mean is a dotted line.
    """
    panels, names = (list(dict.fromkeys(runs[c])) for c in ("panel", "name"))
    size = (1.2 + 1.9 * len(panels), 1.0 + 0.27 * len(names))
    figure, axes = plt.subplots(1, len(panels), figsize=size, dpi=200, sharey=True, squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=True):
        part = runs[runs.panel == panel]
        for place, name in enumerate(names):
            values = part.loc[part.name == name, value].to_numpy(dtype=float)
            if len(values):
                _seeds_in_a_row(axis, place, values, colour_named(name))
        line_at(axis, (nothing or {}).get(panel), "original")
        if gaps := (again or {}).get(panel):
            line_at(axis, sum(gaps.values()) / len(gaps))
        axis.set_title(panel.replace(", ", ",\n"), fontsize=10)
        axis.set(ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)), yticklabels=names)
        axis.grid(color="0.9", linewidth=0.7)
        axis.tick_params(axis="both", labelsize=9)
        axis.tick_params(axis="y", length=0)
        for text in axis.get_yticklabels():
            text.set_fontweight("bold" if text.get_text() == "SalUn" else "normal")
        axis.set_axisbelow(True)
        plain_log(axis)
    figure.supxlabel(label, fontsize=10)
    sns.despine(figure, left=True)
    figure.tight_layout(w_pad=0.8)
    return (
        figure,
        (
            f"Dots of the {label} of every seed, with mean and interval, for {', '.join(names)};"
            f" panels: {', '.join(panels)}"
        ),
    )


def _seeds_in_a_row(axis: Axes, place: int, values: np.ndarray, colour: str) -> None:
    """The interval of several values, their mean, and a dot for each."""
    interval = bootstrap_interval(values)
    if len(values) > 1:
        look: dict[str, Any] = {"linewidth": 5, "alpha": 0.35, "solid_capstyle": "butt"}
        axis.plot(interval, [place, place], color=colour, **look)
    axis.plot(values.mean(), place, "|", color=colour, markersize=12, markeredgewidth=2.2)
    dot: dict[str, Any] = {"markersize": 3, "alpha": 0.75, "markeredgewidth": 0}
    axis.plot(values, [place] * len(values), "o", color="0.1", **dot)


def needed_seeds(needed: pd.DataFrame, *, recorded: int, most: int = 1000) -> Picture:
    """How many seeds it takes to tell each rival from one method, on a logarithmic axis; one mark a
    scenario.

    Parameters
    ----------
    needed : columns panel, name, seeds (infinity where no number helps). recorded : drawn as a
        line. most : end of the axis; what lies beyond is drawn at its right edge as an arrow.
    """
    panels, names = (list(dict.fromkeys(needed[c])) for c in ("panel", "name"))
    figure, axis = plt.subplots(figsize=(6.4, 1.2 + 0.36 * len(names)))
    shifts = np.linspace(-0.3, 0.3, len(panels)) if len(panels) > 1 else [0.0]
    for panel, colour, marker, shift in zip(panels, COLOURS, MARKERS, shifts, strict=False):
        part = needed[needed.panel == panel]
        places = np.array([names.index(n) for n in part.name]) + shift
        seeds = part.seeds.to_numpy(dtype=float)
        inside = seeds <= most
        dot = {"color": colour, "markersize": 7, "markeredgecolor": "white"}
        axis.plot(seeds[inside], places[inside], marker, label=panel, **dot)
        axis.plot(np.full((~inside).sum(), 1.15 * most), places[~inside], ">", **dot)
    axis.axvline(recorded, color="0.15", linestyle="--", linewidth=1.2)
    axis.annotate(
        f"{recorded} recorded",
        (recorded, 1.01),
        xycoords=("data", "axes fraction"),
        ha="center",
        fontsize=9,
    )
    _axis_of_counts(axis, names, most=most)
    axis.legend(
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.06),
        ncols=len(panels),
        columnspacing=1.0,
        handletextpad=0.2,
    )
    sns.despine(figure, left=True)
    figure.tight_layout()
    return (
        figure,
        (
            f"Marks of the number of seeds needed to tell {', '.join(names)} apart;"
            f" {', '.join(panels)}"
        ),
    )


def _axis_of_counts(axis: Axes, names: Sequence[str], *, most: int) -> None:
    """Numbers of seeds up to `most` along a logarithmic axis, a row for each name."""
    axis.set(
        xscale="log",
        xlim=(1.8, 1.4 * most),
        ylim=(len(names) - 0.4, -0.6),
        yticks=range(len(names)),
        yticklabels=names,
    )
    ticks = [t for t in (2, 5, 10, 20, 50, 100, 200, 500, 1000) if t <= most]
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(f"seeds needed (an arrow at the edge: more than {most})")
    axis.grid(axis="both", color="0.9", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)


def place_ranges(places: pd.DataFrame) -> Picture:
    """From the best place to the worst that the intervals leave open, a bar a method; one panel a
    task, those with most methods first.

    Parameters
    ----------
    places : columns panel, name, best, worst, gap (which orders the rows), marked (drawn in the
        second colour).
    """
    counts = places.groupby("panel", sort=False).size().sort_values(ascending=False, kind="stable")
    panels, columns = list(counts.index), 2 if len(counts) > 1 else 1
    # a row of panels is as tall as its first
    tall = [0.8 + 0.23 * counts.iloc[k] for k in range(0, len(panels), columns)]
    figure, axes = plt.subplots(
        len(tall),
        columns,
        figsize=(3.4 * columns, sum(tall)),
        dpi=200,
        height_ratios=tall,
        squeeze=False,
    )
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for k, (axis, panel) in enumerate(zip(axes.flat, panels, strict=False)):
        part = places[places.panel == panel].sort_values(["best", "worst", "gap"])
        for line, row in enumerate(part.itertuples()):
            colour = COLOURS[1] if row.marked else COLOURS[0]
            axis.barh(
                line,
                row.worst - row.best + 0.7,
                left=row.best - 0.35,
                height=0.55,
                color=colour,
                alpha=0.85,
            )
        count = len(part)
        axis.set(yticks=range(count), yticklabels=part.name, xlabel="place")
        axis.set(xlim=(0.4, count + 0.6), ylim=(counts.iloc[k - k % columns] - 0.4, -0.6))
        axis.set_xticks(range(1, count + 1, 1 if count < 9 else 2 if count < 13 else 4))
        axis.set_title(panel, fontsize=10.5)
        axis.tick_params(axis="both", labelsize=9)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color="0.9", linewidth=0.7)
        axis.set_axisbelow(True)
    sns.despine(figure, left=True)
    figure.tight_layout()
    return (
        figure,
        (
            "Bars from the best to the worst possible place of each method; panels:"
            f" {', '.join(panels)}"
        ),
    )
