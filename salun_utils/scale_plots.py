"""Pictures of duration and scale: maps with their border, curves over sizes, laws of cost. Each function returns a figure and its text
alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .plots import COLOURS, MARKERS, Picture
from .scale.fits import Fit

STYLES = ("-", "--", ":", "-.")
LIGHT = 0.55  # of a cell's colour, above which its figure is written in black


# -- maps -------------------------------------------------------------------------------------------------------------------------


def maps(
    cells: Mapping[str, pd.DataFrame],
    *,
    signed: Sequence[str] = (),
    border: pd.Series | None = None,
    marked: tuple[int, float] | None = None,
) -> Picture:
    """Heat maps side by side, epochs upward and learning rates to the right, the figure written into each cell.

    Parameters
    ----------
    cells : title -> table with epochs as index and learning rates as columns; an empty cell is one whose run diverged.
    signed : titles of those whose zero has a meaning: red above it, blue below.
    border : learning rate by epochs that is drawn as a line through each map; 0 and infinity lie at its edges.
    marked : (epochs, learning rate) of the cell that is framed.
    """
    figure, axes = plt.subplots(1, len(cells), figsize=(1.1 + 3.45 * len(cells), 3.4), squeeze=False, sharey=True)
    for axis, (title, table) in zip(axes.flat, cells.items(), strict=True):
        _heat(axis, table, title in signed)
        axis.set_title(title, fontsize=10.5)
        if border is not None:
            _border(axis, table, border)
        if marked is not None:
            row, column = list(table.index).index(marked[0]), list(table.columns).index(marked[1])
            axis.add_patch(plt.Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor="0.05", linewidth=1.8))
    axes[0, 0].set_ylabel("epochs")
    figure.tight_layout()
    line = "" if border is None else ", and a line where UA is that of Retrain"
    return figure, f"Heat maps over epochs and learning rates of {', '.join(cells)}{line}"


def _heat(axis: Axes, table: pd.DataFrame, signed: bool) -> None:
    values = table.to_numpy(dtype=float)
    most = float(np.nanmax(np.abs(values), initial=1e-9))
    palette = sns.color_palette("vlag" if signed else "rocket_r", as_cmap=True)
    scale = {"vmin": -most, "vmax": most} if signed else {"vmin": 0, "vmax": most}
    image = axis.imshow(values, cmap=palette, origin="lower", aspect="auto", **scale)
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:+.1f}" if signed else f"{value:.1f}"
        light = np.isnan(value) or np.mean(image.cmap(image.norm(value))[:3]) > LIGHT
        axis.text(column, row, text, ha="center", va="center", fontsize=9, color="black" if light else "white")
    axis.set_xticks(range(len(table.columns)), [f"{lr:g}" for lr in table.columns])
    axis.set_yticks(range(len(table)), table.index)
    axis.set_xlabel("learning rate")
    axis.tick_params(length=0, labelsize=9)


def _border(axis: Axes, table: pd.DataFrame, border: pd.Series) -> None:
    """A line from cell to cell; between two learning rates it lies where the logarithm says."""
    edges = {0.0: -0.5, float("inf"): len(table.columns) - 0.5}
    places = [
        edges.get(lr, np.interp(np.log(lr) if 0 < lr < np.inf else 0, np.log(table.columns), range(len(table.columns)))) for lr in border
    ]
    rows = [list(table.index).index(e) for e in border.index]
    for width, colour in ((4.5, "white"), (2.2, "#111111")):  # the white edge keeps it visible on every colour
        axis.plot(places, rows, color=colour, linewidth=width, marker="o", markersize=width + 2.5, zorder=3)
    axis.set_xlim(-0.5, len(table.columns) - 0.5)


# -- curves over sizes ------------------------------------------------------------------------------------------------------------


def curves(
    table: pd.DataFrame, panels: Mapping[str, str], names: Mapping[str, str], *, x_label: str, zero: Sequence[str] = (), ticks: str = "{:g}"
) -> Picture:
    """Means with intervals against a size on a logarithmic axis; a panel a measure, a line a method.

    Parameters
    ----------
    table : rows by (method, size) with the columns c, c_low and c_high for each measure c. panels : c -> title. names : method -> label.
    zero : measures in whose panels zero, the level of Retrain, is drawn. ticks : how a size is written.
    """
    sizes = sorted(set(table.index.get_level_values(1)))
    figure, axes = plt.subplots(1, len(panels), figsize=(max(4.2, 0.4 + 2.85 * len(panels)), 3.1), squeeze=False)
    for axis, (measure, title) in zip(axes.flat, panels.items(), strict=True):
        for k, (method, name) in enumerate(names.items()):
            part = table.xs(method, level=0).sort_index()
            x = part.index.to_numpy(dtype=float) * 1.035 ** (k - (len(names) - 1) / 2)  # equal values would hide one another
            axis.vlines(x, part[f"{measure}_low"], part[f"{measure}_high"], color=COLOURS[k], linewidth=1.6, alpha=0.8)
            look = {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": STYLES[k], "markersize": 5.5}
            axis.plot(x, part[measure], label=name, markeredgecolor="white", markeredgewidth=0.5, **look)
        if measure in zero:
            axis.axhline(0, color="0.4", linewidth=0.9, zorder=0)
        axis.set_xscale("log")
        axis.set_xticks(sizes, [ticks.format(s) for s in sizes], rotation=40 if len(sizes) > 4 else 0)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()
        axis.set_title(title, fontsize=10.5)
        axis.set_xlabel(x_label)
        axis.tick_params(labelsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(labels), frameon=False, fontsize=9)
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    return figure, f"Lines with intervals against {x_label} for {', '.join(names.values())}; panels: {', '.join(panels.values())}"


# -- laws of cost -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Law:
    """One panel of `laws`.

    Attributes
    ----------
    fit : the law. points : what it was fitted to, a row a measurement. x, y : columns. x_label, y_label : of the axes.
    fixed : values of the law's other variables, at which it is drawn; points that differ in them are scaled to these by the law.
    held : label -> row, measurements that were kept out of the fit. to : label -> size at which the law is read.
    groups : column by which points are told apart by their marks.
    """

    fit: Fit
    points: pd.DataFrame
    x: str
    y: str
    x_label: str
    y_label: str
    fixed: Mapping[str, float] = field(default_factory=dict)
    held: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    to: Mapping[str, float] = field(default_factory=dict)
    groups: str | None = None

    def at(self, x: float):
        return self.fit.predict(**{self.x: x, **self.fixed})

    def scaled(self, row: Mapping[str, float]) -> float:
        """The measurement as it would have been at `fixed`."""
        there = self.fit.predict(**{name: row[name] for name in self.fit.smallest}).value
        return row[self.y] * self.at(row[self.x]).value / there


def laws(panels: Mapping[str, Law]) -> Picture:
    """Measurements, the law through them with the band in which a new one is expected, and what was kept out of the fit as stars."""
    figure, axes = plt.subplots(1, len(panels), figsize=(0.5 + 3.3 * len(panels), 3.5), squeeze=False)
    for axis, (title, law) in zip(axes.flat, panels.items(), strict=True):
        sizes = [law.fit.smallest[law.x], law.fit.largest[law.x], *(row[law.x] for row in law.held.values()), *law.to.values()]
        line = np.geomspace(min(sizes) / 1.3, max(sizes) * 1.3, 60)
        said = [law.at(x) for x in line]
        inside = (line >= law.fit.smallest[law.x]) & (line <= law.fit.largest[law.x])
        axis.fill_between(line, [s.low for s in said], [s.high for s in said], color=COLOURS[0], alpha=0.16, linewidth=0)
        axis.plot(line, [s.value for s in said], color=COLOURS[0], linestyle=":", linewidth=1.5)
        axis.plot(line[inside], np.array([s.value for s in said])[inside], color=COLOURS[0], linewidth=1.8, label="law")
        _points(axis, law)
        for (name, row), colour in zip(law.held.items(), (COLOURS[3], COLOURS[2]), strict=False):
            look = {"markersize": 14, "markeredgecolor": "white", "zorder": 4, "linestyle": "none"}
            axis.plot(row[law.x], law.scaled(row), "*", color=colour, label=f"held out: {name}", **look)
        for name, size in law.to.items():
            value, low, high = law.at(size)
            axis.vlines(size, low, high, color="0.2", linewidth=1.6)
            axis.plot(
                size, value, "D", color="white", markeredgecolor="0.2", markersize=7, linestyle="none", label=f"read off: {name}", zorder=4
            )
        axis.set(xscale="log", yscale="log")
        for one in (axis.xaxis, axis.yaxis):
            one.set_major_locator(LogLocator(numticks=6))
            one.set_minor_formatter(NullFormatter())
            one.set_major_formatter(FuncFormatter(_short))
        axis.set_title(title, fontsize=10.5)
        axis.set_xlabel(law.x_label)
        axis.set_ylabel(law.y_label)
        axis.tick_params(labelsize=9)
        axis.legend(frameon=False, fontsize=8, loc="upper left", handletextpad=0.4)
    sns.despine(figure)
    figure.tight_layout()
    return figure, f"Measured costs with fitted laws and their bands on logarithmic axes; panels: {', '.join(panels)}"


def _points(axis: Axes, law: Law) -> None:
    groups = {"measured": law.points} if law.groups is None else dict(list(law.points.groupby(law.groups, sort=False)))
    for k, (name, part) in enumerate(groups.items()):
        y = [law.scaled(row) for row in part.to_dict("records")]
        look = {"color": COLOURS[1] if law.groups is None else COLOURS[(k + 4) % len(COLOURS)], "markersize": 5.5, "linestyle": "none"}
        axis.plot(part[law.x], y, marker=MARKERS[k % len(MARKERS)], markeredgecolor="white", markeredgewidth=0.5, label=name, **look)


def _short(value: float, _: int = 0) -> str:
    """1200000 as "1.2M"; powers of ten below one thousandth as they are."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
