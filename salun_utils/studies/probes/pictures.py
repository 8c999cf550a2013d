"""Pictures of probes: eraser x probe as a map, and what is given back against what erasing cost.
Each function returns a figure and its text alternative.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ...plots import MARKERS, Picture
from ...shown import amount
from .recorded import ORIGINAL, TITLES, means


def eraser_by_probe(found: pd.DataFrame) -> Picture:
    """A map: one row an eraser, one column a probe, the share recognised in each cell.

    Parameters
    ----------
    found : see `recorded.rows`.
    """
    mean = means(found)
    height = 0.34 * len(mean) + 1.3
    figure, axis = plt.subplots(figsize=(0.82 * mean.shape[1] + 2.2, height))
    axis.imshow(mean.to_numpy(), vmin=0, vmax=100, cmap="cividis", aspect="auto")
    for (row, column), value in np.ndenumerate(mean.to_numpy()):
        colour = "white" if value < 55 else "black"
        axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_yticks(range(len(mean)), mean.index)
    titles = [TITLES.get(p, p).replace(" ", "\n", 1) for p in mean.columns]
    axis.set_xticks(range(mean.shape[1]), titles, fontsize=8)
    axis.xaxis.tick_top()
    axis.axhline(len(mean) - 1.5, color="white", linewidth=2)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    figure.tight_layout()
    erased = mean.drop(index=ORIGINAL)
    worst = erased.stack().idxmax()
    said = (
        f"Map of {len(erased)} erasers and {mean.shape[1]} probes, per cent recognised; most under"
        f" {TITLES.get(worst[1], worst[1])} of {worst[0]}, {erased.stack().max():.0f}; the original"
        f" under its prompt {mean.loc[ORIGINAL].iloc[0]:.0f}"
    )
    return figure, said


def given_back_and_cost(found: pd.DataFrame, cost: pd.DataFrame) -> Picture:
    """One point an eraser: the change of the FID of what is kept against the most that any probe
    brings back; below and to the left is better.
    """
    mean = means(found).drop(index=ORIGINAL)
    change = cost.groupby("name").fid_change.mean()
    figure, axis = plt.subplots(figsize=(5.6, 3.6))
    for i, (name, given) in enumerate(mean.max(axis=1).items()):
        axis.plot(change[name], given, MARKERS[i % len(MARKERS)], label=name, markersize=7)
    axis.set(
        xlabel="change of the FID of the other classes",
        ylabel="recognised under the best probe, %",
        ylim=(-4, 104),
    )
    axis.axvline(0, color="0.7", linewidth=1, zorder=0)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.tight_layout()
    said = "; ".join(
        f"{n} {mean.max(axis=1)[n]:.0f} % at {amount(float(change[n]), 2, signed=True)}"
        for n in mean.index
    )
    return figure, f"Most that a probe brings back against the change of the FID: {said}"
