"""Every picture of the chapters on classification. Each function returns a figure and its text
alternative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ..saliency import SaliencyMask
from ..shown import amount

Picture = tuple[Figure, str]

# told apart by colour-blind readers, and in print by the markers and strokes beside it
COLOURS = sns.color_palette("colorblind").as_hex()
GREY = "#767676"  # what stands for "as it was": the original model
WRONG = "#b34000"  # a wrong answer
MARKERS = ("o", "X", "D", "s", "^")
STROKES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def mask_picture(
    mask: SaliencyMask, classes: Sequence[str], *, layer: str = "fc.weight"
) -> Picture:
    """A mask seen twice: weight by weight in the last layer, one row a class, and as the share of
    each parameter that may change.

    Parameters
    ----------
    layer : a parameter (K, features). classes : names of its rows.
    """
    rows = mask[layer].numpy()
    table = mask.per_layer()
    tall = 0.24 * len(classes), 0.25 * len(table)
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.4, 1.7 + sum(tall)), dpi=200, height_ratios=tall
    )
    above.imshow(
        rows,
        cmap=ListedColormap(["0.88", COLOURS[1]]),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
    )
    named = [f"{name}  {share:.0%}" for name, share in zip(classes, rows.mean(1), strict=True)]
    above.set(
        yticks=range(len(classes)),
        yticklabels=named,
        xticks=[],
        title=f"{layer}: coloured weights may change",
    )
    above.set_yticks(np.arange(0.5, len(classes) - 1), minor=True)
    above.grid(axis="y", which="minor", color="white", linewidth=2)
    names = [
        f"{name}  ({count:,})" for name, count in zip(table.parameter, table.weights, strict=True)
    ]
    below.barh(names, 100 * table.share, color=COLOURS[1])
    below.axvline(100 * mask.density, color="0.2", linestyle="--", linewidth=1)
    below.set(xlabel="weights that may change, % (dashed: in the whole network)", xlim=(0, 100))
    below.invert_yaxis()
    for axis in (above, below):
        axis.tick_params(axis="y", which="both", labelsize=9, length=0)
    sns.despine(figure, left=True)
    sns.despine(ax=above, bottom=True)
    figure.tight_layout()
    low, high = (table.loc[i] for i in (table.share.idxmin(), table.share.idxmax()))
    return (
        figure,
        (
            f"The mask over {layer}, one row a class, and bars of the share kept in each parameter,"
            f" from {low.share:.0%} ({low.parameter}) to {high.share:.0%} ({high.parameter})"
        ),
    )


# -- measures --------------------------------------------------------------------------


def signed_gaps(gaps: pd.DataFrame) -> Picture:
    """Bars of the signed gaps to Retrain, which is the line at 0; one panel a scenario, each with
    its own scale.

    Parameters
    ----------
    gaps : columns scenario, method, measure, gap (points); in the order to be shown.
    """
    scenarios, methods, measures = (
        list(dict.fromkeys(gaps[c])) for c in ("scenario", "method", "measure")
    )
    figure, axes = plt.subplots(
        len(scenarios),
        1,
        figsize=(6.4, 0.5 + len(scenarios) * (0.9 + 0.15 * len(methods) * len(measures))),
        dpi=200,
        squeeze=False,
    )
    for axis, scenario in zip(axes.flat, scenarios, strict=True):
        part = gaps[gaps.scenario == scenario].set_index(["method", "measure"]).gap
        left, right = min(0.0, part.min()), max(0.0, part.max())
        margin = 0.14 * max(1.0, right - left)
        _bars_with_figures(axis, part, methods, measures)
        axis.axvline(0, color="0.15", linewidth=1.2)
        axis.set(
            yticks=range(len(measures)),
            yticklabels=measures,
            xlim=(left - margin, right + margin),
            title=scenario,
        )
        axis.set_ylim(len(measures) - 0.5, -0.5)
        sns.despine(ax=axis, left=True)
        axis.tick_params(axis="y", length=0)
    axes.flat[-1].set_xlabel("points above (right) or below (left) Retrain")
    figure.legend(
        *axes.flat[0].get_legend_handles_labels(),
        loc="upper center",
        ncols=len(methods),
        frameon=False,
        columnspacing=1.1,
        handlelength=1.2,
    )
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
    return (
        figure,
        (
            f"Bars of the signed gaps to Retrain in {', '.join(measures)} for {', '.join(methods)};"
            f" {', '.join(scenarios)}"
        ),
    )


def _bars_with_figures(
    axis: Axes, gaps: pd.Series, methods: Sequence[str], measures: Sequence[str]
) -> None:
    """One panel: a group of bars a measure, a bar a method, and its figure at its end.

    Parameters
    ----------
    gaps : by (method, measure).
    """
    thick, widest = 0.8 / len(methods), max(1.0, gaps.abs().max())
    for k, (method, colour) in enumerate(zip(methods, [GREY, *COLOURS], strict=False)):
        values = [gaps.get((method, m), np.nan) for m in measures]
        places = np.arange(len(measures)) - 0.4 + thick * (k + 0.5)
        axis.barh(places, values, thick * 0.92, color=colour, label=method)
        for place, value in zip(places, values, strict=True):
            if np.isfinite(value):
                axis.text(
                    value + np.copysign(0.015 * widest, value),
                    place,
                    amount(float(value), signed=True),
                    va="center",
                    fontsize=7.5,
                    ha="left" if value >= 0 else "right",
                )


def confidence_curves(
    confidences: Mapping[str, Mapping[str, Tensor]], *, highest: float = 30.0
) -> Picture:
    """Cumulative histograms of the confidence in the true class: one panel a model, one curve a set
    of pictures.

    Parameters
    ----------
    confidences : model name -> set name -> probabilities of the true class (n,). highest : end of
        the vertical axis, per cent.
    """
    figure, axes = plt.subplots(
        1,
        len(confidences),
        figsize=(2.7 * len(confidences), 3.1),
        dpi=200,
        sharey=True,
        squeeze=False,
    )
    for axis, (model, sets) in zip(axes.flat, confidences.items(), strict=True):
        for (name, values), colour, style in zip(
            sets.items(), COLOURS, ("-", "--", "-."), strict=False
        ):
            values = np.sort(np.asarray(values, dtype=float))
            axis.step(
                values,
                100 * np.arange(1, len(values) + 1) / len(values),
                where="post",
                color=colour,
                linestyle=style,
                label=name,
                linewidth=2,
            )
        axis.set(title=model, xlim=(0, 1), ylim=(0, highest), xlabel="confidence in the true class")
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes[0, 0].set_ylabel("pictures with less, %")
    axes[0, 0].legend(frameon=False, loc="upper left", fontsize=9)
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        f"Cumulative histograms of the confidence in the true class, for {', '.join(confidences)}",
    )
