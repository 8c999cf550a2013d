"""Average gap over learning rate and duration as maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from ....plots import Picture
from ....shown import amount
from .marks import LIGHT


def maps(
    cells: Mapping[str, pd.DataFrame],
    *,
    signed: Sequence[str] = (),
    border: pd.Series | None = None,
    marked: tuple[int, float] | None = None,
    guide: pd.Series | None = None,
) -> Picture:
    """Heat maps side by side, epochs upward and learning rates to the right, the figure written
    into each cell.

    Parameters
    ----------
    cells : title -> table with epochs as index and learning rates as columns; an empty cell is one
        whose run diverged.
    signed : titles of those whose zero has a meaning: red above it, blue below.
    border : learning rate by epochs that is drawn as a line through each map; 0 and infinity lie at
        its edges.
    marked : (epochs, learning rate) of the cell that is framed. guide : like `border`, a dashed
        line to compare it with.
    """
    size = (0.9 + (2.9 if len(cells) > 1 else 4.4) * len(cells), 3.1)
    figure, axes = plt.subplots(1, len(cells), figsize=size, dpi=200, squeeze=False, sharey=True)
    for axis, (title, table) in zip(axes.flat, cells.items(), strict=True):
        _heat(axis, table, title in signed)
        axis.set_title(title, fontsize=10.5)
        if guide is not None:
            _border(axis, table, guide, "--")
        if border is not None:
            _border(axis, table, border)
        if marked is not None:
            row, column = list(table.index).index(marked[0]), list(table.columns).index(marked[1])
            axis.add_patch(
                plt.Rectangle(
                    (column - 0.47, row - 0.47),
                    0.94,
                    0.94,
                    fill=False,
                    edgecolor="0.05",
                    linewidth=1.8,
                )
            )
    axes[0, 0].set_ylabel("epochs")
    figure.tight_layout()
    line = "" if border is None else ", and a line where UA is that of Retrain"
    return figure, f"Heat maps over epochs and learning rates of {', '.join(cells)}{line}"


def _heat(axis: Axes, table: pd.DataFrame, signed: bool) -> None:
    values = table.to_numpy(dtype=float)
    most = float(np.nanmax(np.abs(values), initial=1e-9))
    palette = sns.color_palette("vlag" if signed else "rocket_r", as_cmap=True)
    low = -most if signed else 0
    image = axis.imshow(values, cmap=palette, origin="lower", aspect="auto", vmin=low, vmax=most)
    for (row, column), value in np.ndenumerate(values):
        text = amount(float(value), signed=signed)
        light = np.isnan(value) or np.mean(image.cmap(image.norm(value))[:3]) > LIGHT
        # the border passes behind it
        edge = [withStroke(linewidth=2.5, foreground="white" if light else "black", alpha=0.75)]
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5, "zorder": 5}
        axis.text(
            column, row, text, color="black" if light else "white", path_effects=edge, **style
        )
    axis.set_xticks(range(len(table.columns)), [f"{lr:g}" for lr in table.columns])
    axis.set_yticks(range(len(table)), table.index)
    axis.set_xlabel("learning rate")
    axis.tick_params(length=0, labelsize=9)


def _border(axis: Axes, table: pd.DataFrame, border: pd.Series, style: str = "-") -> None:
    """A line from cell to cell; between two learning rates it lies where the logarithm says."""
    edges = {0.0: -0.5, float("inf"): len(table.columns) - 0.5}
    places = [
        edges.get(
            lr,
            np.interp(
                np.log(lr) if 0 < lr < np.inf else 0,
                np.log(table.columns),
                range(len(table.columns)),
            ),
        )
        for lr in border
    ]
    rows = [list(table.index).index(e) for e in border.index]
    # the white edge keeps it visible on every colour
    for width, colour in ((4.0, "white"), (1.8, "#111111")):
        dots: dict[str, Any] = {"marker": "o", "markersize": width + 2} if style == "-" else {}
        axis.plot(places, rows, style, color=colour, linewidth=width, zorder=3, **dots)
    axis.set_xlim(-0.5, len(table.columns) - 0.5)
