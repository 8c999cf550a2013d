"""Every picture of the chapters on classification. Each function returns a figure and its text
alternative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ..saliency import SaliencyMask

Picture = tuple[Figure, str]

# told apart by colour-blind readers, and in print by the markers and strokes beside it
COLOURS = sns.color_palette("colorblind").as_hex()
GREY = "#767676"  # what stands for "as it was": the original model
WRONG = "#b34000"  # a wrong answer
MARKERS = ("o", "X", "D", "s", "^")
STROKES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


# -- before and after unlearning -------------------------------------------------------


def accuracy_by_class(
    accuracies: Mapping[str, Sequence[float]],
    classes: Sequence[str],
    *,
    forgotten: int | None = None,
) -> Picture:
    """Accuracy of several models on each class, as dots on one line a class; the forgotten class is
    marked.

    Parameters
    ----------
    accuracies : model name -> accuracy of each class, in per cent (K,). forgotten : the class to
        mark.
    """
    figure, axis = plt.subplots(figsize=(6.4, 0.36 * len(classes) + 1.1))
    places = np.arange(len(classes))
    if forgotten is not None:
        axis.axhspan(forgotten - 0.5, forgotten + 0.5, color="0.92", zorder=0)
    shifts = np.linspace(-0.2, 0.2, len(accuracies))  # equal values would hide one another
    for (name, values), colour, marker, shift in zip(
        accuracies.items(), COLOURS, MARKERS, shifts, strict=False
    ):
        axis.plot(
            values,
            places + shift,
            marker,
            color=colour,
            label=name,
            markersize=8,
            markeredgecolor="white",
            markeredgewidth=0.6,
        )
    axis.set(
        xlabel="accuracy, %",
        xlim=(-4, 104),
        yticks=places,
        yticklabels=classes,
        ylim=(len(classes) - 0.5, -0.5),
    )
    axis.grid(axis="y", color="0.88", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.legend(
        loc="lower center",
        bbox_to_anchor=(0.42, 1.0),
        ncols=len(accuracies),
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    sns.despine(figure, left=True)
    figure.tight_layout()
    said = (
        ""
        if forgotten is None
        else f"; {classes[forgotten]}: "
        + ", ".join(f"{n} {v[forgotten]:.0f} %" for n, v in accuracies.items())
    )
    return figure, f"Dots of the accuracy by class for {', '.join(accuracies)}{said}"


def predictions(
    pictures: Tensor,
    labels: Sequence[int],
    probabilities: Mapping[str, Tensor],
    classes: Sequence[str],
    *,
    columns: int = 4,
) -> Picture:
    """Pictures, each with what several models call it and how sure they are; a wrong answer is in
    colour.

    Parameters
    ----------
    pictures : uint8 (n, C, H, W). labels : n true classes. probabilities : model name -> (n, K).
    """
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(1.85 * columns, rows * (1.55 + 0.19 * len(probabilities))),
        squeeze=False,
    )
    for axis in axes.flat:
        axis.axis("off")
    for i, (axis, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        axis.imshow(
            picture.permute(1, 2, 0).cpu().numpy().squeeze(), cmap="gray_r", vmin=0, vmax=255
        )
        axis.set_title(classes[int(labels[i])], fontsize=10, fontweight="bold", pad=3)
        for line, (name, p) in enumerate(probabilities.items()):
            sure, answer = p[i].max(0)
            wrong = int(answer) != int(labels[i])
            said, where = f"{name}: {classes[int(answer)]} {sure:.0%}", -0.06 - 0.135 * line
            colour = WRONG if wrong else "0.15"
            axis.text(
                0.5,
                where,
                said,
                transform=axis.transAxes,
                ha="center",
                va="top",
                fontsize=8.5,
                color=colour,
            )
    figure.tight_layout(h_pad=0.4, w_pad=0.8)
    figure.subplots_adjust(hspace=0.16 + 0.145 * len(probabilities))
    return (
        figure,
        f"{len(pictures)} pictures, each with the answer of {', '.join(probabilities)} below it",
    )


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
    figure, (above, below) = plt.subplots(2, 1, figsize=(6.4, 1.7 + sum(tall)), height_ratios=tall)
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
    thick = 0.8 / len(methods)
    figure, axes = plt.subplots(
        len(scenarios),
        1,
        figsize=(6.4, 0.5 + len(scenarios) * (0.9 + 0.15 * len(methods) * len(measures))),
        squeeze=False,
    )
    for axis, scenario in zip(axes.flat, scenarios, strict=True):
        part = gaps[gaps.scenario == scenario].set_index(["method", "measure"]).gap
        widest = max(1.0, part.abs().max())
        left, right = min(0.0, part.min()), max(0.0, part.max())
        margin = 0.14 * max(1.0, right - left)
        for k, (method, colour) in enumerate(zip(methods, [GREY, *COLOURS], strict=False)):
            values = [part.get((method, m), np.nan) for m in measures]
            places = np.arange(len(measures)) - 0.4 + thick * (k + 0.5)
            axis.barh(places, values, thick * 0.92, color=colour, label=method)
            for place, value in zip(places, values, strict=True):
                if np.isfinite(value):
                    axis.text(
                        value + np.copysign(0.015 * widest, value),
                        place,
                        f"{value:+.1f}",
                        va="center",
                        fontsize=7.5,
                        ha="left" if value >= 0 else "right",
                    )
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
        1, len(confidences), figsize=(2.7 * len(confidences), 3.1), sharey=True, squeeze=False
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
