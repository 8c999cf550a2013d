"""How far weights move under each rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from torch import Tensor

from ....plots import COLOURS, MARKERS, STROKES, Picture
from ..moves import share_moved


def move_histograms(moved: Mapping[str, Mapping[str, Tensor]], *, columns: int = 2) -> Picture:
    """Histograms of |theta_u - theta_o|, both axes logarithmic; the bar apart on the left holds the
    weights that have not moved at all.

    Parameters
    ----------
    moved : name -> what `moves.moves` returns; one panel each, heights in per cent of all weights.
    """
    flat = {
        name: np.concatenate([m.numpy().ravel() for m in each.values()])
        for name, each in moved.items()
    }
    most = max(values.max() for values in flat.values())
    ends = -7, np.ceil(np.log10(max(most, 1e-6)))
    bins, at = np.linspace(*ends, int(4 * (ends[1] - ends[0])) + 1), ends[0] - 0.75
    rows = -(-len(flat) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.4 * columns, 2.1 * rows + 0.3),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    said = []
    for axis, (name, values) in zip(axes.flat, flat.items(), strict=False):
        still = _bars_of_moves(axis, values, bins, at=at)
        axis.set_title(f"{name}: {100 * share_moved(moved[name]):.1f} % moved", fontsize=10)
        said.append(f"{name} {still:.0f} %")
    _ticks_of_moves(axes[0, 0], np.arange(ends[0] + 1, ends[1] + 1, 2), at=at)
    for axis in axes.flat[len(flat) :]:
        axis.axis("off")
    for axis in axes.flat:
        axis.tick_params(labelsize=9, labelbottom=True)
    figure.supxlabel("$|θ_u - θ_o|$; hatched: exactly 0", fontsize=10)
    figure.supylabel("weights, %", fontsize=10)
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            "Histograms of how far weights moved; weights that have not moved at all:"
            f" {', '.join(said)}"
        ),
    )


def _bars_of_moves(axis: Axes, values: np.ndarray, bins: np.ndarray, *, at: float) -> float:
    """The histogram of one panel, with the bar of the weights that stood still at `at`; returns
    their share, per cent.
    """
    still = 100 * float((values == 0).mean())
    logs = np.log10(values[values > 0]).clip(bins[0])
    heights = 100 * np.histogram(logs, bins)[0] / len(values)
    edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.3}
    axis.bar(bins[:-1], heights, width=np.diff(bins), align="edge", color=COLOURS[0], **edge)
    axis.bar(at, still, width=0.5, color=COLOURS[1], hatch="//", **edge)
    return still


def _ticks_of_moves(axis: Axes, decades: np.ndarray, *, at: float) -> None:
    """Powers of ten along both axes, and 0 at `at`."""
    axis.set(yscale="log", ylim=(0.002, 200))
    axis.set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
    axis.minorticks_off()
    axis.set_xticks([at, *decades], ["0", *(f"$10^{{{int(d)}}}$" for d in decades)])


def moved_over_steps(traces: Mapping[str, pd.DataFrame]) -> Picture:
    """The share of weights that are away from theta_o after each step, and the distance of all
    together; one line a run.

    Parameters
    ----------
    traces : name -> columns step, moved (share, 0 to 1), distance, as `moves.trace` returns them.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.5))
    for k, (name, rows) in enumerate(traces.items()):
        look = {
            "color": COLOURS[k % len(COLOURS)],
            "linestyle": STROKES[k % len(STROKES)],
            "linewidth": 1.8,
            "label": name,
        }
        left.plot(rows.step, 100 * rows.moved, **look)
        right.plot(rows.step, rows.distance, **look)
    left.set(xlabel="step", ylabel="weights away from $θ_o$, %", ylim=(-2, 103))
    right.set(xlabel="step", ylabel="distance $\\|θ - θ_o\\|_2$", ylim=(0, None))
    handles = left.get_legend_handles_labels()
    columns = 2 if len(traces) > 2 else len(traces)
    figure.legend(
        *handles, loc="upper center", ncols=columns, frameon=False, fontsize=9, handlelength=2.6
    )
    sns.despine(figure)
    room = 0.24 * -(-len(traces) // columns) + 0.05
    figure.tight_layout(rect=(0, 0, 1, 1 - room / figure.get_figheight()))
    ends = ", ".join(f"{name} {100 * rows.moved.iloc[-1]:.1f} %" for name, rows in traces.items())
    return (
        figure,
        (
            "Lines of the share of moved weights and of the distance over the steps; moved at the"
            f" end: {ends}"
        ),
    )


def moved_by_penalty(rows: pd.DataFrame) -> Picture:
    """The share of weights that have moved at the end, against the penalty; one line a schedule,
    both axes logarithmic.

    Parameters
    ----------
    rows : columns beta (above 0), schedule, moved (share, 0 to 1), heavy (share that makes 90 % of
        the squared distance).
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), sharey=True)
    titles = {"moved": "moved at all", "heavy": "make 90 % of the squared distance"}
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for k, (schedule, part) in enumerate(rows.groupby("schedule", sort=False)):
            part = part.sort_values("beta")
            look = {
                "marker": MARKERS[k],
                "color": COLOURS[k],
                "linestyle": STROKES[k],
                "markeredgecolor": "white",
            }
            axis.plot(part.beta, (100 * part[column]).clip(lower=1e-3), label=schedule, **look)
        axis.set(xscale="log", yscale="log", xlabel="penalty β")
        axis.set_title(title, fontsize=10)
        _plain(axis, 100 * rows[["moved", "heavy"]].to_numpy().clip(1e-5))
    axes[0].set_ylabel("weights, %")
    axes[0].legend(frameon=False, fontsize=9, title="schedule of β", title_fontsize=9)
    sns.despine(figure)
    figure.tight_layout()
    low = rows.loc[rows.beta.idxmax(), "beta"]
    said = ", ".join(
        f"{r.schedule} {100 * r.moved:.2g} %" for r in rows[rows.beta == low].itertuples()
    )
    return (
        figure,
        f"Lines of the share of moved weights over the penalty by schedule; at β = {low:g}: {said}",
    )


def moved_by_layer(table: pd.DataFrame, weights: Mapping[str, int]) -> Picture:
    """The share of weights that moved in each parameter, as shaded cells with figures: one row a
    parameter, one column a run.

    Parameters
    ----------
    table : as `moves.by_layer` returns it (0 to 1). weights : parameter -> how many weights it has.
    """
    figure, axis = plt.subplots(figsize=(2.4 + 1.02 * table.shape[1], 0.27 * len(table) + 1.3))
    axis.imshow(100 * table.to_numpy(), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for i, row in enumerate(100 * table.to_numpy()):
        for j, value in enumerate(row):
            axis.text(
                j,
                i,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=8.5,
                color="white" if value > 55 else "0.1",
            )
    axis.set_xticks(
        range(table.shape[1]), [name.replace(", ", "\n") for name in table.columns], fontsize=8.5
    )
    axis.set_yticks(
        range(len(table)), [f"{name}  ({weights[name]:,})" for name in table.index], fontsize=8.5
    )
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    said = ", ".join(
        f"{name}: least in {column.idxmin()}, {100 * column.min():.0f} %"
        for name, column in table.items()
    )
    return (
        figure,
        (
            f"Shaded cells of the share of weights that moved in each of {len(table)} parameters;"
            f" {said}"
        ),
    )


def _plain(axis: Axes, values: Sequence[float]) -> None:
    """Plain numbers at the powers of ten of a logarithmic vertical axis that holds `values`."""
    low, high = np.floor(np.log10(np.min(values))), 2
    decades = [10.0**d for d in np.arange(low, high + 1)]
    axis.set_ylim(decades[0] * 0.7, 140)
    axis.set_yticks(decades, [f"{d:g}" for d in decades])
    axis.minorticks_off()
    axis.grid(color="0.92", linewidth=0.7)
    axis.tick_params(labelsize=9)
