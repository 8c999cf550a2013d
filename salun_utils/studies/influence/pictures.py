"""Pictures of influence: predictions against retraining, deciles of weights, the drift of the mask.
Each function returns a figure and its
text alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...plots import COLOURS, MARKERS, Picture
from .deciles import rank_correlation

LOSSES = {"forget": "loss on the forget set", "retain": "loss on the retain set"}


def agreement(
    pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, columns: int = 3
) -> Picture:
    """What was predicted against what really happened, one dot an example; on the dashed line the
    two are equal.

    Parameters
    ----------
    pairs : title -> (predicted, true), n numbers each; each panel has its own scale. The rank
        correlation is added to the title.
    """
    rows = -(-len(pairs) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.75 * columns, 2.9 * rows), squeeze=False)
    for axis in axes.flat[len(pairs) :]:
        axis.axis("off")
    said = []
    for axis, (title, (predicted, true)) in zip(axes.flat, pairs.items(), strict=False):
        x, y = (np.asarray(v, dtype=float) for v in (predicted, true))
        power = int(np.floor(np.log10(max(np.abs(x).max(), np.abs(y).max(), 1e-300))))
        x, y, rank = x / 10.0**power, y / 10.0**power, rank_correlation(x, y)
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        room = 0.06 * (high - low)
        ends = [low - room, high + room]
        axis.plot(ends, ends, color="0.45", linestyle="--", linewidth=1, zorder=0)
        axis.plot(
            x,
            y,
            "o",
            color=COLOURS[0],
            markersize=5,
            alpha=0.75,
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
        axis.set(
            xlim=ends,
            ylim=ends,
            aspect="equal",
            xlabel=f"predicted, $10^{{{power}}}$ nats",
            ylabel="true",
        )
        axis.set_title(f"{title}\nrank correlation {rank:.3f}", fontsize=10)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.yaxis.set_major_locator(MaxNLocator(4))
        axis.tick_params(labelsize=9)
        said.append(f"{title}: rank correlation {rank:.3f}".replace("\n", " "))
    sns.despine(figure)
    figure.tight_layout()
    return figure, f"Scatter plots of predicted against true changes of loss; {'; '.join(said)}"


def moves_by_ranking(rankings: Mapping[str, Sequence[float]], moved: Sequence[float]) -> Picture:
    """How far retraining moved each weight, against several rankings of the weights; logarithmic
    axes, one dot a weight, zeros left out.

    Parameters
    ----------
    rankings : name -> numbers >= 0 (P,). moved : |Δθ| (P,).
    """
    figure, axes = plt.subplots(
        1, len(rankings), figsize=(2.75 * len(rankings), 2.9), sharey=True, squeeze=False
    )
    y, said = np.asarray(moved, dtype=float), []
    for axis, (name, values) in zip(axes.flat, rankings.items(), strict=True):
        x = np.asarray(values, dtype=float)
        rank, seen = rank_correlation(x, y), (x > 0) & (y > 0)
        axis.loglog(
            x[seen], y[seen], "o", color=COLOURS[0], markersize=3, alpha=0.35, markeredgewidth=0
        )
        middle = np.median(x)
        if middle > 0:
            axis.axvline(middle, color="0.3", linestyle="--", linewidth=1)
        axis.set_xlim(np.quantile(x[seen], 0.02) / 2, x.max() * 2)
        axis.set_ylim(np.quantile(y[seen], 0.02) / 2, y.max() * 2)
        axis.set(xlabel=name)
        axis.set_title(f"rank correlation {rank:.2f}", fontsize=10)
        axis.tick_params(labelsize=9)
        said.append(f"{name}: rank correlation {rank:.2f}".replace("\n", " "))
    axes[0, 0].set_ylabel("moved by retraining, |Δθ|")
    sns.despine(figure)
    figure.tight_layout()
    return figure, f"Dots of how far retraining moved each weight against {'; '.join(said)}"


def decile_effects(rows: pd.DataFrame, titles: Mapping[str, str], *, columns: int = 3) -> Picture:
    """Change of the mean losses by decile, one panel a change; a line through the means, a band
    from the lowest seed to the highest.

    Parameters
    ----------
    rows : columns change, part, forget, retain, and seed where there are several. titles : change
        -> title of its panel, in order.
    """
    across = -(-len(titles) // columns)
    figure, axes = plt.subplots(
        across, columns, figsize=(2.75 * columns, 2.45 * across + 0.4), sharex=True, squeeze=False
    )
    for axis in axes.flat[len(titles) :]:
        axis.axis("off")
    for axis, (change, title) in zip(axes.flat, titles.items(), strict=False):
        part = rows[rows.change == change]
        for k, (loss, label) in enumerate(LOSSES.items()):
            groups = part.groupby("part")[loss]
            mean = groups.mean()
            axis.fill_between(
                mean.index, groups.min(), groups.max(), color=COLOURS[k], alpha=0.18, linewidth=0
            )
            look = {
                "color": COLOURS[k],
                "marker": MARKERS[k],
                "linestyle": ("-", "--")[k],
                "markersize": 5,
            }
            axis.plot(
                mean.index, mean, label=label, markeredgecolor="white", markeredgewidth=0.4, **look
            )
        _signed_log(axis, part[list(LOSSES)].to_numpy())
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set_title(title, fontsize=10)
        axis.set_xticks([1, 4, 7, 10])
        axis.tick_params(labelsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("decile (10: highest score)", fontsize=9)
    for line in axes:
        line[0].set_ylabel("change, nats", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=2, frameon=False, fontsize=9)
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    return (
        figure,
        (
            "Lines of the change of forget and retain loss over ten deciles; panels:"
            f" {', '.join(titles.values())}"
        ),
    )


def _signed_log(axis: Axes, values: np.ndarray, *, smallest: float = 0.01) -> None:
    """An axis that is linear up to ±`smallest` and logarithmic beyond, with plain numbers."""
    axis.set_yscale("symlog", linthresh=smallest, linscale=0.6)
    low, high = values.min(), values.max()
    decades = [d for d in (0.01, 0.1, 1, 10, 100) if d <= max(high, smallest)]
    below = [-d for d in (0.01, 0.1, 1, 10, 100) if d <= -low]
    ticks = [*reversed(below), 0, *decades]
    axis.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_ylim(min(low * 1.6, -smallest), max(high * 1.6, smallest))


def mask_drift(rows: pd.DataFrame, levels: Mapping[str, Mapping[str, float]]) -> Picture:
    """Overlap of the mask with the one at θ_o over the epochs; one panel a scenario, the mean of
    the seeds, and a band around all of them.

    Parameters
    ----------
    rows : columns scenario, epoch, seed and jaccard_50. levels : scenario -> name -> level that is
        drawn across.
    """
    panels = list(dict.fromkeys(rows.scenario))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(max(4.0, 3.4 * len(panels)), 3.0), sharey=True, squeeze=False
    )
    for axis, panel in zip(axes.flat, panels, strict=True):
        groups = rows[rows.scenario == panel].groupby("epoch").jaccard_50
        mean = groups.mean()
        epochs = [0, *mean.index]
        axis.fill_between(
            epochs,
            [1, *groups.min()],
            [1, *groups.max()],
            color=COLOURS[0],
            alpha=0.18,
            linewidth=0,
        )
        axis.plot(epochs, [1, *mean], "o-", color=COLOURS[0], markersize=5, markeredgecolor="white")
        for (name, level), style in zip(levels[panel].items(), ("--", ":", "-."), strict=False):
            axis.axhline(level, color="0.3", linestyle=style, linewidth=1.1)
            side = 1 if level > mean.iloc[-1] else -1  # the name stays clear of the line
            axis.text(
                epochs[-1],
                level + 0.015 * side,
                name,
                ha="right",
                va="bottom" if side > 0 else "top",
                fontsize=8.5,
                color="0.25",
            )
        axis.set(title=panel, xlabel="epochs of unlearning", ylim=(0, 1.04), xticks=epochs)
        axis.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("overlap with the mask at $θ_o$")
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            "Lines of the overlap of the mask with the one at the start over the epochs; panels:"
            f" {', '.join(panels)}"
        ),
    )
