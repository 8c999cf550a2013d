"""Scores of one network: thresholds through them, shares that they hold, masks layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from torch import Tensor

from ....plots import COLOURS, MARKERS, Picture

STYLES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), "-")


def thresholds(scores: Mapping[str, Tensor], marks: Mapping[str, float]) -> Picture:
    """Above, a histogram of all scores with thresholds drawn through it; below, the share of the
    weights that each threshold keeps.

    Parameters
    ----------
    scores : name -> float >= 0. Scores of 0 are left out of the histogram. marks : name ->
        threshold above 0, from few kept to many.
    """
    every = np.concatenate([s.detach().cpu().double().numpy().ravel() for s in scores.values()])
    logs = np.log10(every[every > 0])
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.4, 4.6), sharex=True, height_ratios=[1, 1.15]
    )
    above.hist(logs, 90, color="0.8")
    above.set(ylabel="weights")
    ordered, shown = (
        np.sort(logs),
        np.unique(np.linspace(0, len(logs) - 1, 500).round().astype(int)),
    )
    below.plot(ordered[shown], 100 * (len(logs) - shown) / len(every), color="0.3", linewidth=1.8)
    said = []
    for (name, limit), colour, style in zip(marks.items(), COLOURS, STYLES, strict=False):
        place, share = np.log10(limit), 100 * float((every >= limit).mean())
        for axis in (above, below):
            axis.axvline(place, color=colour, linestyle=style, linewidth=1.6)
        below.plot(
            place,
            share,
            "o",
            color=colour,
            markersize=6,
            markeredgecolor="white",
            label=f"{name}: {share:.0f} %",
        )
        said.append(f"{name} keeps {share:.0f} %")
    below.set(
        ylabel="scores at least as high, %",
        xlabel="saliency score",
        ylim=(0, 104),
        xlim=(np.quantile(logs, 0.001), logs.max() + 0.1),
    )
    decades = np.arange(np.ceil(np.quantile(logs, 0.001)), np.floor(logs.max()) + 1)
    below.set_xticks(decades, [f"$10^{{{int(d)}}}$" for d in decades])
    below.legend(frameon=False, fontsize=9, loc="lower left")
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            f"Histogram of {len(every):,} scores, and the share at least as high as each;"
            f" thresholds: {'; '.join(said)}"
        ),
    )


def shares_held(curves: Mapping[str, Sequence[float]], marks: Mapping[str, float]) -> Picture:
    """Lorenz curves: the share of the whole that the first weights hold, against the share of the
    weights; the diagonal is equal shares.

    Parameters
    ----------
    curves : name -> running sums (n + 1,) from 0 to 1, such as `masks.knee.cumulated` gives. marks
        : name -> density, drawn across.
    """
    figure, axis = plt.subplots(figsize=(5.6, 3.9))
    axis.plot([0, 100], [0, 100], color="0.6", linewidth=1, linestyle=":")
    said = []
    for (name, values), colour, style in zip(
        curves.items(), COLOURS, ("-", "--", "-."), strict=False
    ):
        values = np.asarray(values)
        at = np.unique(np.linspace(0, len(values) - 1, 400).round().astype(int))
        axis.plot(
            100 * at / (len(values) - 1),
            100 * values[at],
            color=colour,
            linestyle=style,
            linewidth=2,
            label=name,
        )
        said.append(
            f"{name}: "
            + ", ".join(
                f"{100 * values[round(k * (len(values) - 1))]:.0f} % in {100 * k:.0f} %"
                for k in marks.values()
            )
        )
    for name, density in marks.items():
        axis.axvline(100 * density, color="0.3", linewidth=1, linestyle="--")
        axis.annotate(
            name,
            (100 * density, 1.01),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=9,
        )
    axis.set(
        xlim=(0, 100),
        ylim=(0, 101),
        xlabel="weights, highest score on the forget set first, %",
        ylabel="share of the whole, %",
    )
    axis.legend(frameon=False, loc="lower right", fontsize=9)
    sns.despine(figure)
    figure.tight_layout()
    return figure, f"Curves of the share that the first weights hold. {'; '.join(said)}"


def knees(curves: Mapping[str, tuple[Sequence[float], Sequence[float], int]]) -> Picture:
    """Left, cumulated forget gradient over cumulated retain gradient; right, the lead of the one
    over the other against the density.

    Parameters
    ----------
    curves : name -> (forget, retain, kept): running sums (n + 1,) from 0 to 1, and how many weights
        lie before the knee.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.5))
    left.plot([0, 100], [0, 100], color="0.6", linewidth=1, linestyle=":")
    said = []
    for (name, (forget, retain, kept)), colour, style, marker in zip(
        curves.items(), COLOURS, ("-", "--"), MARKERS, strict=False
    ):
        f, r = 100 * np.asarray(forget), 100 * np.asarray(retain)
        at = np.unique(np.append(np.linspace(0, len(f) - 1, 400).round().astype(int), kept))
        share = 100 * np.arange(len(f)) / (len(f) - 1)
        left.plot(r[at], f[at], color=colour, linestyle=style, linewidth=1.8, label=name)
        right.plot(share[at], (f - r)[at], color=colour, linestyle=style, linewidth=1.8)
        dot = {"color": colour, "markersize": 8, "markeredgecolor": "white"}
        left.plot([r[kept], r[kept]], [r[kept], f[kept]], color=colour, linewidth=1)
        left.plot(r[kept], f[kept], marker, **dot)
        right.plot(share[kept], f[kept] - r[kept], marker, **dot)
        right.annotate(
            f"{share[kept]:.0f} %",
            (share[kept], f[kept] - r[kept]),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
        said.append(
            f"{name}: {f[kept]:.0f} % of the forget and {r[kept]:.0f} % of the retain gradient in"
            f" {share[kept]:.0f} % of the weights"
        )
    left.set(
        xlabel="share of the retain gradient, %",
        ylabel="share of the forget gradient, %",
        xlim=(0, 100),
        ylim=(0, 101),
    )
    left.legend(
        frameon=False, fontsize=9, loc="lower right", title="weights sorted by", title_fontsize=9
    )
    right.set(xlabel="weights kept, %", ylabel="forget minus retain share, points", xlim=(0, 100))
    right.set_ylim(top=1.15 * right.get_ylim()[1])
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            "Curves of the cumulated forget over the cumulated retain gradient with their knees."
            f" {'; '.join(said)}"
        ),
    )


