"""Pictures of masks side by side: where they take their weights from, how far the network travels
under them, and how close to Retrain it ends. Each function returns a figure and its text
alternative.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ...metrics import bootstrap_interval
from ...plots import COLOURS, GREY, MARKERS, Picture
from ...plots.methods import line_at

KINDS: dict[str, tuple[str, ...]] = {
    "no mask": ("none",),
    "knows the forget set": ("saliency", "per-layer", "fisher", "wanda"),
    "and the retain set": ("gradient-ratio",),
    "knows neither": ("random", "magnitude", "last-layers"),
    "the other half": ("inverted",),
}
LOOK = dict(
    zip(
        KINDS,
        zip(
            ("0.1", COLOURS[0], COLOURS[2], GREY, COLOURS[3]),
            ("*", "o", "D", "s", "X"),
            strict=True,
        ),
        strict=True,
    )
)
BASELINE = "none"


def kind(mask: str) -> str:
    """What a mask knows, a key of `KINDS`; "knows neither" for one that is not listed."""
    return next((name for name, members in KINDS.items() if mask in members), "knows neither")


def where_from(shares: pd.DataFrame, sizes: Mapping[str, int]) -> Picture:
    """Share of each parameter that each mask keeps, as shaded cells with per cent in them.

    Parameters
    ----------
    shares : rows masks, columns parameters, 0 to 1 (`mask_study.layer_shares`). sizes : parameter
        -> its number of weights.
    """
    names = [f"{name} ({sizes[name]:,})" for name in shares.columns]
    return (
        _cells(shares.T.set_axis(names), "Purples", scale=100),
        (
            f"Shaded table of the share that {', '.join(shares.index)} keep of each of"
            f" {shares.shape[1]} parameters"
        ),
    )


def overlap_cells(overlap: pd.DataFrame) -> Picture:
    """The Jaccard overlap of every two masks, as shaded cells with numbers in them."""
    return (
        _cells(overlap, "Blues", digits=2),
        f"Shaded table of the overlap of every two of {', '.join(overlap.index)}",
    )


def _cells(table: pd.DataFrame, colours: str, *, scale: float = 1.0, digits: int = 0):
    figure, axis = plt.subplots(figsize=(0.58 * table.shape[1] + 2.4, 0.32 * len(table) + 1.3))
    axis.imshow(table.to_numpy(dtype=float), cmap=colours, vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(table.to_numpy(dtype=float)):
        for j, value in enumerate(row):
            axis.text(
                j,
                i,
                f"{scale * value:.{digits}f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if value > 0.6 else "0.1",
            )
    axis.set_xticks(
        range(table.shape[1]), table.columns, rotation=40, ha="right", rotation_mode="anchor"
    )
    axis.set_yticks(range(len(table)), table.index)
    axis.tick_params(length=0, labelsize=9)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    return figure


def curves(found: pd.DataFrame, panels: Mapping[str, tuple[str, str]]) -> Picture:
    """One measured thing against another, a line a mask, through its runs in the order of the
    horizontal axis.

    Parameters
    ----------
    found : column mask, and those of the panels. panels : title -> columns (horizontal, vertical);
        the names of the columns label the axes.
    """
    masks = list(dict.fromkeys(found["mask"]))
    figure, axes = plt.subplots(1, len(panels), figsize=(2.75 * len(panels), 3.3), squeeze=False)
    for axis, (title, (across, up)) in zip(axes.flat, panels.items(), strict=True):
        for k, mask in enumerate(masks):
            part = found[found["mask"] == mask].sort_values(across)
            colour = "0.1" if mask == BASELINE else COLOURS[k % len(COLOURS)]
            style = {
                "color": colour,
                "linestyle": ("-", "--", "-.", ":")[k % 4],
                "marker": MARKERS[k % len(MARKERS)],
            }
            axis.plot(
                part[across],
                part[up],
                markersize=6,
                markeredgecolor="white",
                label=_called(mask),
                **style,
            )
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set_xlabel(across, fontsize=9.5)
        axis.set_ylabel(up, fontsize=9.5)
        axis.set_title(title, fontsize=10.5)
        axis.tick_params(labelsize=9)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="upper center",
        ncols=len(masks),
        frameon=False,
        fontsize=9,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    return figure, f"Lines for {', '.join(map(_called, masks))}; panels: {', '.join(panels)}"


def gap_dots(
    runs: pd.DataFrame, *, columns: int = 3, again: Mapping[str, float] | None = None
) -> Picture:
    """The average gap by mask: a small dot a seed, the mean with its bootstrap 95 % interval; one
    panel a method and scenario.

    Parameters
    ----------
    runs : columns panel, mask, seed, avg_gap; masks in the order to be shown, from the top. The
        dashed line is the mean without a mask.
    again : panel -> gap of another Retrain, a dotted line.
    """
    panels, masks = (list(dict.fromkeys(runs[column])) for column in ("panel", "mask"))
    across, down = min(columns, len(panels)), -(-len(panels) // columns)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(1.3 + 2.05 * across, 0.5 + down * (0.75 + 0.235 * len(masks))),
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, panel in zip(axes.flat, panels, strict=False):
        part = runs[runs.panel == panel]
        for place, mask in enumerate(masks):
            _dots(
                axis,
                part.loc[part["mask"] == mask, "avg_gap"].dropna().to_numpy(dtype=float),
                place,
                kind(mask),
            )
        axis.axvline(
            part.loc[part["mask"] == BASELINE, "avg_gap"].mean(),
            color="0.3",
            linestyle="--",
            linewidth=1,
            zorder=0,
        )
        line_at(axis, (again or {}).get(panel))
        axis.set_title(panel, fontsize=10.5)
        axis.set(
            ylim=(len(masks) - 0.4, -0.6),
            yticks=range(len(masks)),
            yticklabels=list(map(_called, masks)),
        )
        axis.grid(color="0.92", linewidth=0.7)
        axis.tick_params(axis="both", labelsize=9, length=0)
        axis.set_axisbelow(True)
        _log(axis)
    figure.supxlabel("average gap, points (log)", fontsize=10)
    _kind_legend(figure, masks)
    sns.despine(figure, left=True)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.33 / figure.get_figheight()), w_pad=0.6)
    said = f"{', '.join(map(_called, masks))}; panels: {', '.join(panels)}".replace("\n", " ")
    return figure, f"Dots of the average gap of every seed, with mean and interval, for {said}"


def _dots(axis: Axes, values: np.ndarray, place: int, of_kind: str) -> None:
    if not len(values):
        return
    colour, marker = LOOK[of_kind]
    axis.plot(
        values,
        np.full(len(values), place),
        "o",
        color=colour,
        markersize=2.6,
        alpha=0.4,
        markeredgewidth=0,
    )
    if len(values) > 1:
        axis.plot(
            bootstrap_interval(values),
            [place, place],
            color=colour,
            linewidth=2.4,
            solid_capstyle="butt",
        )
    axis.plot(
        values.mean(),
        place,
        marker,
        color=colour,
        markersize=10 if marker == "*" else 7,
        markeredgecolor="white",
    )


def _kind_legend(figure, masks: list[str]) -> None:
    shown = [name for name in KINDS if any(kind(mask) == name for mask in masks)]
    handles = [
        plt.Line2D([], [], color=LOOK[n][0], marker=LOOK[n][1], linestyle="none", markersize=7)
        for n in shown
    ]
    figure.legend(
        handles,
        shown,
        loc="upper center",
        ncols=len(shown),
        frameon=False,
        fontsize=9,
        handletextpad=0.1,
        columnspacing=1.0,
    )


def _called(mask: str) -> str:
    return "no mask" if mask == BASELINE else mask


def _log(axis: Axes) -> None:
    """A logarithmic axis with plain numbers on it: 1, 2, 5, or fewer a decade where they would
    crowd.
    """
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    steps = (
        (1, 1.5, 2, 3, 4, 5, 7)
        if high / low < 5
        else (1, 2, 5)
        if high / low < 20
        else (1, 3)
        if high / low < 60
        else (1,)
    )
    ticks = [k * 10.0**e for e in range(-4, 5) for k in steps]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_xlim(low, high)
