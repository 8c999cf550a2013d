"""Recorded sweeps of the density."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ....plots import COLOURS, GREY, MARKERS, Picture
from ....plots.methods import line_at
from ...yardstick import NAME

DENSITY_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
PANELS = {
    "gap_ua": "UA gap",
    "gap_mia": "MIA gap",
    "gap_ra": "RA gap",
    "gap_ta": "TA gap",
    "avg_gap": "average gap",
    "cost": "cost, % of Retrain",
}


def against_density(
    tables: Mapping[str, pd.DataFrame],
    *,
    knees: Mapping[str, float] | None = None,
    again: Mapping[str, float] | None = None,
    measures: Mapping[str, str] = PANELS,
) -> Picture:
    """Small multiples: one row of panels a task, one panel a measure, its mean against the density
    with a 95 % interval.

    Parameters
    ----------
    tables : task -> rows by keep, columns of `recorded.by_density`. knees : task -> density of the
        automatic mask, drawn as a line. again : task -> average gap of another Retrain, a level
        line. measures : column -> title of its panels.
    """
    size = (max(6.4, 1.57 * len(measures)), 0.6 + 1.6 * len(tables))
    figure, axes = plt.subplots(
        len(tables), len(measures), figsize=size, dpi=200, sharex=True, squeeze=False
    )
    for line, (task, table) in zip(axes, tables.items(), strict=True):
        for axis, (measure, title) in zip(line, measures.items(), strict=True):
            scale = 100 if measure == "cost" else 1
            mean, low, high = (
                scale * table[f"{measure}{end}"].to_numpy(dtype=float)
                for end in ("", "_low", "_high")
            )
            axis.fill_between(table.index, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
            axis.plot(table.index, mean, "o-", color=COLOURS[0], markersize=3.5, linewidth=1.4)
            if measure.startswith("gap"):
                axis.axhline(0, color="0.4", linewidth=0.9)
            else:
                axis.set_ylim(bottom=0)
            axis.axvline(0.5, color="0.5", linestyle=":", linewidth=1)
            line_at(axis, (again or {}).get(task) if measure == "avg_gap" else None, level=True)
            if knees and task in knees:
                axis.axvline(knees[task], color=COLOURS[1], linestyle="--", linewidth=1)
            _density_axis(axis)
            if axis in axes[0]:
                axis.set_title(title, fontsize=10)
        line[0].set_ylabel(task.replace(", ", "\n"), fontsize=9)
    strokes = ["dotted upright: 50 %" if again else "dotted: 50 %"]
    strokes += ["dashed: the knee"] if knees else []
    strokes += [f"dotted level: {NAME}"] if again else []
    figure.supxlabel(f"weights kept, % ({'; '.join(strokes)})", fontsize=10)
    sns.despine(figure)
    figure.tight_layout(w_pad=0.3)
    best = {task: table.avg_gap.astype(float).idxmin() for task, table in tables.items()}
    said = "; ".join(
        f"{task}: smallest mean average gap at {100 * keep:.0f} %" for task, keep in best.items()
    )
    return (
        figure,
        f"Panels of {', '.join(measures.values())} against the density. {said}",
    )


def differences(
    lines: Mapping[str, Mapping[str, tuple[float, float, float]]],
    *,
    against: str = "50 %",
    again: Mapping[str, float] | None = None,
) -> Picture:
    """Differences in the average gap with their intervals: one band a task, one mark a choice; left
    of the line is closer to Retrain.

    Parameters
    ----------
    lines : task -> choice -> (mean, low, high), points. again : task -> average gap of another
        Retrain; within the dotted strokes to both sides of 0 differences are smaller.
    """
    choices = list(dict.fromkeys(c for found in lines.values() for c in found))
    figure, axis = plt.subplots(figsize=(7.0, 1.0 + 0.26 * len(choices) * len(lines)))
    shifts = np.linspace(-0.32, 0.32, len(choices))
    for place, (task, found) in enumerate(lines.items()):
        if place % 2 == 0:
            axis.axhspan(place - 0.5, place + 0.5, color="0.96", zorder=0)
        if (floor := (again or {}).get(task)) is not None:
            ends = [-floor, floor]
            axis.vlines(ends, place - 0.5, place + 0.5, color=GREY, linestyle=":", linewidth=1.2)
        for k, choice in enumerate(choices):
            if choice in found:
                mean, low, high = found[choice]
                colour = GREY if "hindsight" in choice else COLOURS[k]
                axis.hlines(place + shifts[k], low, high, color=colour, linewidth=2)
                label = choice if task == next(t for t in lines if choice in lines[t]) else None
                axis.plot(
                    mean,
                    place + shifts[k],
                    MARKERS[k],
                    color=colour,
                    markersize=6,
                    markeredgecolor="white",
                    label=label,
                )
    axis.axvline(0, color="0.3", linewidth=1)
    axis.set(
        yticks=range(len(lines)),
        yticklabels=list(lines),
        ylim=(len(lines) - 0.5, -0.5),
        xlabel=f"average gap minus that of {against}, points",
    )
    axis.tick_params(axis="y", length=0)
    axis.legend(
        frameon=False,
        fontsize=9,
        loc="lower center",
        bbox_to_anchor=(0.4, 1.0),
        ncols=3,
        handletextpad=0.1,
    )
    sns.despine(figure, left=True)
    figure.tight_layout()
    return (
        figure,
        (
            f"Differences in the average gap to {against} with intervals for {', '.join(choices)};"
            f" {', '.join(lines)}"
        ),
    )


def lines_by_mask(
    tables: Mapping[str, Mapping[str, pd.DataFrame]],
    *,
    again: Mapping[str, float] | None = None,
) -> Picture:
    """One panel a task: the average gap against the density, one line a mask with a 95 % interval.

    Parameters
    ----------
    tables : task -> mask -> rows by keep, columns of `recorded.by_density`. again : task -> the
        average gap of another Retrain, a dotted line.
    """
    figure, axes = plt.subplots(
        1, len(tables), figsize=(3.1 * len(tables) + 0.6, 3.2), squeeze=False
    )
    for axis, (task, masks) in zip(axes.flat, tables.items(), strict=True):
        for k, (mask, table) in enumerate(masks.items()):
            mean, low, high = (
                table[f"avg_gap{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high")
            )
            axis.fill_between(table.index, low, high, color=COLOURS[k], alpha=0.15, linewidth=0)
            look = {
                "marker": MARKERS[k],
                "linestyle": ("-", "--", "-.", ":")[k % 4],
                "markersize": 5,
                "markeredgecolor": "white",
            }
            axis.plot(table.index, mean, color=COLOURS[k], label=mask, **look)
        line_at(axis, (again or {}).get(task), level=True, named=True)
        _density_axis(axis)
        axis.set_ylim(bottom=0)
        axis.set_title(task, fontsize=10)
        axis.set_xlabel("weights kept, %", fontsize=9)
        axis.legend(frameon=bool(again), framealpha=0.9, edgecolor="none", fontsize=9)
    gap = PANELS["avg_gap"]
    axes[0, 0].set_ylabel(f"{gap}, points", fontsize=9)
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        f"Lines of the {gap} against the density by mask; panels: {', '.join(tables)}",
    )


def _density_axis(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.set_xlim(0.008, 1.25)
    axis.set_xticks([0.01, 0.1, 1.0], ["1", "10", "100"])
    axis.set_xticks([t for t in DENSITY_TICKS if t not in (0.01, 0.1, 1.0)], minor=True, labels=[])
    axis.tick_params(labelsize=8.5)
