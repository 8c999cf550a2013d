"""What requests in a row look like: the gap after each, and what is left of a poison."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ...metrics import bootstrap_interval
from ...plots import GREY, Picture
from ...plots.methods import COLOUR_OF, MARKER_OF, kind, labels_beside
from ...runs import Record
from ...runs.summary import label as method_label
from ...unlearning import METHODS
from .recorded import label, methods_of
from .study import AGAIN, AT_ONCE

BY_LABEL = {method_label(name): name for name in METHODS}


def in_a_row(found: pd.DataFrame) -> Picture:
    """The average gap to Retrain after each request, one line a method; the dashed line is another
    Retrain, an open mark at the end the method when it is given all requests at once.

    Parameters
    ----------
    found : of `recorded.rows`.
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.6), dpi=200)
    means = found.groupby(["network", "request"]).gap.mean().unstack("network")
    last, ends = int(found.request.max()), {}
    for name in methods_of(found):
        of = kind(BY_LABEL.get(name, ""))
        style = {"color": COLOUR_OF[of], "linewidth": 2.6 if name == "SalUn" else 1.3}
        axis.plot(means.index, means[name], marker=MARKER_OF[of], markersize=6, **style)
        if f"{name}, {AT_ONCE}" in means:
            once = means.loc[last, f"{name}, {AT_ONCE}"]
            open_mark = {"markerfacecolor": "white", "markeredgecolor": COLOUR_OF[of]}
            axis.plot(last + 0.15, once, MARKER_OF[of], markersize=7, zorder=4, **open_mark)
        ends[name] = (last, float(means.loc[last, name]))
    axis.plot(means.index, means[label(AGAIN)], color=GREY, linestyle="--", linewidth=1.3)
    ends["another Retrain"] = (last, float(means.loc[last, label(AGAIN)]))
    axis.set(
        xlabel="requests answered", ylabel="average gap to Retrain, points", xticks=means.index
    )
    axis.set_ylim(bottom=0)
    axis.grid(axis="y", color="0.92")
    sns.despine(figure)
    labels_beside(axis, ends)
    figure.tight_layout()
    names = methods_of(found)
    return figure, (
        f"Average gap to Retrain after each of {last} requests for {len(names)} methods; after the"
        " last: "
        + ", ".join(f"{n} {means.loc[last, n]:.2f}" for n in names)
        + f", another Retrain {means.loc[last, label(AGAIN)]:.2f}"
    )


def obeyed(groups: dict[str, dict[int, Record]], axis_label: str) -> Picture:
    """What `test_forgotten` shows of each network, one bar with its interval; dashed is Retrain."""
    values = {n: [r.scores["test_forgotten"] for r in runs.values()] for n, runs in groups.items()}
    means = {n: sum(v) / len(v) for n, v in values.items()}
    names = sorted((n for n in values if n != "Retrain"), key=means.__getitem__)
    figure, axis = plt.subplots(figsize=(6.4, 0.28 * len(names) + 1.1), dpi=200)
    for place, name in enumerate(names):
        colour = COLOUR_OF[kind(BY_LABEL.get(name, ""))]
        axis.barh(place, means[name], color=colour, height=0.62)
        low, high = bootstrap_interval(values[name])
        axis.plot([low, high], [place, place], color="0.2", linewidth=1.4)
    if "Retrain" in means:
        axis.axvline(means["Retrain"], color="0.2", linestyle="--", linewidth=1.2)
    axis.set(yticks=range(len(names)), yticklabels=names, xlabel=axis_label, xlim=(0, 100))
    axis.tick_params(axis="y", length=0, labelsize=9)
    sns.despine(figure, left=True)
    figure.tight_layout()
    said = ", ".join(f"{n} {means[n]:.1f}" for n in names)
    retrain = f"; the dashed line is Retrain, {means['Retrain']:.1f}" if "Retrain" in means else ""
    return figure, f"{axis_label} of {len(names)} networks: {said}{retrain}"
