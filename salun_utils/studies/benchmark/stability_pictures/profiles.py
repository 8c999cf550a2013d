"""How much of what doing nothing leaves undone a method leaves, over tasks."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ....plots import GREY, Picture
from ....plots.methods import COLOUR_OF, kind
from ....runs.summary import label

NAMED = 4  # methods with a colour and a name, beside SalUn
STYLES = ("-", "--", ":", "-.")  # of methods of one kind, and so of one colour


def performance_profiles(shares: pd.DataFrame) -> Picture:
    """One falling line a method; those that stay lowest at the left are the first in the table.

    Parameters
    ----------
    shares : of the runs with a gap of at most the level in the index, one column a method.
    """
    figure, axis = plt.subplots(figsize=(6.2, 3.6), dpi=200)
    area = shares.apply(lambda column: np.trapezoid(column, shares.index))
    named = list(area.nlargest(NAMED).index)
    named += ["salun"] if "salun" in shares and "salun" not in named else []
    named.sort(key=lambda method: method != "salun")
    for method in [*(m for m in shares if m not in named), *named]:
        own, same = method in named, [m for m in named if kind(m) == kind(method)]
        axis.plot(
            shares.index,
            100 * shares[method],
            STYLES[same.index(method) % len(STYLES)] if own else "-",
            color=COLOUR_OF[kind(method)] if own else GREY,
            linewidth=2.4 if method == "salun" else 1.6 if own else 0.7,
            alpha=1 if own else 0.4,
            zorder=3 if own else 2,
            drawstyle="steps-post",
            label=label(method) if own else "_",
        )
    axis.axvline(1, color="0.4", linestyle="--", linewidth=1)
    axis.set(xlabel="gap as a multiple of doing nothing's", ylabel="runs within it, %")
    axis.set(xlim=(shares.index[0], shares.index[-1]), ylim=(-2, 102))
    axis.tick_params(labelsize=9)
    axis.grid(color="0.9", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    figure.tight_layout()
    first = ", ".join(label(m) for m in named)
    return (
        figure,
        f"One line a method: the share of its runs, over tasks, with a gap of at most so much of"
        f" doing nothing's; {first} are named.",
    )
