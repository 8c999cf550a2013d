"""What becomes of the pictures of each class."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ....plots import Picture


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
