"""What the runs on networks that memorise look like: gaps beside the yardstick, and places that
turn with the attack.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ...plots import GREY, Picture
from ...plots.methods import COLOUR_OF, MARKER_OF, kind
from ...runs.readings import READINGS, WITHOUT
from ...runs.summary import AGAIN, label
from ...unlearning import METHODS
from ..yardstick import yardstick
from .recorded import REFERENCE, places

BY_LABEL = {label(name): name for name in METHODS}


def gaps(rows: pd.DataFrame) -> Picture:
    """The average gap of each method by confidence, with its interval, and without MIA; the dashed
    line is the gap of another Retrain.

    Parameters
    ----------
    rows : of `recorded.table`.
    """
    part = rows.drop(index=[REFERENCE, label(AGAIN)], errors="ignore")
    figure, axis = plt.subplots(figsize=(6.4, 0.3 * len(part) + 1.3), dpi=200)
    for place, (name, row) in enumerate(part.iterrows()):
        of = kind(BY_LABEL.get(str(name).split(",")[0], ""))
        if row.low == row.low:
            axis.plot([row.low, row.high], [place, place], color=COLOUR_OF[of], linewidth=2.2)
        axis.plot(
            row.confidence,
            place,
            MARKER_OF[of],
            color=COLOUR_OF[of],
            markersize=8,
            markeredgecolor="white",
        )
        axis.plot(row[WITHOUT], place, "|", color="0.35", markersize=11, markeredgewidth=1.8)
    if (floor := yardstick(rows, "confidence")) is not None:
        axis.axvline(floor, color=GREY, linestyle="--", linewidth=1.2, zorder=0)
        axis.text(floor, -0.85, " another Retrain", color=GREY, fontsize=9)
    axis.set(
        yticks=range(len(part)), yticklabels=part.index, xlabel="average gap to Retrain, points"
    )
    axis.set_ylim(len(part) - 0.4, -1.2)
    axis.set_xlim(left=0)
    for text in axis.get_yticklabels():
        text.set_fontweight("bold" if text.get_text() == "SalUn" else "normal")
    axis.tick_params(axis="y", length=0, labelsize=9)
    axis.grid(axis="x", color="0.9", linewidth=0.8)
    sns.despine(figure, left=True)
    figure.tight_layout()
    first, last = part.iloc[0], part.iloc[-1]
    said = "" if floor is None else f"; a dashed line at {floor:.2f} is another Retrain's"
    return figure, (
        f"Average gap to Retrain of {len(part)} rows, sorted: from {part.index[0]}"
        f" {first.confidence:.2f} to {part.index[-1]} {last.confidence:.2f}{said}; upright strokes"
        " are the gap without the attack"
    )


def turning(rows: pd.DataFrame) -> Picture:
    """The place of each method, one line a method, over the readings of the attack: lines that
    cross are conclusions that turn with the attack.
    """
    ranks = places(rows)
    figure, axis = plt.subplots(figsize=(6.4, 0.27 * len(ranks) + 1.6), dpi=200)
    across = np.arange(len(READINGS))
    for name, row in ranks.iterrows():
        of = kind(BY_LABEL.get(str(name).split(",")[0], ""))
        bold = str(name).startswith("SalUn")
        style = {"linewidth": 2.6 if bold else 1.2, "alpha": 1.0 if bold else 0.75}
        axis.plot(across, row.to_numpy(), marker=MARKER_OF[of], color=COLOUR_OF[of], **style)
        axis.text(len(READINGS) - 0.85, row.iloc[-1], str(name), fontsize=9, va="center")
    axis.set(
        xticks=across,
        xticklabels=[r.replace(" ", "\n", 1) for r in READINGS],
        ylabel="place, 1 the nearest to Retrain",
    )
    axis.set_ylim(len(ranks) + 0.6, 0.4)
    axis.set_xlim(-0.2, len(READINGS) + 0.6)
    axis.tick_params(labelsize=9)
    sns.despine(figure)
    figure.tight_layout()
    spread = (ranks.max(axis=1) - ranks.min(axis=1)).sort_values()
    return figure, (
        f"Places of {len(ranks)} methods under {len(READINGS)} readings of the attack; the one that"
        f" moves most is {spread.index[-1]}, from {ranks.loc[spread.index[-1]].min()} to"
        f" {ranks.loc[spread.index[-1]].max()}"
    )
