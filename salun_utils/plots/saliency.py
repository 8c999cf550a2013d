"""Pictures of saliency: of pixels, of weights, and of the mask. Each function returns a figure and
its text alternative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from torch import Tensor

from ..saliency import SaliencyMask
from . import COLOURS, Picture


def input_saliency(pictures: Tensor, maps: Mapping[str, Tensor], titles: Sequence[str]) -> Picture:
    """Pictures in the first row; below, how strongly each pixel counts, each map scaled by its own
    largest value.

    Parameters
    ----------
    pictures : uint8 (n, C, H, W). maps : name -> float (n, C, H, W); signed ones are shown in two
        colours. titles : n.
    """
    count = len(pictures)
    figure, axes = plt.subplots(
        1 + len(maps),
        count,
        figsize=(1.5 * count + 1.2, 1.55 * (1 + len(maps)) + 0.3),
        squeeze=False,
    )
    for axis, picture, title in zip(axes[0], pictures, titles, strict=True):
        axis.imshow(
            picture.permute(1, 2, 0).cpu().numpy().squeeze(), cmap="gray_r", vmin=0, vmax=255
        )
        axis.set_title(title, fontsize=10, fontweight="bold", pad=3)
    for row, values in zip(axes[1:], maps.values(), strict=True):
        signed = bool((values < 0).any())
        for axis, one in zip(row, values.detach().cpu().sum(1).numpy(), strict=True):
            top = max(float(np.abs(one).max()), 1e-12)
            axis.imshow(
                one, cmap="PuOr_r" if signed else "gray_r", vmin=-top if signed else 0, vmax=top
            )
    for line, name in zip(axes, ["picture", *maps], strict=True):
        for axis in line:
            axis.set(xticks=[], yticks=[])
            for spine in axis.spines.values():
                spine.set_color("0.85")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, labelpad=6)
    figure.tight_layout(h_pad=0.3, w_pad=0.3)
    return (
        figure,
        f"{count} pictures ({', '.join(titles)}) and below each its maps: {', '.join(maps)}",
    )


def score_picture(scores: Mapping[str, Tensor], *, gamma: float) -> Picture:
    """Saliency scores on a logarithmic axis: a histogram of all weights, and the middle 90 % and 50
    % of each parameter's scores.

    Parameters
    ----------
    scores : name -> float >= 0. gamma : the threshold, drawn through both parts. Scores of 0 are
        left out of the picture.
    """
    found = {
        name: np.log10(s[s > 0].detach().cpu().numpy().ravel())
        for name, s in scores.items()
        if (s > 0).any()
    }
    every = np.concatenate(list(found.values()))
    size = 0.27 * len(found)
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.4, 2.6 + size), height_ratios=[1.9, size], sharex=True
    )
    lowest, highest = np.quantile(every, 0.0005), every.max()
    limit = float(np.clip(np.log10(max(gamma, 1e-45)), lowest, highest))
    edges = _histogram_cut_at(above, every, limit, lowest=lowest)
    _ranges(below, found)
    decades = np.arange(np.ceil(edges[0]), np.floor(edges[-1]) + 1)
    below.set_xticks(decades, [f"$10^{{{int(d)}}}$" for d in decades])
    for axis in (above, below):
        axis.axvline(limit, color="0.15", linestyle="--", linewidth=1.2)
    above.annotate(
        "γ",
        (limit, 1.02),
        xycoords=("data", "axes fraction"),
        fontsize=12,
        ha="center",
        va="bottom",
    )
    sns.despine(figure)
    figure.tight_layout()
    total = sum(s.numel() for s in scores.values())
    return (
        figure,
        (
            f"Histogram of {total:,} saliency scores on a logarithmic axis with the threshold"
            f" {gamma:.1e}, and their range in each of {len(found)} parameters"
        ),
    )


def _histogram_cut_at(axis: Axes, every: np.ndarray, limit: float, *, lowest: float) -> list[float]:
    """The histogram of all scores' logarithms in two colours, below and above `limit`; returns the
    edges of its bins.
    """
    # one bin ends at the threshold
    start = limit - 0.08 * np.ceil((limit - lowest) / 0.08)
    edges: list[float] = np.arange(start, every.max() + 0.08, 0.08).tolist()
    axis.hist(every[every < limit], edges, color="0.75", label="below γ: held")
    axis.hist(every[every >= limit], edges, color=COLOURS[1], label="γ and above:\nmay change")
    axis.set(ylabel="weights")
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return edges


def _ranges(axis: Axes, found: Mapping[str, np.ndarray]) -> None:
    """The middle 90 % and 50 % and the median of each parameter's scores, one row each."""
    for place, values in enumerate(found.values()):
        low, left, middle, right, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
        axis.plot([low, high], [place, place], color=COLOURS[0], linewidth=1.5)
        axis.plot(
            [left, right], [place, place], color=COLOURS[0], linewidth=7, solid_capstyle="butt"
        )
        axis.plot(middle, place, "|", color="white", markersize=7, markeredgewidth=2)
    axis.set(
        yticks=range(len(found)),
        yticklabels=list(found),
        ylim=(len(found) - 0.5, -0.5),
        xlabel="saliency score",
    )
    axis.tick_params(axis="y", labelsize=9)


def filters_and_shares(mask: SaliencyMask, *, layer: str = "conv1.weight") -> Picture:
    """A mask seen twice: weight by weight in the filters of one convolution, and as the share kept
    in each parameter.

    Parameters
    ----------
    layer : a parameter (out, in, height, width); of each filter the first input channel is shown.
    """
    filters = mask[layer][:, 0].numpy()
    across = -(-len(filters) // 4)
    height, width = filters.shape[1:]
    sheet = np.full((4 * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    for i, one in enumerate(filters):
        top, left = (i // across) * (height + 1), (i % across) * (width + 1)
        sheet[top : top + height, left : left + width] = one
    table = mask.per_layer()
    size = 0.27 * len(table)
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.4, 2.5 + size), height_ratios=[2.1, size]
    )
    above.imshow(
        sheet, cmap=ListedColormap(["0.88", COLOURS[1]]), vmin=0, vmax=1, interpolation="nearest"
    )
    above.set_title(
        f"{layer}: {len(filters)} filters of {height}×{width}; coloured weights may change",
        fontsize=10,
    )
    above.axis("off")
    names = [
        f"{name}  ({count:,})" for name, count in zip(table.parameter, table.weights, strict=True)
    ]
    below.barh(names, 100 * table.share, color=COLOURS[1])
    below.axvline(100 * mask.density, color="0.2", linestyle="--", linewidth=1)
    below.set(xlabel="weights that may change, %; dashed: of all weights together", xlim=(0, 100))
    below.invert_yaxis()
    below.tick_params(axis="y", labelsize=9)
    sns.despine(figure)
    figure.tight_layout()
    low, high = (table.loc[i] for i in (table.share.idxmin(), table.share.idxmax()))
    return (
        figure,
        (
            f"The mask over {len(filters)} filters of {layer}, and bars of the share kept in each"
            f" parameter, from {low.share:.0%} ({low.parameter}) to {high.share:.0%}"
            f" ({high.parameter})"
        ),
    )
