"""Pictures of erasers: what attacks bring back, drawn and counted. Each function returns a figure
and its text alternative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor

from ...generation import figures
from ...plots import COLOURS, GREY, Picture
from ...plots.methods import colour_named
from ...shown import amount
from .live import Drawn

DPI = 200
SHOWN = 6  # pictures of each way
PANELS = {  # of `eraser_intervals`: title, edges of the axis, digits of a figure beyond them
    "ua": ("UA, %", (90.0, 100.6), 0),
    "change": ("other classes, points", (-4.4, 1.2), 0),
    "fid_change": ("distance (FID), change", (-0.1, 0.7), 1),
}


def brought_back(rows: Mapping[str, Mapping[str, Drawn]], *, shown: int = SHOWN) -> Picture:
    """One row a model and one block a way of asking: a few pictures, and under each block the share
    of all its pictures that show the concept.

    Parameters
    ----------
    rows : model -> way -> what was drawn, the same ways for all.
    """
    ways = list(next(iter(rows.values())))
    widths = [*([1.0] * shown + [0.5]) * len(ways)][:-1]
    figure, axes = plt.subplots(
        len(rows),
        len(widths),
        figsize=(0.56 * sum(widths) + 1, 0.8 * len(rows) + 0.3),
        width_ratios=widths,
        squeeze=False,
        dpi=DPI,
    )
    for row, (line, (name, found)) in enumerate(zip(axes, rows.items(), strict=True)):
        for axis in line:
            axis.set_axis_off()
        for at, (way, drawn) in enumerate(found.items()):
            first = at * (shown + 1)
            for axis, picture in zip(line[first : first + shown], drawn.pixels, strict=False):
                axis.imshow(_grey(picture), cmap="gray", vmin=0, vmax=255)
            line[first].text(0, -0.06, f"{drawn.share:.0f} %", **_under(line[first]))
            if row == 0:
                line[first].set_title(way, fontsize=9, loc="left")
        line[0].text(-0.2, 0.5, name, ha="right", va="center", transform=line[0].transAxes)
    figure.subplots_adjust(0.14, 0.06, 0.99, 0.9, 0.06, 0.3)
    said = "; ".join(
        f"{name}: " + ", ".join(f"{way} {one.share:.0f} %" for way, one in found.items())
        for name, found in rows.items()
    )
    return figure, f"Pictures of the concept by model and way of asking, recognised in {said}"


def _grey(picture: Tensor) -> Tensor:
    return picture.float().mean(0)


def _under(axis: plt.Axes) -> dict:
    return {"transform": axis.transAxes, "fontsize": 9, "va": "top", "color": "0.25"}


def by_name_and_word(every: pd.DataFrame) -> Picture:
    """One panel a class and one line an eraser: the share of pictures that show it, asked for by
    its name (open) and by a learned word (full); the dashed line is the original by the word.

    Parameters
    ----------
    every : see `recorded.rows`; runs that were not attacked are left out.
    """
    asked = every[every.word.notna()]
    word = asked.pivot_table(index="name", columns="concept", values="word")
    name = 100 - asked.pivot_table(index="name", columns="concept", values="ua")
    order = word.max(axis=1).sort_values().index
    figure, axes = plt.subplots(
        1, word.shape[1], figsize=(7.2, 0.34 * len(order) + 1), sharey=True, squeeze=False, dpi=DPI
    )
    for axis, concept in zip(axes.flat, word.columns, strict=True):
        for place, eraser in enumerate(order):
            colour = colour_named(eraser)
            ends = [name.loc[eraser, concept], word.loc[eraser, concept]]
            axis.plot(ends, [place, place], color=colour, linewidth=1.6)
            axis.plot(ends[0], place, "o", color=colour, markerfacecolor="white", markersize=7)
            axis.plot(ends[1], place, "D", color=colour, markersize=7)
        axis.axvline(asked[asked.concept == concept].original_word.mean(), color=GREY, ls="--")
        axis.set(title=concept, xlim=(-4, 104), xlabel="recognised, %")
        axis.set_yticks(range(len(order)), order)
        axis.grid(axis="x", color="0.92")
    sns.despine(figure)
    figure.tight_layout()
    said = "; ".join(
        f"{c}: " + ", ".join(f"{n} {name.loc[n, c]:.0f} and {word.loc[n, c]:.0f}" for n in order)
        for c in word.columns
    )
    return figure, f"Recognised by its name and by a learned word, per cent. {said}"


def eraser_intervals(summary: pd.DataFrame) -> Picture:
    """One line an eraser and one panel a measure of forgetting or damage: the mean over the
    recorded runs with its interval; what lies beyond an edge is an arrow with its figure.

    Parameters
    ----------
    summary : rows of `recorded.summarise`, best eraser first, which is drawn at the top.
    """
    size = (8.6, 0.3 * len(summary) + 1)
    figure, axes = plt.subplots(1, len(PANELS), figsize=size, sharey=True, dpi=DPI)
    for axis, (measure, (title, edges, digits)) in zip(axes.flat, PANELS.items(), strict=True):
        for place, (name, line) in enumerate(summary.iterrows()):
            look = {"color": colour_named(str(name)), "clip_on": False}
            if not edges[0] <= line[measure] <= edges[1]:
                _arrow(axis, line[measure], place, edges, digits, look)
                continue
            ends = [line[f"{measure}_low"], line[f"{measure}_high"]]
            axis.plot(ends, [place, place], color=look["color"], linewidth=2.4)
            mark = "D" if name == "SalUn" else "o"
            axis.plot(line[measure], place, mark, markersize=7, markeredgecolor="white", **look)
        if edges[0] < 0:
            axis.axvline(0, color="0.5", linestyle="--", linewidth=1, zorder=0)
        axis.set(yticks=range(len(summary)), yticklabels=summary.index, xlabel=title, xlim=edges)
        axis.grid(axis="both", color="0.9", linewidth=0.8)
        axis.set_axisbelow(True)
    axes[0].set_ylim(len(summary) - 0.5, -0.5)
    sns.despine(figure)
    figure.tight_layout()
    said = "; ".join(
        f"{name} {line.ua:.1f}, {amount(float(line.change), signed=True)}"
        f" and {amount(float(line.fid_change), 2, signed=True)}"
        for name, line in summary.iterrows()
    )
    return figure, f"UA, change of the other classes and of the distance by eraser: {said}"


def _arrow(
    axis: plt.Axes, value: float, place: int, edges: tuple[float, float], digits: int, look: dict
) -> None:
    """At the edge that the value lies beyond, with the value beside it."""
    left = value < edges[0]
    at, aside = (edges[0], "left") if left else (edges[1], "right")
    axis.plot(at, place, "<" if left else ">", markersize=8, **look)
    gap = 0.05 * (edges[1] - edges[0]) * (1 if left else -1)
    signed = amount(float(value), digits, signed=edges[0] < 0)
    axis.text(at + gap, place, signed, va="center", ha=aside, fontsize=9)


def in_rows(rows: Mapping[str, Tensor], columns: Sequence[str] = ()) -> Picture:
    """A grid of pictures, see `figures.picture_grid`, at the size of a page."""
    figure = figures.picture_grid(rows, columns, size=0.72)
    figure.set_dpi(DPI)
    count = len(next(iter(rows.values())))
    return figure, f"Rows of {count} pictures from the same draws: {', '.join(rows)}"


def losses_beside(parts: Mapping[str, Mapping[str, Sequence[float]]], *, window: int = 8) -> Figure:
    """One panel a model: the loss of every step, faint, and its running mean."""
    figure, axes = plt.subplots(1, len(parts), figsize=(7.2, 2.4), squeeze=False, dpi=DPI)
    for axis, (title, losses) in zip(axes.flat, parts.items(), strict=True):
        for colour, (name, values) in zip(COLOURS, losses.items(), strict=False):
            axis.plot(values, color=colour, alpha=0.25)
            mean = pd.Series(values).rolling(window, min_periods=1).mean()
            axis.plot(mean, color=colour, label=name)
        axis.set(title=title, xlabel="step", ylabel="loss")
        axis.legend(frameon=False, fontsize=9)
    sns.despine(figure)
    figure.tight_layout()
    return figure


def layer_bars(parts: Mapping[str, pd.Series], *, kept: float) -> Picture:
    """One panel a model: the share of each layer's weights inside a mask, against the share of all
    that it keeps.

    Parameters
    ----------
    parts : model -> share by layer, per cent. kept : of all weights, per cent.
    """
    height = 0.27 * max(map(len, parts.values())) + 0.9
    figure, axes = plt.subplots(1, len(parts), figsize=(7.2, height), squeeze=False, dpi=DPI)
    for axis, (title, share) in zip(axes.flat, parts.items(), strict=True):
        axis.barh(share.index, share, color=COLOURS[0])
        axis.axvline(kept, color="0.4", linestyle="--", linewidth=1)
        axis.set(title=title, xlabel="weights inside the mask, %", xlim=(0, 100))
        axis.invert_yaxis()
    sns.despine(figure)
    figure.tight_layout()
    said = "; ".join(
        f"{title}: " + ", ".join(f"{n} {v:.0f}" for n, v in share.items())
        for title, share in parts.items()
    )
    return figure, f"Share of each layer inside the mask, per cent, {kept:.0f} of all. {said}"


def spared(parts: Mapping[str, pd.DataFrame], *, least: float = -4.0) -> Picture:
    """One panel a model and one line an eraser: what the other classes lose, with intervals; what
    lies beyond the left edge is an arrow with its figure.

    Parameters
    ----------
    parts : model -> rows of `recorded.summarise`. least : the left edge, points.
    """
    most = max(map(len, parts.values()))
    figure, axes = plt.subplots(
        1, len(parts), figsize=(7.2, 0.3 * most + 1), squeeze=False, dpi=DPI
    )
    for axis, (title, rows) in zip(axes.flat, parts.items(), strict=True):
        for place, (name, row) in enumerate(rows.iterrows()):
            colour = colour_named(str(name))
            if row.change < least:
                axis.plot(least, place, "<", color=colour, markersize=8, clip_on=False)
                axis.text(least + 0.2, place, f"{row.change:.0f}", va="center", fontsize=9)
                continue
            axis.plot([row.change_low, row.change_high], [place, place], color=colour, linewidth=2)
            axis.plot(row.change, place, "D" if name == "SalUn" else "o", color=colour)
        axis.axvline(0, color="0.5", linestyle="--", linewidth=1, zorder=0)
        axis.set(title=title, xlabel="other classes, points", xlim=(least, 1.2))
        axis.set_yticks(range(len(rows)), rows.index)
        axis.set_ylim(len(rows) - 0.5, -0.5)
    sns.despine(figure)
    figure.tight_layout()
    said = "; ".join(
        f"{title}: " + ", ".join(f"{n} {row.change:.1f}" for n, row in rows.iterrows())
        for title, rows in parts.items()
    )
    return figure, f"What the other classes lose, points. {said}"
