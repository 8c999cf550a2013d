"""How methods are told apart: colours, markers, names beside points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ..runs.summary import AGAIN, label
from . import COLOURS, GREY

KINDS: dict[str, tuple[str, ...]] = {
    "fine-tuning": ("ft", "l1-sparse", "msg", "ct", "unsir"),
    "labels": ("rl", "salun", "salun-soft", "salun-annealed", "bs", "be", "munba"),
    "ascent": ("ga", "neggrad+", "sfr-on"),
    "closed form": ("iu", "fisher", "ssd"),
    "distillation": ("scrub", "bad-t", "delete", "lotus", "fcs"),
    "exact": ("sisa",),
}
COLOUR_OF = dict(
    zip(
        [*KINDS, "reference"],
        [COLOURS[0], COLOURS[1], COLOURS[3], COLOURS[2], COLOURS[4], COLOURS[9], GREY],
        strict=True,
    )
)
MARKER_OF = dict(zip([*KINDS, "reference"], ["o", "D", "X", "s", "^", "v", "P"], strict=True))
RETRAIN = "#111111"
LINE_OF = {"original": "--", AGAIN: ":"}  # what gaps are measured by: doing nothing, the yardstick
NAMED = 6  # rows that a crowded picture names; legend and marks tell the others' kinds


def kind(method: str) -> str:
    """The kind of a method, a key of `KINDS`; "reference" for Retrain and the original."""
    return next((name for name, members in KINDS.items() if method in members), "reference")


def colour_named(name: str) -> str:
    """The colour of what prose calls a method, whatever its mask ("SalUn, random mask", "RL (no
    mask)"); grey for what is none.
    """
    plain = name.split(",")[0].split(" (")[0]
    return COLOUR_OF[kind({label(m): m for part in KINDS.values() for m in part}.get(plain, ""))]


def to_name(table: pd.DataFrame) -> list[str]:
    """The rows that a picture names: all where they are at most `NAMED`, else SalUn, Retrain,
    another Retrain, RL, the nearest to Retrain, the farthest and doing nothing, the first `NAMED`
    of these that there are.
    """
    if len(table) <= NAMED:
        return list(table.index)
    references = ["retrain", AGAIN, "original"]
    gaps = table.avg_gap.drop(index=references, errors="ignore")
    wanted = ["salun", "retrain", AGAIN, "rl", gaps.idxmin(), gaps.idxmax(), "original"]
    return [name for name in dict.fromkeys(wanted) if name in table.index][:NAMED]


def near_retrain(
    table: pd.DataFrame, measures: list[str], within: float
) -> tuple[pd.DataFrame, list[str]]:
    """The rows at most `within` from Retrain's in all measures, and the names of the others; all
    rows where there is no Retrain.
    """
    if "retrain" not in table.index:
        return table, []
    near = ((table[measures] - table.loc["retrain", measures]).abs() <= within).all(axis=1)
    return table[near], list(table.index[~near])


def line_at(
    axis: Axes, gap: float | None, of: str = AGAIN, *, level: bool = False, named: bool = False
) -> None:
    """The gap of another Retrain, or of doing nothing, through a panel of gaps; no line where it is
    None.

    Parameters
    ----------
    of : a key of `LINE_OF`. level : whether gaps grow upwards. named : whether the line is to have
        an entry in the legend.
    """
    if gap is not None:
        draw = axis.axhline if level else axis.axvline
        entry: dict[str, Any] = {"label": label(of)} if named else {}
        draw(gap, color=GREY, linestyle=LINE_OF[of], linewidth=1.2, zorder=0, **entry)


def point(axis: Axes, x: float, y: float, method: str) -> None:
    large = 10 if method == "salun" else 8
    axis.plot(
        x,
        y,
        MARKER_OF[kind(method)],
        color=COLOUR_OF[kind(method)],
        markersize=large,
        markeredgecolor="white",
        zorder=3,
    )


def name_and_gap(row: pd.Series) -> str:
    return f"{label(row.name)} {row.avg_gap:.2f}"


def embolden(axis: Axes, methods: Sequence[str]) -> None:
    for text, method in zip(axis.get_yticklabels(), methods):
        text.set_fontweight("bold" if method == "salun" else "normal")
    axis.tick_params(axis="y", length=0, labelsize=9)


def labels_beside(axis: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Names in one column to the right of the axes, each joined to its point by a thin line, so
    that none hides another.
    """
    axis.autoscale_view()
    to_axes = axis.transData + axis.transAxes.inverted()
    wanted = {name: float(to_axes.transform(point)[1]) for name, point in points.items()}
    names = sorted(wanted, key=wanted.__getitem__)
    for name, place in zip(names, spread_apart([wanted[n] for n in names], 0.062), strict=True):
        axis.annotate(
            name,
            points[name],
            (1.03, place),
            textcoords="axes fraction",
            va="center",
            ha="left",
            fontsize=9,
            fontweight="bold" if name in ("SalUn", "Retrain") else "normal",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": "0.72",
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 4,
            },
        )


def spread_apart(places: Sequence[float], least: float) -> list[float]:
    """Ascending places within [0, 1], moved apart until neighbours are `least` apart; they reach
    beyond 1 where there are too many.
    """
    moved = list(places)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + least)
    top = max(1.0, least * (len(moved) - 1))
    for i in range(len(moved) - 1, -1, -1):
        ceiling = top if i == len(moved) - 1 else moved[i + 1] - least
        moved[i] = min(moved[i], ceiling)
    return moved


def legend(figure: plt.Figure, methods: Sequence[str]) -> None:
    """One entry a kind of method that occurs, above the panels."""
    kinds = [name for name in COLOUR_OF if name in {kind(m) for m in methods if m != "retrain"}]
    handles = [
        plt.Line2D([], [], marker=MARKER_OF[k], color=COLOUR_OF[k], linestyle="", markersize=7)
        for k in kinds
    ]
    others = [label(AGAIN)] if AGAIN in methods else []
    named = {"reference": ", ".join(["doing nothing", *others])}
    names = [named.get(k, k) for k in kinds]
    figure.legend(
        handles,
        names,
        loc="upper center",
        ncols=len(kinds),
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.3,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
