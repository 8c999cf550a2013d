"""Pictures of the benchmark: many methods at once, with intervals. Each function returns a figure
and its text alternative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ...plots import COLOURS, GREY, Picture
from ...plots.axes import log_axis
from ...runs.summary import label

KINDS: dict[str, tuple[str, ...]] = {
    "fine-tuning": ("ft", "l1-sparse", "msg", "ct"),
    "labels": ("rl", "salun", "salun-soft", "salun-annealed", "bs", "be", "munba"),
    "ascent": ("ga", "neggrad+", "sfr-on"),
    "closed form": ("iu", "fisher", "ssd"),
    "distillation": ("scrub", "bad-t", "delete", "lotus"),
}
COLOUR_OF = dict(
    zip(
        [*KINDS, "reference"],
        [COLOURS[0], COLOURS[1], COLOURS[3], COLOURS[2], COLOURS[4], GREY],
        strict=True,
    )
)
MARKER_OF = dict(zip([*KINDS, "reference"], ["o", "D", "X", "s", "^", "P"], strict=True))
RETRAIN = "#111111"


def kind(method: str) -> str:
    """The kind of a method, a key of `KINDS`; "reference" for Retrain and the original."""
    return next((name for name, members in KINDS.items() if method in members), "reference")


def gap_intervals(tables: Mapping[str, pd.DataFrame]) -> Picture:
    """The average gap of each method with its interval, smallest first; one panel a scenario, side
    by side.

    Parameters
    ----------
    tables : scenario -> rows of `runs.summary.summarise` by method. Retrain, which is 0, is left
        out.
    """
    parts = {
        name: table.drop(index="retrain", errors="ignore").sort_values("avg_gap")
        for name, table in tables.items()
    }
    tallest = max(len(part) for part in parts.values())
    figure, axes = plt.subplots(
        1, len(parts), figsize=(max(6.4, 3.9 * len(parts)), 0.27 * tallest + 1.5), squeeze=False
    )
    for axis, (name, part) in zip(axes.flat, parts.items(), strict=True):
        for place, (method, row) in enumerate(part.iterrows()):
            style = {"color": COLOUR_OF[kind(method)], "linewidth": 2.4}
            if row.avg_gap_low == row.avg_gap_low:
                axis.plot([row.avg_gap_low, row.avg_gap_high], [place, place], **style)
            axis.plot(
                row.avg_gap,
                place,
                MARKER_OF[kind(method)],
                color=style["color"],
                markersize=8,
                markeredgecolor="white",
            )
        axis.set(
            yticks=range(len(part)),
            yticklabels=[label(m) for m in part.index],
            title=name,
            xlabel="average gap, points (log)",
        )
        axis.set_ylim(tallest - 0.5, -0.5)
        log_axis(axis, part[["avg_gap", "avg_gap_low", "avg_gap_high"]].to_numpy())
        _embolden(axis, part.index)
        axis.grid(axis="both", color="0.9", linewidth=0.8)
    _legend(figure, [m for part in parts.values() for m in part.index])
    said = "; ".join(
        f"{name}: from {_said(part.iloc[0])} to {_said(part.iloc[-1])}"
        for name, part in parts.items()
        if len(part)
    )
    return figure, f"Average gap to Retrain with intervals, sorted; {said}"


def trade_off(
    tables: Mapping[str, pd.DataFrame], *, across: str = "ua", up: str = "ta", within: float = 15.0
) -> Picture:
    """Two measures against each other, one point a method; Retrain is the star, its values the
    dashed lines.

    A method further than `within` points from Retrain in one of the two is named in the title
    instead: it would squeeze the others.

    Parameters
    ----------
    tables : scenario -> rows of `runs.summary.summarise` by method. across, up : measures of the
        two axes.
    """
    figure, axes = plt.subplots(
        len(tables), 1, figsize=(7.4, 4.1 * len(tables) + 0.5), squeeze=False
    )
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=True):
        part, left_out = _near_retrain(table, [across, up], within)
        for method, row in part.drop(index="retrain", errors="ignore").iterrows():
            _point(axis, row[across], row[up], method)
        if "retrain" in part.index:
            x, y = part.loc["retrain", [across, up]]
            axis.axvline(x, color="0.5", linestyle="--", linewidth=1, zorder=0)
            axis.axhline(y, color="0.5", linestyle="--", linewidth=1, zorder=0)
            axis.plot(x, y, "*", color=RETRAIN, markersize=17, markeredgecolor="white", zorder=4)
        title = name + (
            f"\nmore than {within:g} points away: {', '.join(map(label, left_out))}"
            if left_out
            else ""
        )
        axis.set(xlabel=f"{across.upper()}, %", ylabel=f"{up.upper()}, %", title=title)
        axis.margins(0.07)
        _labels_beside(axis, {label(m): (row[across], row[up]) for m, row in part.iterrows()})
    _legend(figure, [m for part in tables.values() for m in part.index])
    return (
        figure,
        (
            f"{across.upper()} against {up.upper()} of {max(map(len, tables.values()))} methods,"
            f" Retrain a star; {', '.join(tables)}"
        ),
    )


def cost_against_gap(tables: Mapping[str, pd.DataFrame]) -> Picture:
    """What a method costs, in per cent of Retrain's time, against its average gap; both axes
    logarithmic.

    Parameters
    ----------
    tables : scenario -> rows of `runs.summary.summarise` by method. Rows without a cost, Retrain
        and the original are left out.
    """
    figure, axes = plt.subplots(
        len(tables), 1, figsize=(7.4, 4.1 * len(tables) + 0.5), squeeze=False
    )
    drawn: list[str] = []
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=True):
        part = table.drop(index=["retrain", "original"], errors="ignore")
        part = part[part.cost > 0]
        drawn += list(part.index)
        for method, row in part.iterrows():
            _point(axis, 100 * row.cost, max(row.avg_gap, 0.01), method)
        axis.set(
            xlabel="time, % of Retrain's (log)", ylabel="average gap, points (log)", title=name
        )
        log_axis(axis, 100 * part.cost.to_numpy())
        log_axis(axis, part.avg_gap.clip(lower=0.01).to_numpy(), along="y")
        _labels_beside(
            axis, {label(m): (100 * row.cost, max(row.avg_gap, 0.01)) for m, row in part.iterrows()}
        )
    _legend(figure, drawn)
    return (
        figure,
        (
            f"Cost against average gap on logarithmic axes for {len(set(drawn))} methods;"
            f" {', '.join(tables)}"
        ),
    )


def tuning_gain(tuned: Mapping[str, pd.DataFrame]) -> Picture:
    """The average gap on the pilot seed before tuning (ring) and after (filled), joined by a line;
    one panel a scenario.

    Parameters
    ----------
    tuned : scenario -> columns default_gap, pilot_gap, by method.
    """
    parts = {name: table.sort_values("pilot_gap") for name, table in tuned.items()}
    tallest = max(len(part) for part in parts.values())
    figure, axes = plt.subplots(
        1, len(parts), figsize=(max(6.4, 3.9 * len(parts)), 0.27 * tallest + 1.5), squeeze=False
    )
    for axis, (name, part) in zip(axes.flat, parts.items(), strict=True):
        for place, (method, row) in enumerate(part.iterrows()):
            colour = COLOUR_OF[kind(method)]
            axis.plot(
                [row.pilot_gap, row.default_gap],
                [place, place],
                color=colour,
                linewidth=1.6,
                zorder=1,
            )
            axis.plot(
                row.default_gap,
                place,
                "o",
                markerfacecolor="white",
                markeredgecolor=colour,
                markersize=7,
                markeredgewidth=1.6,
            )
            axis.plot(
                row.pilot_gap,
                place,
                MARKER_OF[kind(method)],
                color=colour,
                markersize=7,
                markeredgecolor="white",
            )
        axis.set(
            yticks=range(len(part)),
            yticklabels=[label(m) for m in part.index],
            title=name,
            xlabel="average gap, points (log)",
        )
        axis.set_ylim(tallest - 0.5, -0.5)
        log_axis(axis, part[["pilot_gap", "default_gap"]].to_numpy())
        _embolden(axis, part.index)
        axis.grid(axis="both", color="0.9", linewidth=0.8)
    _legend(figure, [m for part in parts.values() for m in part.index])
    said = "; ".join(
        f"{n}: median {p.default_gap.median():.1f} before, {p.pilot_gap.median():.1f} after"
        for n, p in parts.items()
    )
    return figure, f"Average gap on the pilot seed with default and with tuned values; {said}"


def paths(
    curves: Mapping[str, pd.DataFrame],
    retrain: tuple[float, float],
    *,
    original: tuple[float, float] | None = None,
) -> Picture:
    """How methods move in the plane of UA and TA as their learning rate grows; larger points are
    larger rates.

    Parameters
    ----------
    curves : method -> columns lr, ua, ta, in the order of lr. retrain, original : their (UA, TA).
    """
    figure, axis = plt.subplots(figsize=(7.4, 4.4))
    for method, part in curves.items():
        colour = COLOUR_OF[kind(method)]
        style = "--" if method == "rl" else "-"
        start = [] if original is None else [original]
        axis.plot(
            *zip(*start, *zip(part.ua, part.ta)), style, color=colour, linewidth=1.5, alpha=0.8
        )
        sizes = np.linspace(20, 110, len(part))
        axis.scatter(
            part.ua,
            part.ta,
            sizes,
            color=colour,
            marker=MARKER_OF[kind(method)],
            edgecolor="white",
            zorder=3,
        )
    axis.axvline(retrain[0], color="0.5", linestyle="--", linewidth=1, zorder=0)
    axis.axhline(retrain[1], color="0.5", linestyle="--", linewidth=1, zorder=0)
    axis.plot(*retrain, "*", color=RETRAIN, markersize=17, markeredgecolor="white", zorder=4)
    ends = {label(m): (part.ua.iloc[-1], part.ta.iloc[-1]) for m, part in curves.items()} | {
        "Retrain": retrain
    }
    if original is not None:
        axis.plot(
            *original,
            MARKER_OF["reference"],
            color=GREY,
            markersize=9,
            markeredgecolor="white",
            zorder=4,
        )
        ends["original"] = original
    axis.set(xlabel="UA, %", ylabel="TA, %")
    axis.margins(0.07)
    _labels_beside(axis, ends)
    sns.despine(figure)
    return (
        figure,
        (
            f"Paths of {', '.join(map(label, curves))} from the original in the plane of UA and TA"
            " as the learning rate grows"
        ),
    )


def answers(shares: pd.DataFrame, *, title: str = "") -> Picture:
    """Where the pictures of one class go: one row a model, one column an answer, per cent in each
    cell.

    Parameters
    ----------
    shares : index models, columns classes, values per cent of the pictures; each row adds up to
        100.
    """
    figure, axis = plt.subplots(figsize=(0.62 * shares.shape[1] + 1.9, 0.36 * len(shares) + 1.5))
    axis.imshow(shares.to_numpy(), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for i, row in enumerate(shares.to_numpy()):
        for j, value in enumerate(row):
            axis.text(
                j,
                i,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if value > 55 else "0.1",
            )
    axis.set_xticks(
        range(shares.shape[1]), shares.columns, rotation=40, ha="right", rotation_mode="anchor"
    )
    axis.set_yticks(range(len(shares)), shares.index)
    axis.set_title(title, fontsize=10)
    axis.tick_params(length=0, labelsize=9)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    said = ", ".join(
        f"{model}: {row.idxmax()} {row.max():.0f} %" for model, row in shares.iterrows()
    )
    return figure, f"Share of answers by model and class; most frequent: {said}"


def spread_over_classes(tables: Mapping[str, pd.DataFrame]) -> Picture:
    """The average gap on each class, one line a class with a point a method and its interval.

    Parameters
    ----------
    tables : class name -> rows of `runs.summary.summarise` by method. Retrain is left out.
    """
    methods = list(
        dict.fromkeys(m for table in tables.values() for m in table.index if m != "retrain")
    )
    figure, axis = plt.subplots(figsize=(7.4, 0.5 * len(tables) + 1.4))
    shifts, markers = np.linspace(-0.24, 0.24, len(methods)), ("o", "X", "D", "s", "^")
    for place in range(1, len(tables), 2):
        axis.axhspan(place - 0.5, place + 0.5, color="0.96", zorder=0)
    for k, (method, shift) in enumerate(zip(methods, shifts, strict=True)):
        rows = [
            (place + shift, table.loc[method])
            for place, table in enumerate(tables.values())
            if method in table.index
        ]
        style = {"color": COLOURS[k % len(COLOURS)]}
        for at, row in rows:
            axis.plot([row.avg_gap_low, row.avg_gap_high], [at, at], linewidth=2, **style)
        means, heights = [row.avg_gap for _, row in rows], [at for at, _ in rows]
        axis.plot(
            means,
            heights,
            markers[k % 5],
            markersize=7,
            markeredgecolor="white",
            label=label(method),
            **style,
        )
    found = np.concatenate(
        [
            t.drop(index="retrain", errors="ignore")[["avg_gap", "avg_gap_low", "avg_gap_high"]]
            for t in tables.values()
        ]
    )
    axis.set(
        yticks=range(len(tables)),
        yticklabels=list(tables),
        ylim=(len(tables) - 0.5, -0.5),
        xlabel="average gap, points (log)",
    )
    log_axis(axis, found)
    axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=len(methods), frameon=False)
    axis.tick_params(axis="y", length=0)
    sns.despine(figure, left=True)
    figure.tight_layout()
    return (
        figure,
        f"Average gap of {', '.join(map(label, methods))} on {len(tables)} classes, with intervals",
    )


# -- parts -----------------------------------------------------------------------------


def _near_retrain(
    table: pd.DataFrame, measures: list[str], within: float
) -> tuple[pd.DataFrame, list[str]]:
    """The rows at most `within` from Retrain's in all measures, and the names of the others; all
    rows where there is no Retrain.
    """
    if "retrain" not in table.index:
        return table, []
    near = ((table[measures] - table.loc["retrain", measures]).abs() <= within).all(axis=1)
    return table[near], list(table.index[~near])


def _point(axis: Axes, x: float, y: float, method: str) -> None:
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


def _said(row: pd.Series) -> str:
    return f"{label(row.name)} {row.avg_gap:.2f}"


def _embolden(axis: Axes, methods: Sequence[str]) -> None:
    for text, method in zip(axis.get_yticklabels(), methods):
        text.set_fontweight("bold" if method == "salun" else "normal")
    axis.tick_params(axis="y", length=0, labelsize=9)


def _labels_beside(axis: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Names in one column to the right of the axes, each joined to its point by a thin line, so
    that none hides another.
    """
    axis.autoscale_view()
    to_axes = axis.transData + axis.transAxes.inverted()
    wanted = {name: float(to_axes.transform(point)[1]) for name, point in points.items()}
    names = sorted(wanted, key=wanted.__getitem__)
    for name, place in zip(names, _spread([wanted[n] for n in names], 0.062), strict=True):
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


def _spread(places: Sequence[float], least: float) -> list[float]:
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


def _legend(figure: plt.Figure, methods: Sequence[str]) -> None:
    """One entry a kind of method that occurs, above the panels."""
    kinds = [name for name in COLOUR_OF if name in {kind(m) for m in methods if m != "retrain"}]
    handles = [
        plt.Line2D([], [], marker=MARKER_OF[k], color=COLOUR_OF[k], linestyle="", markersize=7)
        for k in kinds
    ]
    names = ["doing nothing" if k == "reference" else k for k in kinds]
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
