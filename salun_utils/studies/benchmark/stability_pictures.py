"""Pictures of how far a result can be relied on: over seeds, settings and forget amounts. Each
function returns a figure and its text
alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from ...metrics import bootstrap_interval
from ...plots import COLOURS, GREY, MARKERS, STROKES, Picture

# -- recorded runs ---------------------------------------------------------------------


def seed_dots(
    runs: pd.DataFrame, *, value: str = "average", label: str = "average gap, points"
) -> Picture:
    """Every seed a dot, the mean a bar and its bootstrap 95 % interval a line; one panel a
    scenario, one row a method.

    Parameters
    ----------
    runs : columns panel, name, seed and `value` (above 0), in the order to be shown.
    """
    panels, names = (list(dict.fromkeys(runs[c])) for c in ("panel", "name"))
    size = (1.2 + 1.9 * len(panels), 1.0 + 0.27 * len(names))
    figure, axes = plt.subplots(
        1, len(panels), figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for axis, panel in zip(axes.flat, panels, strict=True):
        part = runs[runs.panel == panel]
        for place, name in enumerate(names):
            values = part.loc[part.name == name, value].to_numpy(dtype=float)
            if not len(values):
                continue
            interval = bootstrap_interval(values)
            if len(values) > 1:
                axis.plot(
                    interval,
                    [place, place],
                    color=COLOURS[0],
                    linewidth=5,
                    alpha=0.35,
                    solid_capstyle="butt",
                )
            axis.plot(
                values.mean(), place, "|", color=COLOURS[0], markersize=12, markeredgewidth=2.2
            )
            axis.plot(
                values,
                [place] * len(values),
                "o",
                color="0.1",
                markersize=3,
                alpha=0.75,
                markeredgewidth=0,
            )
        axis.set_title(panel, fontsize=10.5)
        axis.set(ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)), yticklabels=names)
        axis.grid(color="0.9", linewidth=0.7)
        axis.tick_params(axis="y", labelsize=9, length=0)
        axis.set_axisbelow(True)
    _log(axes[0, 0])
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


def forget_amounts(
    runs: pd.DataFrame, measures: Mapping[str, str], *, reference: str = "Retrain"
) -> Picture:
    """Scores against the share that is forgotten: a line through the means, a band from the lowest
    seed to the highest.

    Parameters
    ----------
    runs : columns name, amount (per cent), seed, carried (whether it ran with the values of the
        line's own tuning) and one a measure. Runs that are not carried are drawn as hollow marks
        beside the lines. measures : column -> label of its panel.
    """
    names = list(dict.fromkeys(runs.name))
    rows = -(-(len(measures) + 1) // 2)  # one place is for the legend
    figure, axes = plt.subplots(rows, 2, figsize=(6.8, 2.35 * rows), squeeze=False)
    for axis, (measure, label) in zip(axes.flat, measures.items(), strict=False):
        for k, name in enumerate(names):
            _amount_line(axis, runs[runs.name == name], measure, name, k, reference)
        axis.set(title=label, xticks=[1, 10, 20, 30, 40, 50], xlim=(-1, 53))
        axis.tick_params(labelsize=9)
        axis.grid(color="0.92", linewidth=0.7)
    for axis in axes.flat[len(measures) :]:
        axis.axis("off")
    axes.flat[len(measures)].legend(
        *axes.flat[0].get_legend_handles_labels(), loc="center", frameon=False
    )
    figure.supxlabel("share of the training pictures that is forgotten, %", fontsize=10)
    sns.despine(figure)
    figure.tight_layout(h_pad=0.8)
    amounts = ", ".join(f"{a:g}" for a in sorted(runs.amount.unique()))
    return (
        figure,
        (
            f"Lines of {', '.join(measures.values())} over the forget amounts {amounts} % for"
            f" {', '.join(names)}"
        ),
    )


def _amount_line(
    axis: Axes, part: pd.DataFrame, measure: str, name: str, place: int, reference: str
) -> None:
    colour = "0.1" if name == reference else COLOURS[place % len(COLOURS)]
    look: dict[str, Any] = {
        "color": colour,
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 5,
    }
    groups = part[part.carried].groupby("amount")[measure]
    mean = groups.mean()
    axis.fill_between(mean.index, groups.min(), groups.max(), color=colour, alpha=0.15, linewidth=0)
    axis.plot(
        mean.index,
        mean,
        linestyle=STROKES[place % len(STROKES)],
        linewidth=2.2 if name == reference else 1.6,
        label=name,
        **look,
    )
    other = part[~part.carried].groupby("amount")[measure].mean()
    axis.plot(other.index, other, linestyle="none", markerfacecolor="white", **look)


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
        axis.plot(
            seeds[inside],
            places[inside],
            marker,
            color=colour,
            markersize=7,
            markeredgecolor="white",
            label=panel,
        )
        axis.plot(
            np.full((~inside).sum(), 1.15 * most),
            places[~inside],
            ">",
            color=colour,
            markersize=7,
            markeredgecolor="white",
        )
    axis.axvline(recorded, color="0.15", linestyle="--", linewidth=1.2)
    axis.annotate(
        f"{recorded} recorded",
        (recorded, 1.01),
        xycoords=("data", "axes fraction"),
        ha="center",
        fontsize=9,
    )
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
        len(tall), columns, figsize=(3.6 * columns, sum(tall)), height_ratios=tall, squeeze=False
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
        axis.set_xticks(range(1, count + 1, 1 if count < 9 else 2))
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


# -- sweeps of one setting -------------------------------------------------------------


def sweeps(
    found: pd.DataFrame, knobs: Mapping[str, str], levels: Mapping[str, tuple[float, float]]
) -> Picture:
    """UA and TA against the one setting of each method, a line a mask; levels of other networks are
    drawn across.

    Parameters
    ----------
    found : columns method, mask, knob (the setting), ua, ta (per cent; NaN where the run diverged).
    knobs : method -> label of its setting. levels : name -> (UA, TA), such as those of Retrain.
    """
    figure, axes = plt.subplots(
        len(knobs), 2, figsize=(6.8, 0.5 + 2.4 * len(knobs)), squeeze=False, sharey="col"
    )
    for line, (method, knob) in zip(axes, knobs.items(), strict=True):
        for axis, measure, side in zip(line, ("ua", "ta"), (0, 1), strict=True):
            for k, (mask, part) in enumerate(
                found[found.method == method].groupby("mask", sort=False)
            ):
                axis.plot(
                    part.knob,
                    part[measure],
                    color=COLOURS[k],
                    marker=MARKERS[k],
                    linestyle=STROKES[k],
                    markersize=5,
                    label=mask,
                )
            for (name, pair), style in zip(levels.items(), ("-", ":"), strict=False):
                axis.axhline(
                    pair[side], color="0.3", linestyle=style, linewidth=1.1, zorder=0, label=name
                )
            axis.set(xscale="log", xlabel=knob, ylabel=f"{measure.upper()}, %", ylim=(-3, 103))
            axis.set_title(f"{method}: {measure.upper()}", fontsize=10.5)
            axis.tick_params(labelsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper center",
        ncols=len(labels),
        frameon=False,
        fontsize=9,
        columnspacing=1.0,
        handlelength=2.4,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.32 / figure.get_figheight()))
    return figure, f"Lines of UA and TA against the setting of {', '.join(knobs)}, one a mask"


def trade_off(
    found: pd.DataFrame, levels: Mapping[str, tuple[float, float]], *, highest: float = 60.0
) -> Picture:
    """TA against UA as the setting of each method grows, a line a mask, with other networks as
    marks.

    Parameters
    ----------
    found : as for `sweeps`. levels : name -> (UA, TA). highest : the largest UA shown.
    """
    methods: Sequence[str] = list(dict.fromkeys(found.method))
    figure, axes = plt.subplots(
        1, len(methods), figsize=(3.4 * len(methods), 3.2), squeeze=False, sharey=True
    )
    seen = found[found.ua <= highest]
    floor = max(0.0, min(seen.ta.min(), *(pair[1] for pair in levels.values())) - 4)
    for axis, method in zip(axes.flat, methods, strict=True):
        for k, (mask, part) in enumerate(found[found.method == method].groupby("mask", sort=False)):
            part = part.sort_values("knob").dropna()
            axis.plot(
                part.ua,
                part.ta,
                color=COLOURS[k],
                marker=MARKERS[k],
                linestyle=STROKES[k],
                markersize=5,
                label=mask,
            )
        for (name, (ua, ta)), marker in zip(levels.items(), ("*", "s"), strict=False):
            look = (
                {"color": "0.1", "markersize": 13}
                if marker == "*"
                else {"color": GREY, "markersize": 7}
            )
            axis.plot(ua, ta, marker, linestyle="none", label=name, **look)
        axis.set(title=method, xlabel="UA, %", xlim=(0, highest), ylim=(floor, None))
    axes[0, 0].set_ylabel("TA, %")
    axes[0, 0].legend(frameon=False, fontsize=9, loc="lower left")
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            f"Curves of TA against UA for {', '.join(methods)}, one a mask, with marks for"
            f" {', '.join(levels)}"
        ),
    )


def _log(axis: Axes) -> None:
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
