"""Methods compared over networks."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ....plots import COLOURS, GREY, Picture
from ....plots.axes import log_axis

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


def differences(pairs: Mapping[str, pd.DataFrame]) -> Picture:
    """Paired differences of the average gap with intervals, one line a network; one panel a
    comparison. Left of 0 SalUn is nearer.

    Parameters
    ----------
    pairs : title -> rows by network with difference, low, high (points); a last row may stand for
        all networks.
    """
    figure, axes = plt.subplots(
        1,
        len(pairs),
        figsize=(1.9 + 2.8 * len(pairs), 0.34 * max(map(len, pairs.values())) + 1.2),
        squeeze=False,
        sharey=True,
    )
    for axis, (title, part) in zip(axes.flat, pairs.items(), strict=True):
        places = np.arange(len(part))
        axis.axvline(0, color="0.3", linewidth=1)
        axis.hlines(places, part.low, part.high, color=COLOURS[1], linewidth=2.2)
        axis.plot(
            part.difference, places, "D", color=COLOURS[1], markersize=7, markeredgecolor="white"
        )
        axis.set(yticks=places, yticklabels=list(part.index), ylim=(len(part) - 0.5, -0.5))
        axis.set_title(title, fontsize=10)
        axis.tick_params(axis="y", length=0, labelsize=9)
        axis.grid(axis="x", color="0.9", linewidth=0.8)
    figure.supxlabel(
        "difference of the average gaps, points (left: SalUn is nearer to Retrain)", fontsize=10
    )
    sns.despine(figure, left=True)
    figure.tight_layout()
    said = "; ".join(
        f"{t}: below 0 on {(p.difference < 0).sum()} of {len(p)} lines" for t, p in pairs.items()
    )
    return figure, f"Paired differences of the average gap by network, with intervals; {said}"


def correlations(table: pd.DataFrame) -> Picture:
    """Rank correlations between networks as a table of coloured cells, -1 to 1.

    Parameters
    ----------
    table : square, index and columns the networks.
    """
    figure, axis = plt.subplots(figsize=(0.62 * len(table) + 2.4, 0.5 * len(table) + 1.9))
    axis.imshow(table.to_numpy(float), cmap="PuOr_r", vmin=-1, vmax=1)
    for (i, j), value in np.ndenumerate(table.to_numpy(float)):
        if i != j and np.isfinite(value):
            axis.text(
                j,
                i,
                f"{value:.1f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if abs(value) > 0.7 else "0.1",
            )
    axis.set_xticks(
        range(len(table)), table.columns, rotation=40, ha="right", rotation_mode="anchor"
    )
    axis.set_yticks(range(len(table)), table.index)
    axis.tick_params(length=0, labelsize=9)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    off = table.to_numpy(float)[~np.eye(len(table), dtype=bool)]
    said = (
        f"from {np.nanmin(off):.1f} to {np.nanmax(off):.1f}"
        if len(off) and np.isfinite(off).any()
        else "none"
    )
    return (
        figure,
        f"Rank correlations of the order of methods between {len(table)} networks, {said}",
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
