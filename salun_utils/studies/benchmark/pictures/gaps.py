"""Average gaps to Retrain: over methods, against cost, and along learning rates."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ....plots import GREY, Picture
from ....plots.axes import log_axis
from ....plots.methods import (
    COLOUR_OF,
    LINE_OF,
    MARKER_OF,
    RETRAIN,
    embolden,
    kind,
    labels_beside,
    legend,
    line_at,
    name_and_gap,
    near_retrain,
    point,
    to_name,
)
from ....runs.summary import AGAIN, label
from ...yardstick import yardstick


def gap_intervals(tables: Mapping[str, pd.DataFrame]) -> Picture:
    """The average gap of each method with its interval, smallest first; one panel a scenario, at
    most three side by side. The dashed line is doing nothing, the dotted one a second Retrain.

    Parameters
    ----------
    tables : scenario -> rows of `runs.summary.summarise` by method. Retrain, which is 0, is left
        out.
    """
    parts = {
        name: table.drop(index="retrain", errors="ignore").sort_values("avg_gap")
        for name, table in tables.items()
    }
    columns = len(parts) if len(parts) < 4 else 2
    rows = [len(part) for part in parts.values()]
    tallest = [max(rows[i : i + columns]) for i in range(0, len(rows), columns)]
    figure, axes = plt.subplots(
        len(tallest),
        columns,
        figsize=(max(6.4, 3.9 * columns), 0.27 * sum(tallest) + 1.5 * len(tallest)),
        height_ratios=tallest,
        squeeze=False,
    )
    for axis in axes.flat[len(parts) :]:
        axis.axis("off")
    for axis, most, (name, part) in zip(
        axes.flat, np.repeat(tallest, columns), parts.items(), strict=False
    ):
        for place, (method, row) in enumerate(part.iterrows()):
            style = {"color": COLOUR_OF[kind(method)], "linewidth": 2.4}
            if row.avg_gap_low == row.avg_gap_low:
                axis.plot([row.avg_gap_low, row.avg_gap_high], [place, place], **style)
            axis.plot(
                row.avg_gap,
                place,
                MARKER_OF[kind(method)],
                color=style["color"],
                markersize=8,
                markeredgecolor="white",
            )
        axis.set(
            yticks=range(len(part)),
            yticklabels=[label(m) for m in part.index],
            title=name,
            xlabel="average gap, points (log)",
        )
        for name_of in LINE_OF:
            line_at(axis, part.avg_gap.get(name_of), name_of)
        axis.set_ylim(most - 0.5, -0.5)
        log_axis(axis, part[["avg_gap", "avg_gap_low", "avg_gap_high"]].to_numpy())
        embolden(axis, part.index)
        axis.grid(axis="both", color="0.9", linewidth=0.8)
    legend(figure, [m for part in parts.values() for m in part.index])
    said = "; ".join(
        f"{name}: from {name_and_gap(part.iloc[0])} to {name_and_gap(part.iloc[-1])}"
        for name, part in parts.items()
        if len(part)
    )
    return figure, f"Average gap to Retrain with intervals, sorted; {said}"


def trade_off(tables: Mapping[str, pd.DataFrame], *, within: float = 15.0) -> Picture:
    """UA against TA, one point a method; Retrain is the star, its values the
    dashed lines. Of many methods those of `to_name` have their names beside them.

    A method further than `within` points from Retrain in one of the two is named in the title
    instead: it would squeeze the others.

    Parameters
    ----------
    tables : scenario -> rows of `runs.summary.summarise` by method.
    """
    figure, axes = plt.subplots(
        len(tables), 1, figsize=(7.4, 4.1 * len(tables) + 0.5), squeeze=False
    )
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=True):
        part, left_out = near_retrain(table, ["ua", "ta"], within)
        for method, row in part.drop(index="retrain", errors="ignore").iterrows():
            point(axis, row.ua, row.ta, method)
        if "retrain" in part.index:
            x, y = part.loc["retrain", ["ua", "ta"]]
            axis.axvline(x, color="0.5", linestyle="--", linewidth=1, zorder=0)
            axis.axhline(y, color="0.5", linestyle="--", linewidth=1, zorder=0)
            axis.plot(x, y, "*", color=RETRAIN, markersize=17, markeredgecolor="white", zorder=4)
        title = name + (
            f"\nmore than {within:g} points away: {', '.join(map(label, left_out))}"
            if left_out
            else ""
        )
        axis.set(xlabel="UA, %", ylabel="TA, %", title=title)
        axis.margins(0.07)
        named = part.loc[to_name(part)].iterrows()
        labels_beside(axis, {label(m): (row.ua, row.ta) for m, row in named})
    legend(figure, [m for part in tables.values() for m in part.index])
    return (
        figure,
        (
            f"UA against TA of {max(map(len, tables.values()))} methods,"
            f" Retrain a star; {', '.join(tables)}"
        ),
    )


def cost_against_gap(tables: Mapping[str, pd.DataFrame]) -> Picture:
    """What a method costs, in per cent of Retrain's time, against its average gap; both axes
    logarithmic. Of many methods those of `to_name` have their names beside them; the dotted line is
    another Retrain.

    Parameters
    ----------
    tables : scenario -> rows of `runs.summary.summarise` by method. Rows without a cost, Retrain
        and the original are left out.
    """
    figure, axes = plt.subplots(
        len(tables), 1, figsize=(7.4, 4.1 * len(tables) + 0.5), squeeze=False
    )
    drawn: list[str] = []
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=True):
        part = table.drop(index=["retrain", AGAIN, "original"], errors="ignore")
        part = part[part.cost > 0]
        drawn += list(part.index)
        for method, row in part.iterrows():
            point(axis, 100 * row.cost, max(row.avg_gap, 0.01), method)
        axis.set(
            xlabel="time, % of Retrain's (log)", ylabel="average gap, points (log)", title=name
        )
        log_axis(axis, 100 * part.cost.to_numpy())
        floor = yardstick(table)
        line_at(axis, floor, level=True)
        gaps = [*part.avg_gap, *([] if floor is None else [floor])]
        log_axis(axis, np.clip(gaps, 0.01, None), along="y")
        named = part.loc[to_name(part)].iterrows()
        ends = {label(m): (100 * row.cost, max(row.avg_gap, 0.01)) for m, row in named}
        labels_beside(axis, ends)
    legend(figure, drawn)
    return (
        figure,
        (
            f"Cost against average gap on logarithmic axes for {len(set(drawn))} methods;"
            f" {', '.join(tables)}"
        ),
    )


def tuning_gain(tuned: Mapping[str, pd.DataFrame]) -> Picture:
    """The average gap on the pilot seed before tuning (ring) and after (filled), joined by a line;
    one panel a scenario.

    Parameters
    ----------
    tuned : scenario -> columns default_gap, pilot_gap, by method.
    """
    parts = {name: table.sort_values("pilot_gap") for name, table in tuned.items()}
    tallest = max(len(part) for part in parts.values())
    figure, axes = plt.subplots(
        1, len(parts), figsize=(max(6.4, 3.9 * len(parts)), 0.27 * tallest + 1.5), squeeze=False
    )
    for axis, (name, part) in zip(axes.flat, parts.items(), strict=True):
        for place, (method, row) in enumerate(part.iterrows()):
            colour = COLOUR_OF[kind(method)]
            axis.plot(
                [row.pilot_gap, row.default_gap],
                [place, place],
                color=colour,
                linewidth=1.6,
                zorder=1,
            )
            axis.plot(
                row.default_gap,
                place,
                "o",
                markerfacecolor="white",
                markeredgecolor=colour,
                markersize=7,
                markeredgewidth=1.6,
            )
            axis.plot(
                row.pilot_gap,
                place,
                MARKER_OF[kind(method)],
                color=colour,
                markersize=7,
                markeredgecolor="white",
            )
        axis.set(
            yticks=range(len(part)),
            yticklabels=[label(m) for m in part.index],
            title=name,
            xlabel="average gap, points (log)",
        )
        axis.set_ylim(tallest - 0.5, -0.5)
        log_axis(axis, part[["pilot_gap", "default_gap"]].to_numpy())
        embolden(axis, part.index)
        axis.grid(axis="both", color="0.9", linewidth=0.8)
    legend(figure, [m for part in parts.values() for m in part.index])
    said = "; ".join(
        f"{n}: median {p.default_gap.median():.1f} before, {p.pilot_gap.median():.1f} after"
        for n, p in parts.items()
    )
    return figure, f"Average gap on the pilot seed with default and with tuned values; {said}"


def paths(
    curves: Mapping[str, pd.DataFrame],
    retrain: tuple[float, float],
    *,
    original: tuple[float, float] | None = None,
) -> Picture:
    """How methods move in the plane of UA and TA as their learning rate grows; larger points are
    larger rates.

    Parameters
    ----------
    curves : method -> columns lr, ua, ta, in the order of lr. retrain, original : their (UA, TA).
    """
    figure, axis = plt.subplots(figsize=(7.4, 4.4))
    for method, part in curves.items():
        colour = COLOUR_OF[kind(method)]
        style = "--" if method == "rl" else "-"
        start = [] if original is None else [original]
        axis.plot(
            *zip(*start, *zip(part.ua, part.ta)), style, color=colour, linewidth=1.5, alpha=0.8
        )
        sizes = np.linspace(20, 110, len(part))
        axis.scatter(
            part.ua,
            part.ta,
            sizes,
            color=colour,
            marker=MARKER_OF[kind(method)],
            edgecolor="white",
            zorder=3,
        )
    axis.axvline(retrain[0], color="0.5", linestyle="--", linewidth=1, zorder=0)
    axis.axhline(retrain[1], color="0.5", linestyle="--", linewidth=1, zorder=0)
    axis.plot(*retrain, "*", color=RETRAIN, markersize=17, markeredgecolor="white", zorder=4)
    ends = {label(m): (part.ua.iloc[-1], part.ta.iloc[-1]) for m, part in curves.items()} | {
        "Retrain": retrain
    }
    if original is not None:
        axis.plot(
            *original,
            MARKER_OF["reference"],
            color=GREY,
            markersize=9,
            markeredgecolor="white",
            zorder=4,
        )
        ends["original"] = original
    axis.set(xlabel="UA, %", ylabel="TA, %")
    axis.margins(0.07)
    labels_beside(axis, ends)
    sns.despine(figure)
    return (
        figure,
        (
            f"Paths of {', '.join(map(label, curves))} from the original in the plane of UA and TA"
            " as the learning rate grows"
        ),
    )
