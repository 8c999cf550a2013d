"""Pictures for the chapters on generation: grids from the same noise, bars by class, loss curves, a
mask by block of the U-Net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor

from ..errors import InputError
from ..saliency import SaliencyMask

KINDS = {  # part of a parameter's name -> kind of layer; the first that fits counts
    "resnets": "convolution",
    "attn1": "self-attention",
    "attn2": "cross-attention",
    "ff": "feed-forward",
    "to_q": "self-attention",
    "to_k": "self-attention",
    "to_v": "self-attention",
    "to_out": "self-attention",
}

# of a U-Net, in the order in which a picture passes them
STAGES = ("conv_in", "time", "class", "down", "mid", "up", "conv", "")


def picture_grid(
    rows: Mapping[str, Tensor], columns: Sequence[str] = (), *, size: float = 0.75
) -> Figure:
    """One row of pictures for each name; a column shows what came from the same noise and prompt.

    Parameters
    ----------
    rows : name -> uint8 (n, C, H, W), all of the same n. columns : a title for each column, or
        none.
    """
    counts = {len(p) for p in rows.values()}
    if len(counts) != 1:
        raise InputError(f"the rows of a grid must be equally long, not {sorted(counts)}")
    (count,) = counts
    figure, axes = plt.subplots(
        len(rows), count, figsize=(size * count + 1.1, size * len(rows) + 0.3), squeeze=False
    )
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(picture.permute(1, 2, 0).numpy().squeeze(), cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
            sns.despine(ax=axis, left=True, bottom=True)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    for axis, title in zip(axes[0], columns, strict=False):
        axis.set_title(title, fontsize=7)
    figure.tight_layout(pad=0.3)
    return figure


def class_bars(table: pd.DataFrame, *, forgotten: str | None = None) -> Figure:
    """Share of pictures recognised, by class and model: columns ``class``, ``model`` and
    ``recognised`` (per cent).
    """
    figure, axis = plt.subplots(figsize=(8, 3))
    sns.barplot(
        table, x="class", y="recognised", hue="model", errorbar=None, palette="colorblind", ax=axis
    )
    axis.set(xlabel="", ylabel="recognised, %", ylim=(0, 105))
    axis.tick_params(axis="x", rotation=30)
    if forgotten is not None:
        for label in axis.get_xticklabels():
            label.set_fontweight("bold" if label.get_text() == forgotten else "normal")
    axis.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 1.2),
        ncols=table.model.nunique(),
        frameon=False,
        fontsize=8,
    )
    sns.despine(figure)
    figure.tight_layout()
    return figure


def loss_curves(losses: Mapping[str, Sequence[float]], *, window: int = 8) -> Figure:
    """The loss of every step, faint, and its running mean."""
    figure, axis = plt.subplots(figsize=(6, 2.6))
    for colour, (name, values) in zip(
        sns.color_palette("colorblind"), losses.items(), strict=False
    ):
        series = pd.Series(values)
        axis.plot(series.index + 1, series, color=colour, alpha=0.25)
        axis.plot(
            series.index + 1, series.rolling(window, min_periods=1).mean(), color=colour, label=name
        )
    axis.set(xlabel="step", ylabel="loss")
    axis.legend(frameon=False, fontsize=8)
    sns.despine(figure)
    figure.tight_layout()
    return figure


def mask_by_block(mask: SaliencyMask) -> pd.DataFrame:
    """Share of weights kept, in per cent: one row a block of the U-Net, one column a kind of layer;
    NaN where there is none.
    """
    layers = mask.per_layer()
    layers = layers.assign(parameter=layers.parameter.str.removeprefix("unet."))
    block = layers.parameter.map(
        lambda n: ".".join(n.split(".")[:2]) if n.startswith(("down", "up")) else n.split(".")[0]
    )
    kind = layers.parameter.map(
        lambda n: next((label for part, label in KINDS.items() if f".{part}." in n), "other")
    )
    sums = (
        layers.assign(block=block, kind=kind).groupby(["block", "kind"])[["kept", "weights"]].sum()
    )
    table = (100 * sums.kept / sums.weights).unstack()
    order = sorted(table.index, key=lambda b: (STAGES.index(_stage(b)), b))
    return table.loc[
        order, [k for k in dict.fromkeys([*KINDS.values(), "other"]) if k in table.columns]
    ]


def mask_heatmap(mask: SaliencyMask) -> Figure:
    """`mask_by_block` as a heat map with the shares written in."""
    table = mask_by_block(mask)
    figure, axis = plt.subplots(figsize=(1.25 * table.shape[1] + 2.2, 0.32 * len(table) + 1))
    sns.heatmap(
        table,
        annot=True,
        fmt=".0f",
        cmap="viridis",
        vmin=0,
        vmax=100,
        ax=axis,
        cbar_kws={"label": "kept, %"},
        mask=np.isnan(table),
    )
    axis.set(xlabel="", ylabel="")
    axis.tick_params(axis="x", rotation=0, labelsize=8)
    axis.tick_params(axis="y", rotation=0, labelsize=8)
    figure.tight_layout()
    return figure


def _stage(block: str) -> str:
    return next(stage for stage in STAGES if block.startswith(stage))
