"""Recorded runs along the penalty and the density, and beside published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ....plots import COLOURS, GREY, MARKERS, STROKES, Picture
from ....plots.methods import line_at
from ....shown import amount
from ...yardstick import NAME

MEASURES = {"gap_ua": "UA", "gap_ra": "RA", "gap_ta": "TA", "gap_mia": "MIA"}


def penalty_path(
    table: pd.DataFrame, references: Mapping[str, pd.Series], *, title: str = ""
) -> Picture:
    """Signed gaps to Retrain against the penalty, with intervals: one panel a measure. The left
    end, apart, is RL, the penalty of 0.

    Parameters
    ----------
    table : index beta, 0 among them where RL is recorded; columns gap_ua, gap_ua_low, gap_ua_high
        and so on, in points.
    references : name -> the same columns, drawn as level lines.
    """
    betas = [b for b in table.index if b > 0]
    zero = min(betas) / 10**0.75
    figure, axes = plt.subplots(2, 2, figsize=(7.0, 4.9), sharex=True)
    for axis, (column, name) in zip(axes.flat, MEASURES.items(), strict=True):
        axis.axhline(0, color="0.2", linewidth=1)
        _levels(axis, references, column)
        _along_penalty(axis, table, column, zero=zero)
        axis.set_xscale("log")
        axis.set_title(name, fontsize=10)
        axis.tick_params(labelsize=9)
    _penalty_ticks(axes[0, 0], betas, zero=zero if 0 in table.index else None)
    figure.supxlabel("penalty β", fontsize=10)
    figure.supylabel("gap to Retrain, points", fontsize=10)
    entries = dict(zip(*axes[0, 0].get_legend_handles_labels()[::-1], strict=True))
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="upper center",
        ncols=len(entries),
        frameon=False,
        fontsize=9,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    said = ", ".join(
        f"{name} {_signed(table[column].iloc[0])} to {_signed(table[column].iloc[-1])}"
        for column, name in MEASURES.items()
    )
    return (
        figure,
        (
            f"Gaps to Retrain along the penalty{title and f', {title}'}, from the weakest to the"
            f" strongest: {said}"
        ),
    )


def _levels(axis: Axes, references: Mapping[str, pd.Series], column: str) -> None:
    """A level line with its interval for each reference; for another Retrain the line alone."""
    for k, (name, row) in enumerate(references.items(), start=1):
        if name == NAME:
            line_at(axis, row[column], level=True, named=True)
            continue
        low, high = row[f"{column}_low"], row[f"{column}_high"]
        axis.axhspan(low, high, color=COLOURS[k], alpha=0.12, linewidth=0)
        axis.axhline(row[column], color=COLOURS[k], linestyle=STROKES[k], linewidth=1.5, label=name)


def _along_penalty(axis: Axes, table: pd.DataFrame, column: str, *, zero: float) -> None:
    """The gaps with their intervals; those of the penalty of 0 stand at `zero`, apart."""
    places = [b if b > 0 else zero for b in table.index]
    betas = [b for b in table.index if b > 0]
    dot: dict[str, Any] = {"markeredgecolor": "white"}
    axis.vlines(
        places, table[f"{column}_low"], table[f"{column}_high"], color=COLOURS[0], linewidth=1.8
    )
    gaps = table.loc[betas, column]
    axis.plot(betas, gaps, "o-", color=COLOURS[0], markersize=5, label="SalUn-soft", **dot)
    if 0 in table.index:
        gap = table.loc[0, column]
        axis.plot(zero, gap, "s", color=GREY, markersize=6, label="RL, β = 0", **dot)


def _penalty_ticks(axis: Axes, betas: Sequence[float], *, zero: float | None) -> None:
    """Ticks at the powers of ten among the penalties, and at the place of 0 where there is one."""
    ticks = [b for b in betas if np.isclose(np.log10(b) % 1, 0) or np.isclose(np.log10(b) % 1, 1)]
    names = [f"{b:g}" for b in ticks]
    if zero is not None:
        ticks, names = [zero, *ticks], ["0", *names]
    axis.set_xticks(ticks, names)
    axis.minorticks_off()


def densities(
    tables: Mapping[str, pd.DataFrame],
    *,
    again: Mapping[str, float] | None = None,
) -> Picture:
    """The average gap against the share of weights that may differ from theta_o, with intervals;
    one panel a scenario, one line a method.

    Parameters
    ----------
    tables : scenario -> index (method's name, share 0 to 1), columns avg_gap with _low and _high.
    again : scenario -> the average gap of another Retrain, a dotted line.
    """
    figure, axes = plt.subplots(
        1, len(tables), figsize=(max(4.2, 3.5 * len(tables)), 3.1), squeeze=False
    )
    for axis, (scenario, table) in zip(axes.flat, tables.items(), strict=True):
        for k, name in enumerate(dict.fromkeys(table.index.get_level_values(0))):
            part = table.loc[name].sort_index()
            shift = 1.04 ** (k - 0.5)  # so that intervals of one density stand beside each other
            x = 100 * part.index.to_numpy(dtype=float) * shift
            axis.vlines(x, part.avg_gap_low, part.avg_gap_high, color=COLOURS[k], linewidth=1.8)
            look = {
                "marker": MARKERS[k],
                "linestyle": STROKES[k],
                "color": COLOURS[k],
                "markeredgecolor": "white",
            }
            axis.plot(x, part.avg_gap, label=name, **look)
        line_at(axis, (again or {}).get(scenario), level=True, named=True)
        axis.set(xscale="log", xlabel="weights that may differ, %")
        ticks = sorted({round(100 * s, 6) for s in table.index.get_level_values(1)})
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axis.minorticks_off()
        axis.set_title(scenario, fontsize=10)
    axes[0, 0].set_ylabel("average gap, points")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="upper center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    names = dict.fromkeys(
        name for table in tables.values() for name in table.index.get_level_values(0)
    )
    return (
        figure,
        (
            "Lines of the average gap over the share of weights that may differ, for"
            f" {', '.join(names)}; panels: {', '.join(tables)}"
        ),
    )


def gaps_beside_published(table: pd.DataFrame) -> Picture:
    """The MIA gap measured here, with its interval, above the published one (hollow); one row a
    method, one panel a scenario.

    Parameters
    ----------
    table : index (scenario, method's name), columns measured, low, high, published (NaN where
        nothing was published).
    """
    scenarios = list(dict.fromkeys(table.index.get_level_values(0)))
    names = list(dict.fromkeys(table.index.get_level_values(1)))
    figure, axes = plt.subplots(
        1, len(scenarios), figsize=(7.0, 0.55 * len(names) + 1.3), sharey=True, squeeze=False
    )
    for axis, scenario in zip(axes.flat, scenarios, strict=True):
        part = table.loc[scenario].reindex(names)
        places = np.arange(len(names))
        axis.hlines(places - 0.13, part.low, part.high, color=COLOURS[0], linewidth=2.2)
        axis.plot(
            part.measured,
            places - 0.13,
            "o",
            color=COLOURS[0],
            markersize=7,
            markeredgecolor="white",
            label="measured here",
        )
        axis.plot(
            part.published,
            places + 0.17,
            "D",
            markerfacecolor="white",
            markeredgecolor=COLOURS[1],
            markersize=6,
            label="published",
        )
        axis.axvline(0, color="0.2", linewidth=1)
        axis.set(yticks=places, yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        axis.set_title(scenario, fontsize=10)
        axis.grid(axis="x", color="0.9", linewidth=0.7)
        axis.tick_params(axis="y", length=0)
    figure.supxlabel("MIA gap to Retrain, points", fontsize=10)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="upper center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    sns.despine(figure, left=True)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    said = "; ".join(
        f"{s}, {n}: {_signed(r.measured)}"
        for (s, n), r in table.iterrows()
        if r.measured == r.measured
    )
    return figure, f"MIA gap to Retrain, points, measured here and published; {said}"


def _signed(points: float) -> str:
    return amount(float(points), signed=True)
