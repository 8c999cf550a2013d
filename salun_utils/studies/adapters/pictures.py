"""Pictures of the chapter. Each function returns a figure and its text alternative."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ...plots import COLOURS, GREY, MARKERS, Picture
from ...plots.methods import RETRAIN
from ...shown import amount

LOOK = {"original": (GREY, "P"), "Retrain": (RETRAIN, "P")}
WAYS = ("SalUn", "random mask", "no mask", "whole network")


def by_seed(rows: pd.DataFrame) -> Picture:
    """Three measures, one line a model, one mark a seed, and a dashed line for the mean of
    Retrain.

    Parameters
    ----------
    rows : columns model, seed, ua, ra, ta (`live.Adapted.rows`).
    """
    order = ["original", *WAYS, "Retrain"]
    order = [name for name in order if name in set(rows.model)]
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.6), sharey=True)
    for axis, measure in zip(axes, ("ua", "ra", "ta"), strict=True):
        for place, name in enumerate(reversed(order)):
            values = rows.loc[rows.model == name, measure]
            colour, marker = _look(name)
            style = {"color": colour, "marker": marker, "markeredgecolor": "white"}
            axis.plot(values, [place] * len(values), linestyle="", markersize=8, **style)
        reference = rows.loc[rows.model == "Retrain", measure].mean()
        axis.axvline(reference, color=RETRAIN, linestyle="--", linewidth=1)
        axis.set(title=measure.upper(), xlabel="%", ylim=(-0.6, len(order) - 0.4))
        axis.set_yticks(range(len(order)), list(reversed(order)))
        axis.margins(x=0.15)
    sns.despine(figure)
    figure.tight_layout()
    mean = rows.groupby("model").ua.mean()
    said = ", ".join(f"{name} {amount(mean[name], 0)}" for name in order)
    return figure, f"Three panels, UA, RA and TA, one mark a seed and model. Mean UA: {said}"


def _look(name: str) -> tuple[str, str]:
    if name in LOOK:
        return LOOK[name]
    place = WAYS.index(name)
    return COLOURS[(1, 7, 0, 2)[place]], MARKERS[place]


def share_bars(parts: pd.DataFrame, keep: float, *, within: str) -> Picture:
    """How much of each group of weights is inside a mask, one bar a group; the dashed line is what
    chance would give.

    Parameters
    ----------
    parts : columns layer, matrix, weights, share (per cent). within : what the matrices are of.
    """
    names = [_joined(one.layer, one.matrix, one.weights) for one in parts.itertuples()]
    matrices = list(dict.fromkeys(parts.matrix))
    colours = [COLOURS[matrices.index(m) % len(COLOURS)] for m in parts.matrix]
    figure, axis = plt.subplots(figsize=(7, 0.34 * len(parts) + 0.9))
    places = range(len(parts))[::-1]
    axis.barh(places, parts.share, color=colours, height=0.7)
    for place, share in zip(places, parts.share, strict=True):
        axis.text(share + 1, place, amount(share, 0), va="center", fontsize=9)
    axis.axvline(100 * keep, color=RETRAIN, linestyle="--", linewidth=1)
    axis.set_yticks(places, names)
    axis.set(xlabel=f"inside the mask, % of the weights of {within}", xlim=(0, 108))
    sns.despine(figure)
    figure.tight_layout()
    shares = ", ".join(f"{n} {amount(s, 0)}" for n, s in zip(names, parts.share, strict=True))
    return figure, f"Bars of the share of each group of weights inside the mask, per cent: {shares}"


def _joined(layer: str, matrix: str, weights: int) -> str:
    return f"{layer}{', ' + matrix if matrix else ''} ({weights:,})"


def named_so(rows: pd.DataFrame, prompts: list[str]) -> Picture:
    """How many pictures of the class are still called so, one shaded cell a model and prompt.

    Parameters
    ----------
    rows : column model, and one of UA for each prompt, per cent.
    """
    still = 100 - rows.set_index("model")[prompts]
    figure, axis = plt.subplots(figsize=(7.4, 0.36 * len(still) + 1.5))
    sns.heatmap(
        still,
        vmin=0,
        vmax=100,
        annot=True,
        fmt=".0f",
        cmap="Purples",
        ax=axis,
        cbar_kws={"label": "still called so, %"},
    )
    axis.set(xlabel="", ylabel="")
    axis.set_xticks(axis.get_xticks(), [p.replace(" of ", " of\n") for p in prompts], rotation=0)
    axis.set_yticks(axis.get_yticks(), still.index, rotation=0)
    figure.tight_layout()
    most = still.drop(index="original", errors="ignore").max(axis=1)
    said = "; ".join(f"{name} at most {amount(value, 0)}" for name, value in most.items())
    return figure, f"Shaded table of pictures still called by each prompt, per cent: {said}"
