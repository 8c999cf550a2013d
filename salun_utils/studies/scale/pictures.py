"""Pictures of duration and scale: maps with their border, curves over sizes, laws of cost. Each
function returns a figure and its text
alternative."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ...plots import COLOURS, MARKERS, Picture
from .fits import Fit, Prediction

STYLES = ("-", "--", ":", "-.")
HELD = ("#111111", "#a0005a")  # what was kept out of a fit
STAR = {"markersize": 14, "markeredgecolor": "white", "zorder": 4}
LIGHT = 0.55  # of a cell's colour, above which its figure is written in black


# -- maps ------------------------------------------------------------------------------


def maps(
    cells: Mapping[str, pd.DataFrame],
    *,
    signed: Sequence[str] = (),
    border: pd.Series | None = None,
    marked: tuple[int, float] | None = None,
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
    marked : (epochs, learning rate) of the cell that is framed.
    """
    figure, axes = plt.subplots(
        1, len(cells), figsize=(0.9 + 2.9 * len(cells), 3.1), squeeze=False, sharey=True
    )
    for axis, (title, table) in zip(axes.flat, cells.items(), strict=True):
        _heat(axis, table, title in signed)
        axis.set_title(title, fontsize=10.5)
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
        text = "–" if np.isnan(value) else f"{value:+.1f}" if signed else f"{value:.1f}"
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


def _border(axis: Axes, table: pd.DataFrame, border: pd.Series) -> None:
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
        axis.plot(
            places, rows, color=colour, linewidth=width, marker="o", markersize=width + 2, zorder=3
        )
    axis.set_xlim(-0.5, len(table.columns) - 0.5)


# -- curves over sizes -----------------------------------------------------------------


def curves(
    table: pd.DataFrame,
    panels: Mapping[str, str],
    names: Mapping[str, str],
    *,
    x_label: str,
    zero: Sequence[str] = (),
    ticks: str = "{:g}",
) -> Picture:
    """Means with intervals against a size on a logarithmic axis; a panel a measure, a line a
    method.

    Parameters
    ----------
    table : rows by (method, size) with the columns c, c_low and c_high for each measure c. panels :
        c -> title. names : method -> label.
    zero : measures in whose panels zero, the level of Retrain, is drawn. ticks : how a size is
        written.
    """
    sizes = sorted(set(table.index.get_level_values(1)))
    labelled = _apart(sizes)
    columns = len(panels) if len(panels) < 4 else 2
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(max(4.2, 0.4 + 3.3 * columns), 0.4 + 2.6 * lines), squeeze=False
    )
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (measure, title) in zip(axes.flat, panels.items(), strict=False):
        for k, (method, name) in enumerate(names.items()):
            part = table.xs(method, level=0).sort_index()
            # equal values would hide one another
            x = part.index.to_numpy(dtype=float) * 1.035 ** (k - (len(names) - 1) / 2)
            axis.vlines(
                x,
                part[f"{measure}_low"],
                part[f"{measure}_high"],
                color=COLOURS[k],
                linewidth=1.6,
                alpha=0.8,
            )
            look = {
                "color": COLOURS[k],
                "marker": MARKERS[k],
                "linestyle": STYLES[k],
                "markersize": 5.5,
            }
            axis.plot(
                x, part[measure], label=name, markeredgecolor="white", markeredgewidth=0.5, **look
            )
        if measure in zero:
            axis.axhline(0, color="0.4", linewidth=0.9, zorder=0)
        axis.set_xscale("log")
        axis.set_xticks(
            sizes,
            [ticks.format(s) if s in labelled else "" for s in sizes],
            rotation=40 if len(labelled) > 4 else 0,
        )
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()
        axis.set_title(title, fontsize=10.5)
        axis.tick_params(labelsize=9)
    for axis in axes[-1]:
        axis.set_xlabel(x_label)
    _shared_legend(figure, axes[0, 0], len(names))
    return (
        figure,
        (
            f"Lines with intervals against {x_label} for {', '.join(names.values())}; panels:"
            f" {', '.join(panels.values())}"
        ),
    )


def _apart(sizes: Sequence[float]) -> set[float]:
    """Those that can be written under a logarithmic axis without touching the next, the largest
    first.
    """
    least = 0.07 * math.log(sizes[-1] / sizes[0]) if len(sizes) > 1 else 0
    chosen: list[float] = []
    for size in reversed(sizes):
        if not chosen or math.log(chosen[-1] / size) >= least:
            chosen.append(size)
    return set(chosen)


# -- laws of cost ----------------------------------------------------------------------


@dataclass(frozen=True)
class Law:
    """One panel of `laws` or of `agreement`.

    Attributes
    ----------
    fit : the law. points : what it was fitted to, a row a measurement. y : column that was fitted.
        unit : of y.
    held : label -> row, measurements that were kept out of the fit. to : label -> size at which a
        law of one variable is read.
    """

    fit: Fit
    points: pd.DataFrame
    y: str
    unit: str
    held: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    to: Mapping[str, float] = field(default_factory=dict)

    def at(self, row: Mapping[str, float]) -> Prediction:
        return self.fit.predict(**{name: row[name] for name in self.fit.smallest})


