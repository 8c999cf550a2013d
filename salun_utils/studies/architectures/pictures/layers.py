"""Where in a network its salient weights sit."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ....plots import COLOURS, Picture
from ..anatomy import KINDS, by_depth, by_kind

CONVOLUTIONS = (
    "convolution",
    "1×1 convolution",
    "depthwise convolution",
    "squeeze and excitation",
    "downsampling",
)
GROUPS = {
    "stem": ("stem",),
    "convolutions": CONVOLUTIONS,
    "attention": ("queries and keys", "values", "attention output"),
    "MLP": ("MLP over patches", "MLP over channels"),
    "norms, positions, scales": ("normalisation", "positions and scales"),
    "classifier": ("classifier",),
}
GROUP_MARKERS = ("*", "o", "D", "s", "X", "^")


def layers(
    tables: Mapping[str, pd.DataFrame], *, density: float = 0.5, columns: int = 2
) -> Picture:
    """The share of salient weights in each parameter over its depth; one panel a network, the area
    of a mark grows with the parameter.

    Parameters
    ----------
    tables : network -> `anatomy`. density : of the mask, drawn across.
    """
    columns = min(columns, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.7 * columns + 0.3, 2.15 * rows + 0.9),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(tables) :]:
        axis.axis("off")
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=False):
        axis.axhline(100 * density, color="0.3", linestyle="--", linewidth=1, zorder=0)
        for k, members in enumerate(GROUPS.values()):
            part = table[table.kind.isin(members)]
            area = 10 + 240 * part.weights / table.weights.max()
            axis.scatter(
                part.depth,
                100 * part.share,
                area,
                color=COLOURS[k],
                marker=GROUP_MARKERS[k],
                alpha=0.65,
                edgecolor="white",
                linewidth=0.4,
            )
        axis.set_title(name, fontsize=10)
        axis.set(xlim=(-0.04, 1.04), ylim=(-5, 105))
        axis.set_xticks([0, 0.5, 1], ["first", "middle", "last"])
        axis.tick_params(labelsize=9)
    found = [
        g
        for g, members in GROUPS.items()
        if any(t.kind.isin(members).any() for t in tables.values())
    ]
    places = [list(GROUPS).index(g) for g in found]
    marks = [
        plt.Line2D([], [], marker=GROUP_MARKERS[k], color=COLOURS[k], linestyle="", markersize=7)
        for k in places
    ]
    figure.legend(
        marks,
        found,
        loc="upper center",
        ncols=3,
        frameon=False,
        fontsize=9,
        handletextpad=0.1,
        columnspacing=1.2,
    )
    figure.supxlabel("layer", fontsize=10)
    figure.supylabel("salient weights, %", fontsize=10)
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.55 / figure.get_figheight()))
    return (
        figure,
        (
            "Marks of the share of salient weights in each parameter over its depth; panels:"
            f" {', '.join(tables)}"
        ),
    )


def kinds_of(tables: Mapping[str, pd.DataFrame], *, density: float = 0.5) -> Picture:
    """The share of salient weights by kind of layer (rows) and network (columns), per cent; empty
    where a network has no such layer.

    Parameters
    ----------
    tables : network -> `anatomy`, of one or several seeds. density : of the mask, white in the
        picture.
    """
    shares = (
        pd.DataFrame({name: by_kind(table).share for name, table in tables.items()})
        .reindex(KINDS)
        .dropna(how="all")
    )
    figure = _cells(100 * shares, centre=100 * density, title="salient weights, %")
    spread = shares.mean(axis=1)
    return (
        figure,
        (
            "Share of salient weights by kind of layer and network; on average highest in"
            f" {spread.idxmax()} ({spread.max():.0%}), lowest in {spread.idxmin()}"
            f" ({spread.min():.0%})"
        ),
    )


def tenths(tables: Mapping[str, pd.DataFrame], *, density: float = 0.5) -> Picture:
    """The share of salient weights in each tenth of the weights, from the first layer to the last;
    one row a network, per cent.
    """
    shares = pd.DataFrame({name: by_depth(table) for name, table in tables.items()}).T
    figure = _cells(
        100 * shares,
        centre=100 * density,
        title="salient weights in each tenth of the weights, first to last layer, %",
    )
    return (
        figure,
        f"Share of salient weights in ten parts of equal size, by depth, for {', '.join(tables)}",
    )


def _cells(values: pd.DataFrame, *, centre: float, title: str) -> plt.Figure:
    """A table of coloured cells with their numbers; `centre` is white, 0 and 100 are the ends."""
    tall = max((len(str(c)) for c in values.columns), default=0) > 4
    figure, axis = plt.subplots(
        figsize=(0.66 * values.shape[1] + 2.3, 0.34 * len(values) + (2.0 if tall else 1.1))
    )
    norm = plt.matplotlib.colors.TwoSlopeNorm(centre, 0, 100)
    axis.imshow(
        np.ma.masked_invalid(values.to_numpy(float)), cmap="PuOr_r", norm=norm, aspect="auto"
    )
    for (i, j), value in np.ndenumerate(values.to_numpy(float)):
        if np.isfinite(value):
            strong = abs(norm(value) - 0.5) > 0.33
            axis.text(
                j,
                i,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if strong else "0.1",
            )
    slant = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if tall else {}
    axis.set_xticks(range(values.shape[1]), values.columns, **slant)
    axis.set_yticks(range(len(values)), values.index)
    axis.set_title(title, fontsize=10, loc="left")
    axis.tick_params(length=0, labelsize=9)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    return figure