def layer_shares(shares: pd.DataFrame, weights: Sequence[int]) -> Picture:
    """Shaded cells: the share kept in each parameter (rows) by several masks (columns).

    Parameters
    ----------
    shares : per cent. weights : of each row.
    """
    figure, axis = plt.subplots(
        figsize=(2.6 + 0.72 * len(shares.columns), 0.9 + 0.27 * len(shares))
    )
    cells = shares.map("{:.0f}".format)
    look = {
        "cmap": sns.light_palette(COLOURS[0], as_cmap=True),
        "vmin": 0,
        "vmax": 100,
        "cbar": False,
        "linewidths": 1,
    }
    sns.heatmap(shares, annot=cells, fmt="", annot_kws={"fontsize": 9}, ax=axis, **look)
    axis.set_yticks(
        np.arange(len(shares)) + 0.5,
        [f"{name}  ({count:,})" for name, count in zip(shares.index, weights, strict=True)],
        rotation=0,
    )
    for text, value in zip(axis.texts, shares.to_numpy().ravel(), strict=True):
        text.set_color("white" if value > 65 else "0.1")
    axis.set(xlabel="", ylabel="")
    axis.tick_params(labelsize=9, length=0)
    axis.xaxis.tick_top()
    figure.tight_layout()
    spread = ", ".join(
        f"{c}: {shares[c].min():.0f} to {shares[c].max():.0f} %" for c in shares.columns
    )
    return (
        figure,
        (
            f"Table of the share kept in each of {len(shares)} parameters by mask; lowest to"
            f" highest, {spread}"
        ),
    )
