"""Methods compared over networks."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ....plots import COLOURS, GREY, MARKERS, Picture
from ....plots.axes import log_axis
from ....shown import amount

STYLES = {
    "original": (GREY, "P"),
    "FT": (COLOURS[0], "o"),
    "GA": (COLOURS[3], "X"),
    "RL": (COLOURS[2], "s"),
    "SalUn, random mask": (COLOURS[4], "^"),
    "SalUn": (COLOURS[1], "D"),
}


def rates(pilots: pd.DataFrame) -> Picture:
    """The average gap over the learning rate, on the pilot seed; one panel a network, the chosen
    rates ringed. Diverged runs are left out.

    Parameters
    ----------
    pilots : columns network, variant, lr, avg_gap.
    """
    networks = list(dict.fromkeys(pilots.network))
    columns = min(3, len(networks))
    rows = -(-len(networks) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.6 * columns + 0.3, 2.1 * rows + 0.8), sharey=True, squeeze=False
    )
    for axis in axes.flat[len(networks) :]:
        axis.axis("off")
    for axis, network in zip(axes.flat, networks, strict=False):
        part = pilots[(pilots.network == network) & pilots.avg_gap.notna()]
        for variant, curve in part[part.lr.notna()].groupby("variant", sort=False):
            curve, (colour, marker) = curve.sort_values("lr"), STYLES[variant]
            best = curve.loc[curve.avg_gap.idxmin()]
            axis.plot(
                curve.lr,
                curve.avg_gap,
                marker + "-",
                color=colour,
                markersize=5,
                linewidth=1.4,
                markeredgecolor="white",
                markeredgewidth=0.5,
            )
            axis.plot(
                best.lr,
                best.avg_gap,
                "o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=colour,
                markeredgewidth=1.2,
            )
        for gap in part[part.variant == "original"].avg_gap[:1]:
            axis.axhline(gap, color=GREY, linestyle="--", linewidth=1)
        axis.set(xscale="log", yscale="log")
        axis.set_title(network, fontsize=10)
        axis.tick_params(labelsize=8)
        axis.minorticks_off()
    if (finite := pilots.avg_gap[pilots.avg_gap > 0]).size:
        log_axis(axes.flat[0], finite.to_numpy(), along="y")
    figure.supxlabel("learning rate", fontsize=10)
    figure.supylabel("average gap, points (log)", fontsize=10)
    _named(figure, [v for v in STYLES if v in set(pilots.variant) and v != "original"])
    return (
        figure,
        (
            "Lines of the average gap over the learning rate on the pilot seed; panels:"
            f" {', '.join(networks)}"
        ),
    )


def gaps(means: pd.DataFrame) -> Picture:
    """The average gap of each method on each network, with intervals; one band a network, a
    logarithmic axis.

    Parameters
    ----------
    means : rows by (network, variant) with avg_gap, avg_gap_low, avg_gap_high.
    """
    networks = list(dict.fromkeys(means.index.get_level_values("network")))
    variants = [v for v in STYLES if v in set(means.index.get_level_values("variant"))]
    figure, axis = plt.subplots(figsize=(7.4, 0.62 * len(networks) + 1.5))
    for place in range(1, len(networks), 2):
        axis.axhspan(place - 0.5, place + 0.5, color="0.96", zorder=0)
    for shift, variant in zip(np.linspace(-0.34, 0.34, len(variants)), variants, strict=True):
        colour, marker = STYLES[variant]
        part = means.xs(variant, level="variant").reindex(networks)
        places = np.arange(len(networks)) + shift
        axis.hlines(
            places, part.avg_gap_low.clip(lower=1e-3), part.avg_gap_high, color=colour, linewidth=2
        )
        axis.plot(
            part.avg_gap,
            places,
            marker,
            color=colour,
            markersize=7,
            markeredgecolor="white",
            linestyle="",
        )
    axis.set(
        yticks=range(len(networks)),
        yticklabels=networks,
        ylim=(len(networks) - 0.5, -0.5),
        xlabel="average gap, points (log)",
    )
    log_axis(axis, means[["avg_gap", "avg_gap_low", "avg_gap_high"]].to_numpy(float))
    axis.grid(axis="x", color="0.9", linewidth=0.8)
    axis.tick_params(axis="y", length=0)
    _named(figure, variants)
    best = means.avg_gap.groupby(level="network", sort=False).idxmin()
    return figure, "Average gap to Retrain by network and method; smallest: " + ", ".join(
        f"{n}: {v}" for n, v in best
    )


def by_split(differences: pd.DataFrame, *, title: str = "") -> Picture:
    """One line a network: the difference of two average gaps on each split as a small mark, their
    mean as a large one; the last line is the mean over networks. Right of 0 the second is nearer.

    Parameters
    ----------
    differences : network (rows) by split (columns), points; those of larger mean on top.
    """
    order = differences.mean(axis=1).sort_values(ascending=False).index
    lines = pd.concat([differences.loc[order], differences.mean().to_frame("mean of all").T])
    figure, axis = plt.subplots(figsize=(6.4, 0.33 * len(lines) + 1.5), dpi=200)
    places = np.arange(len(lines))
    axis.axvline(0, color="0.3", linewidth=1)
    axis.axhspan(places[-1] - 0.5, places[-1] + 0.5, color="0.94", zorder=0)
    for k, split in enumerate(lines):
        look = {"color": COLOURS[k], "markersize": 6, "markeredgecolor": "white"}
        axis.plot(lines[split], places, MARKERS[k], label=f"split {split}", **look)
    axis.plot(lines.mean(axis=1), places, "|", color="0.1", markersize=15, markeredgewidth=2)
    axis.set(yticks=places, yticklabels=list(lines.index), ylim=(len(lines) - 0.5, -0.5))
    axis.set_xlabel("average gap, salient half minus random half, points")
    axis.set_title(title, fontsize=10, loc="left")
    axis.tick_params(axis="y", length=0, labelsize=9)
    axis.grid(axis="x", color="0.9", linewidth=0.8)
    axis.legend(frameon=False, fontsize=9, loc="lower right", handletextpad=0.1)
    sns.despine(figure, left=True)
    figure.tight_layout()
    above = int((differences.mean(axis=1) > 0).sum())
    of_splits = ", ".join(amount(float(value), 2, signed=True) for value in differences.mean())
    return figure, (
        f"Differences of the average gap on each split for {len(order)} networks: the mean is"
        f" above 0 on {above}; mean over networks on each split: {of_splits}"
    )


def _named(figure: plt.Figure, variants: list[str]) -> None:
    """A legend of methods above the panels."""
    handles = [
        plt.Line2D([], [], marker=STYLES[v][1], color=STYLES[v][0], linestyle="", markersize=7)
        for v in variants
    ]
    names = ["doing nothing" if v == "original" else v for v in variants]
    figure.legend(
        handles,
        names,
        loc="upper center",
        ncols=len(variants),
        frameon=False,
        fontsize=9,
        handletextpad=0.1,
        columnspacing=1.1,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.33 / figure.get_figheight()))