def agreement(panels: Mapping[str, Law], *, groups: str = "family") -> Picture:
    """What a law says against what was measured; on the dashed line the two are equal. Stars were
    kept out of the fit, and their bars are the interval in which the law expects a new measurement.

    Parameters
    ----------
    groups : column by which points are told apart by their marks.
    """
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(0.6 + 3.5 * len(panels), 3.7),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for axis, (title, law) in zip(axes.flat, panels.items(), strict=True):
        for k, (name, part) in enumerate(law.points.groupby(groups, sort=False)):
            says = [law.at(row).value for row in part.to_dict("records")]
            look = {
                "color": COLOURS[k],
                "marker": MARKERS[k % len(MARKERS)],
                "markersize": 6,
                "linestyle": "none",
            }
            axis.plot(
                says, part[law.y], label=name, markeredgecolor="white", markeredgewidth=0.5, **look
            )
        for (name, row), colour in zip(law.held.items(), HELD, strict=False):
            value, low, high = law.at(row)
            axis.hlines(row[law.y], low, high, color=colour, linewidth=1.6)
            axis.plot(
                value,
                row[law.y],
                "*",
                color=colour,
                linestyle="none",
                label=f"kept out: {name}",
                **STAR,
            )
        axis.set_title(f"{title}\ntypical error ×{law.fit.typical_error:.2f}", fontsize=10.5)
        _logarithmic(axis)
        axis.set_xlabel(f"the law says, {law.unit}")
    axes[0, 0].set_ylabel(f"measured, {law.unit}")
    for axis in axes.flat:
        ends = [
            min(axis.get_xlim()[0], axis.get_ylim()[0]),
            max(axis.get_xlim()[1], axis.get_ylim()[1]),
        ]
        axis.plot(ends, ends, color="0.45", linestyle="--", linewidth=1, zorder=0)
    _shared_legend(figure, axes[0, 0], 4)
    return (
        figure,
        (
            f"Measured against fitted {law.unit} on logarithmic axes with the line of equality;"
            f" panels: {', '.join(panels)}"
        ),
    )


def laws(panels: Mapping[str, Law], *, x_label: str) -> Picture:
    """Measurements against one size, the law through them with the band in which a new one is
    expected, dotted beyond the data. Stars were
    kept out of the fit, diamonds are read off it."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(0.5 + 3.1 * len(panels), 3.7), squeeze=False
    )
    for axis, (title, law) in zip(axes.flat, panels.items(), strict=True):
        (x,) = law.fit.smallest
        sizes = [
            law.fit.smallest[x],
            law.fit.largest[x],
            *(row[x] for row in law.held.values()),
            *law.to.values(),
        ]
        line = np.geomspace(min(sizes) / 1.4, max(sizes) * 1.4, 80)
        value, low, high = (
            np.array(part) for part in zip(*(law.at({x: size}) for size in line), strict=True)
        )
        inside = (line >= law.fit.smallest[x]) & (line <= law.fit.largest[x])
        axis.fill_between(line, low, high, color=COLOURS[0], alpha=0.16, linewidth=0)
        axis.plot(line, value, color=COLOURS[0], linestyle=":", linewidth=1.5)
        axis.plot(line[inside], value[inside], color=COLOURS[0], linewidth=1.8, label="law")
        axis.plot(
            law.points[x],
            law.points[law.y],
            "o",
            color=COLOURS[1],
            markersize=6,
            markeredgecolor="white",
            label="measured",
        )
        for (name, row), colour in zip(law.held.items(), HELD, strict=False):
            axis.plot(
                row[x],
                row[law.y],
                "*",
                color=colour,
                linestyle="none",
                label=f"kept out: {name}",
                **STAR,
            )
        for name, size in law.to.items():
            said = law.at({x: size})
            axis.vlines(size, said.low, said.high, color="0.2", linewidth=1.6)
            axis.plot(
                size,
                said.value,
                "D",
                color="white",
                markeredgecolor="0.2",
                markersize=7,
                linestyle="none",
                label=f"read off: {name}",
            )
        _logarithmic(axis)
        axis.set_title(title, fontsize=10.5)
        axis.set(xlabel=x_label, ylabel=law.unit)
        axis.legend(frameon=False, fontsize=8, loc="upper left", handletextpad=0.4)
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            f"Measured costs against {x_label} with laws and their bands on logarithmic axes;"
            f" panels: {', '.join(panels)}"
        ),
    )


def _logarithmic(axis: Axes) -> None:
    axis.set(xscale="log", yscale="log")
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_locator(LogLocator(numticks=7))
        one.set_major_formatter(FuncFormatter(_short))
        one.set_minor_formatter(NullFormatter())
    axis.tick_params(labelsize=9)


def _shared_legend(figure: Figure, axis: Axes, columns: int) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handletextpad=0.3,
        columnspacing=1.2,
    )
    sns.despine(figure)
    lines = -(-len(labels) // columns)
    figure.tight_layout(rect=(0, 0, 1, 1 - (0.1 + 0.2 * lines) / figure.get_figheight()))


def _short(value: float, _: int = 0) -> str:
    """1200000 as "1.2M"; below one thousand as it is."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
