"""How far figures depend on settings: the amount to forget, a learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ....plots import COLOURS, GREY, MARKERS, STROKES, Picture
from ....plots.methods import colour_named


def forget_amounts(
    runs: pd.DataFrame,
    measures: Mapping[str, str],
    *,
    reference: str = "Retrain",
    log: bool = False,
) -> Picture:
    """Scores against the share that is forgotten: a line through the means, a band from the lowest
    seed to the highest.

    Parameters
    ----------
    runs : columns name, amount (per cent), seed, carried (whether it ran with the values of the
        line's own tuning) and one a measure. Runs that are not carried are drawn as hollow marks
        beside the lines. measures : column -> label of its panel. log : a logarithmic axis of
        values.
    """
    names = list(dict.fromkeys(runs.name))
    rows = -(-(len(measures) + 1) // 2)  # one place is for the legend
    figure, axes = plt.subplots(
        rows, 2, figsize=(6.8, (2.35 if rows > 1 else 3.0) * rows), dpi=200, squeeze=False
    )
    for axis, (measure, label) in zip(axes.flat, measures.items(), strict=False):
        for k, name in enumerate(names):
            _amount_line(axis, runs[runs.name == name], measure, name, k, reference)
        axis.set(title=label, xticks=[1, 10, 20, 30, 40, 50], xlim=(-1, 53))
        axis.tick_params(labelsize=9)
        axis.grid(color="0.92", linewidth=0.7)
        if log:
            axis.set_yscale("log")
            axis.set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
            axis.minorticks_off()
    for axis in axes.flat[len(measures) :]:
        axis.axis("off")
    axes.flat[len(measures)].legend(
        *axes.flat[0].get_legend_handles_labels(), loc="center", frameon=False
    )
    figure.supxlabel("share of the training pictures that is forgotten, %", fontsize=10)
    sns.despine(figure)
    figure.tight_layout(h_pad=0.8)
    amounts = ", ".join(f"{a:g}" for a in sorted(runs.amount.unique()))
    return (
        figure,
        (
            f"Lines of {', '.join(measures.values())} over the forget amounts {amounts} % for"
            f" {', '.join(names)}"
        ),
    )


def _amount_line(
    axis: Axes, part: pd.DataFrame, measure: str, name: str, place: int, reference: str
) -> None:
    colour = "0.1" if name == reference else colour_named(name)
    look: dict[str, Any] = {
        "color": colour,
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 5,
    }
    groups = part[part.carried].groupby("amount")[measure]
    mean = groups.mean()
    axis.fill_between(mean.index, groups.min(), groups.max(), color=colour, alpha=0.15, linewidth=0)
    axis.plot(
        mean.index,
        mean,
        linestyle=STROKES[place % len(STROKES)],
        linewidth=2.2 if name == reference else 1.6,
        label=name,
        **look,
    )
    other = part[~part.carried].groupby("amount")[measure].mean()
    axis.plot(other.index, other, linestyle="none", markerfacecolor="white", **look)


def sweeps(
    found: pd.DataFrame, knobs: Mapping[str, str], levels: Mapping[str, tuple[float, float]]
) -> Picture:
    """UA and TA against the one setting of each method, a line a mask; levels of other networks are
    drawn across.

    Parameters
    ----------
    found : columns method, mask, knob (the setting), ua, ta (per cent; NaN where the run diverged).
    knobs : method -> label of its setting. levels : name -> (UA, TA), such as those of Retrain.
    """
    figure, axes = plt.subplots(
        len(knobs), 2, figsize=(6.8, 0.5 + 2.4 * len(knobs)), squeeze=False, sharey="col"
    )
    for line, (method, knob) in zip(axes, knobs.items(), strict=True):
        for axis, measure, side in zip(line, ("ua", "ta"), (0, 1), strict=True):
            for k, (mask, part) in enumerate(
                found[found.method == method].groupby("mask", sort=False)
            ):
                axis.plot(
                    part.knob,
                    part[measure],
                    color=COLOURS[k],
                    marker=MARKERS[k],
                    linestyle=STROKES[k],
                    markersize=5,
                    label=mask,
                )
            for (name, pair), style in zip(levels.items(), ("-", ":"), strict=False):
                axis.axhline(
                    pair[side], color="0.3", linestyle=style, linewidth=1.1, zorder=0, label=name
                )
            axis.set(xscale="log", xlabel=knob, ylabel=f"{measure.upper()}, %", ylim=(-3, 103))
            axis.set_title(f"{method}: {measure.upper()}", fontsize=10.5)
            axis.tick_params(labelsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper center",
        ncols=len(labels),
        frameon=False,
        fontsize=9,
        columnspacing=1.0,
        handlelength=2.4,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.32 / figure.get_figheight()))
    return figure, f"Lines of UA and TA against the setting of {', '.join(knobs)}, one a mask"


def trade_off(
    found: pd.DataFrame, levels: Mapping[str, tuple[float, float]], *, highest: float = 60.0
) -> Picture:
    """TA against UA as the setting of each method grows, a line a mask, with other networks as
    marks.

    Parameters
    ----------
    found : as for `sweeps`. levels : name -> (UA, TA). highest : the largest UA shown.
    """
    methods: Sequence[str] = list(dict.fromkeys(found.method))
    figure, axes = plt.subplots(
        1,
        len(methods),
        figsize=(max(4.8, 3.4 * len(methods)), 3.2),
        dpi=200,
        squeeze=False,
        sharey=True,
    )
    seen = found[found.ua <= highest]
    floor = max(0.0, min(seen.ta.min(), *(pair[1] for pair in levels.values())) - 4)
    for axis, method in zip(axes.flat, methods, strict=True):
        for k, (mask, part) in enumerate(found[found.method == method].groupby("mask", sort=False)):
            part = part.sort_values("knob").dropna()
            axis.plot(
                part.ua,
                part.ta,
                color=COLOURS[k],
                marker=MARKERS[k],
                linestyle=STROKES[k],
                markersize=5,
                label=mask,
            )
        for (name, (ua, ta)), marker in zip(levels.items(), ("*", "s"), strict=False):
            look = (
                {"color": "0.1", "markersize": 13}
                if marker == "*"
                else {"color": GREY, "markersize": 7}
            )
            axis.plot(ua, ta, marker, linestyle="none", label=name, **look)
        axis.set(title=method, xlabel="UA, %", xlim=(0, highest), ylim=(floor, None))
    axes[0, 0].set_ylabel("TA, %")
    axes[0, 0].legend(frameon=False, fontsize=9, loc="lower left")
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            f"Curves of TA against UA for {', '.join(methods)}, one a mask, with marks for"
            f" {', '.join(levels)}"
        ),
    )
