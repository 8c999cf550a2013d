"""What becomes of the pictures of each class."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ....plots import COLOURS, Picture
from ....plots.axes import log_axis
from ....runs.summary import label


def answers(shares: pd.DataFrame, *, title: str = "") -> Picture:
    """Where the pictures of one class go: one row a model, one column an answer, per cent in each
    cell.

    Parameters
    ----------
    shares : index models, columns classes, values per cent of the pictures; each row adds up to
        100.
    """
    figure, axis = plt.subplots(
        figsize=(0.62 * shares.shape[1] + 1.9, 0.36 * len(shares) + 1.5), dpi=200
    )
    axis.imshow(shares.to_numpy(), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for i, row in enumerate(shares.to_numpy()):
        for j, value in enumerate(row):
            axis.text(
                j,
                i,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if value > 55 else "0.1",
            )
    axis.set_xticks(
        range(shares.shape[1]), shares.columns, rotation=40, ha="right", rotation_mode="anchor"
    )
    axis.set_yticks(range(len(shares)), shares.index)
    axis.set_title(title, fontsize=10)
    axis.tick_params(length=0, labelsize=9)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    said = ", ".join(
        f"{model}: {row.idxmax()} {row.max():.0f} %" for model, row in shares.iterrows()
    )
    return figure, f"Share of answers by model and class; most frequent: {said}"


def spread_over_classes(tables: Mapping[str, pd.DataFrame]) -> Picture:
    """The average gap on each class, one line a class with a point a method and its interval.

    Parameters
    ----------
    tables : class name -> rows of `runs.summary.summarise` by method. Retrain is left out.
    """
    methods = list(
        dict.fromkeys(m for table in tables.values() for m in table.index if m != "retrain")
    )
    figure, axis = plt.subplots(figsize=(7.4, 0.5 * len(tables) + 1.4))
    shifts, markers = np.linspace(-0.24, 0.24, len(methods)), ("o", "X", "D", "s", "^")
    for place in range(1, len(tables), 2):
        axis.axhspan(place - 0.5, place + 0.5, color="0.96", zorder=0)
    for k, (method, shift) in enumerate(zip(methods, shifts, strict=True)):
        rows = [
            (place + shift, table.loc[method])
            for place, table in enumerate(tables.values())
            if method in table.index
        ]
        style = {"color": COLOURS[k % len(COLOURS)]}
        for at, row in rows:
            axis.plot([row.avg_gap_low, row.avg_gap_high], [at, at], linewidth=2, **style)
        means, heights = [row.avg_gap for _, row in rows], [at for at, _ in rows]
        axis.plot(
            means,
            heights,
            markers[k % 5],
            markersize=7,
            markeredgecolor="white",
            label=label(method),
            **style,
        )
    found = np.concatenate(
        [
            t.drop(index="retrain", errors="ignore")[["avg_gap", "avg_gap_low", "avg_gap_high"]]
            for t in tables.values()
        ]
    )
    axis.set(
        yticks=range(len(tables)),
        yticklabels=list(tables),
        ylim=(len(tables) - 0.5, -0.5),
        xlabel="average gap, points (log)",
    )
    log_axis(axis, found)
    axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=len(methods), frameon=False)
    axis.tick_params(axis="y", length=0)
    sns.despine(figure, left=True)
    figure.tight_layout()
    return (
        figure,
        f"Average gap of {', '.join(map(label, methods))} on {len(tables)} classes, with intervals",
    )
