"""Fitted laws beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ....plots import COLOURS, MARKERS, Picture
from ..fits import Fit, Prediction
from .marks import HELD, STAR, logarithmic, shared_legend


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
            _star(axis, value, row[law.y], name, colour)
        axis.set_title(f"{title}\ntypical error ×{law.fit.typical_error:.2f}", fontsize=10.5)
        logarithmic(axis)
        axis.set_xlabel(f"the law says, {law.unit}")
    axes[0, 0].set_ylabel(f"measured, {law.unit}")
    for axis in axes.flat:
        ends = [
            min(axis.get_xlim()[0], axis.get_ylim()[0]),
            max(axis.get_xlim()[1], axis.get_ylim()[1]),
        ]
        axis.plot(ends, ends, color="0.45", linestyle="--", linewidth=1, zorder=0)
    shared_legend(figure, axes[0, 0], 4)
    return (
        figure,
        (
            f"Measured against fitted {law.unit} on logarithmic axes with the line of equality;"
            f" panels: {', '.join(panels)}"
        ),
    )


def laws(panels: Mapping[str, Law], *, x_label: str) -> Picture:
    """Measurements against one size, the law through them with the band in which a new one is
    expected, dotted beyond the data. Stars were kept out of the fit, diamonds are read off it.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(0.5 + 3.1 * len(panels), 3.7), squeeze=False
    )
    for axis, (title, law) in zip(axes.flat, panels.items(), strict=True):
        (x,) = law.fit.smallest
        _band(axis, law, x)
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
            _star(axis, row[x], row[law.y], name, colour)
        _read_off(axis, law, x)
        logarithmic(axis)
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


def _band(axis: Axes, law: Law, x: str) -> None:
    """A law of one variable and its band, as far as anything measured or read off lies."""
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


def _star(axis: Axes, x: float, y: float, name: str, colour: str) -> None:
    """A measurement that was kept out of the fit."""
    axis.plot(x, y, "*", color=colour, linestyle="none", label=f"kept out: {name}", **STAR)


def _read_off(axis: Axes, law: Law, x: str) -> None:
    """What a law of one variable says where it is read, with its interval."""
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
