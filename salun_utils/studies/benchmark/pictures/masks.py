"""Gaps under different masks, side by side."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ....plots import COLOURS, GREY, Picture
from ....plots.axes import log_axis

NOTHING = "doing nothing"
SALIENCY = "saliency"


def mask_gaps(rows: pd.DataFrame) -> Picture:
    """The average gap under each mask with its interval, one panel a task, smallest first; doing
    nothing is the dashed line.

    Parameters
    ----------
    rows : index (task, mask), columns avg_gap, avg_gap_low and avg_gap_high of `summarise`; the row
        "doing nothing" of a task is drawn as the line.
    """
    tasks = list(dict.fromkeys(rows.index.get_level_values(0)))
    columns = len(tasks) if len(tasks) < 4 else 2
    lines = -(-len(tasks) // columns)
    size = (max(4.4, (3.1 if lines == 1 else 3.8) * columns), 2.1 * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size, dpi=200, squeeze=False)
    for axis in axes.flat[len(tasks) :]:
        axis.axis("off")
    said = []
    for axis, task in zip(axes.flat, tasks, strict=False):
        part = rows.loc[task].sort_values("avg_gap")
        nothing = part.avg_gap.get(NOTHING)
        part = part.drop(index=NOTHING, errors="ignore")
        for place, (mask, row) in enumerate(part.iterrows()):
            colour = COLOURS[1] if mask == SALIENCY else COLOURS[0]
            axis.plot([row.avg_gap_low, row.avg_gap_high], [place] * 2, color=colour, linewidth=2.4)
            axis.plot(row.avg_gap, place, "o", color=colour, markersize=8, markeredgecolor="white")
        if nothing is not None:
            axis.axvline(nothing, color=GREY, linestyle="--", linewidth=1.2)
        axis.set(yticks=range(len(part)), yticklabels=part.index, title=task)
        axis.set_ylim(len(part) - 0.5, -0.5)
        axis.set_xlabel("average gap, points (log)", fontsize=9)
        log_axis(
            axis,
            pd.concat([part.avg_gap_low, part.avg_gap_high, rows.loc[task].avg_gap]).to_numpy(),
        )
        axis.tick_params(axis="y", length=0, labelsize=9)
        axis.grid(color="0.9", linewidth=0.8)
        for text in axis.get_yticklabels():
            text.set_fontweight("bold" if text.get_text() == SALIENCY else "normal")
        said.append(f"{task}: " + ", ".join(f"{m} {g:.2f}" for m, g in part.avg_gap.items()))
    sns.despine(figure, left=True)
    figure.tight_layout()
    return figure, f"Average gap by mask with 95 % intervals; {'; '.join(said)}"
