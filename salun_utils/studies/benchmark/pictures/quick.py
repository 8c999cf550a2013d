"""Pictures of the first chapter: garments with the answers of three networks, and the other
classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from torch import Tensor

from ....plots import COLOURS, MARKERS, WRONG, Picture


def garments(
    pictures: Tensor,
    label: int,
    probabilities: Mapping[str, Tensor],
    classes: Sequence[str],
) -> Picture:
    """Pictures of one class in a row, and below each, one line a model, what the model calls it and
    how sure it is; ✗ and bold where that is wrong.

    Parameters
    ----------
    pictures : uint8 (n, C, H, W). label : of all of them. probabilities : model -> (n, K).
    """
    count, lines = len(pictures), len(probabilities)
    size = (1.3 + 1.55 * count, 1.75 + 0.27 * lines)
    figure, axes = plt.subplots(1, count, figsize=size, dpi=200, squeeze=False)
    for i, axis in enumerate(axes.flat):
        image = pictures[i].permute(1, 2, 0).cpu().numpy().squeeze()
        axis.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        axis.axis("off")
        for line, (name, p) in enumerate(probabilities.items()):
            at = {"transform": axis.transAxes, "va": "top", "fontsize": 9}
            where = -0.06 - 0.17 * line
            sure, answer = p[i].max(0)
            wrong = int(answer) != label
            said = f"{'✗' if wrong else '✓'} {classes[int(answer)]} {sure:.0%}"
            look = {"color": WRONG, "fontweight": "bold"} if wrong else {"color": "0.15"}
            axis.text(0.5, where, said, ha="center", **at, **look)
            if not i:
                axis.text(-0.12, where, name, ha="right", **at, color="0.15")
    left, bottom = 1.15 / size[0], (0.14 + 0.27 * lines) / size[1]
    figure.subplots_adjust(left=left, right=0.99, top=0.99, bottom=bottom, wspace=0.12)
    wrong = {name: int((p.argmax(1) != label).sum()) for name, p in probabilities.items()}
    said = ", ".join(f"{name} names {n} of {count} wrongly" for name, n in wrong.items())
    return figure, f"{count} pictures of {classes[label]} with the answers below each: {said}"


def changes(accuracies: pd.DataFrame, before: str, *, without: str | None = None) -> Picture:
    """How the accuracy on each class has changed against one model, in points.

    Parameters
    ----------
    accuracies : classes (rows) by model, per cent. before : the model to compare with. without : a
        class that is left out and named in the title, since its change hides all others.
    """
    rows = accuracies.drop(index=[without] if without else [])
    models = [name for name in accuracies if name != before]
    figure, axis = plt.subplots(figsize=(6.4, 0.32 * len(rows) + 1.4), dpi=200)
    places = np.arange(len(rows))
    for k, name in enumerate(models):
        axis.plot(
            rows[name] - rows[before],
            places + 0.22 * (k - (len(models) - 1) / 2),
            MARKERS[k],
            color=COLOURS[k],
            label=name,
            markersize=8,
            markeredgecolor="white",
        )
    axis.axvline(0, color="0.3", linewidth=1)
    axis.set(yticks=places, yticklabels=list(rows.index), ylim=(len(rows) - 0.5, -0.5))
    axis.set_xlabel(f"accuracy minus that of the {before}, points")
    if without:
        fallen = ", ".join(f"{name} {accuracies.loc[without, name]:.0f} %" for name in accuracies)
        axis.set_title(f"{without}: {fallen}", fontsize=9, loc="left")
    axis.grid(color="0.92", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0, labelsize=9)
    axis.legend(frameon=False, fontsize=9, loc="best", handletextpad=0.1)
    sns.despine(figure, left=True)
    figure.tight_layout()
    spread = (rows[models].sub(rows[before], axis=0)).abs().max()
    said = ", ".join(f"{name} {value:.1f} points" for name, value in spread.items())
    return figure, f"Changes of the accuracy on {len(rows)} classes; largest: {said}"
