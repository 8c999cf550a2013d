"""Gaps under different masks, side by side."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ....plots import COLOURS, Picture
from ....plots.axes import log_axis
from ....plots.methods import line_at
from ...yardstick import NAME, yardstick

NOTHING = "doing nothing"
SALIENCY = "saliency"


def mask_gaps(rows: pd.DataFrame) -> Picture:
    """The average gap under each mask with its interval, one panel a task, smallest first; doing
    nothing is the dashed line, another Retrain the dotted one.

    Parameters
    ----------
    rows : index (task, mask), columns avg_gap, avg_gap_low and avg_gap_high of `summarise`; the row
        "doing nothing" and "another Retrain" of a task are drawn as the lines.
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
        nothing, again = part.avg_gap.get(NOTHING), yardstick(part)
        part = part.drop(index=[NOTHING, NAME], errors="ignore")
        for place, (mask, row) in enumerate(part.iterrows()):
            colour = COLOURS[1] if mask == SALIENCY else COLOURS[0]
            axis.plot([row.avg_gap_low, row.avg_gap_high], [place] * 2, color=colour, linewidth=2.4)
            axis.plot(row.avg_gap, place, "o", color=colour, markersize=8, markeredgecolor="white")
        line_at(axis, nothing, "original")
        line_at(axis, again)
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
        named = part.avg_gap.to_dict() | ({} if again is None else {NAME: again})
        said.append(f"{task}: " + ", ".join(f"{m} {g:.2f}" for m, g in named.items()))
    sns.despine(figure, left=True)
    figure.tight_layout()
    return figure, f"Average gap by mask with 95 % intervals; {'; '.join(said)}"
