"""Pictures of planted mistakes: what each does to the average gap, and to each measure. They return
a figure and its text alternative.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ...plots import COLOURS, GREY, Picture
from ...shown import amount
from .recorded import FAULTS, row, seen

LINEAR = 1.0  # points (or other units) around 0 within which the axis is linear
IN_POINTS = ("ua", "ra", "ta", "mia", "gap", "others")  # differences of percentages
KIND_OF = {  # where a fault sits, by the beginning of its number -> colour
    "in the method": (COLOURS[0], ("1", "2a", "2b", "3a", "3b", "5", "8", "9", "10", "11", "15a")),
    "in the split, the settings or the name": (COLOURS[1], ("4a", "4b", "15b", "15c")),
    "in the attack": (COLOURS[2], ("6", "7a", "7b")),
}
OF_GENERATORS = {"ua": "UA", "others": "others", "fid": "FID"}  # measure -> heading
SMALLEST = 0.05  # an axis reaches at least as far, so that differences of nothing aren't magnified


def gaps(table: pd.DataFrame, standing: str = "gap") -> Picture:
    """What each fault does to the average gap, the largest at the top; colours tell where the fault
    sits, full dots that the interval leaves 0 out.

    Parameters
    ----------
    table : as `recorded.effects` returns it.
    """
    found = table[table.measure == standing]
    found = found.sort_values("effect", key=abs, ascending=False).reset_index(drop=True)
    figure, axis = plt.subplots(figsize=(6.4, 0.25 * len(found) + 1.5), dpi=200)
    for place, effect in found.iterrows():
        colour = next((c for c, items in KIND_OF.values() if effect["item"] in items), GREY)
        axis.plot([effect.low, effect.high], [place, place], color=colour, linewidth=1.8)
        face = colour if seen(effect) else "white"
        axis.plot(effect.effect, place, "o", color=colour, markersize=6, markerfacecolor=face)
    for kind, (colour, items) in KIND_OF.items():
        if set(items) & set(found["item"]):
            axis.plot([], [], "o", color=colour, label=kind)
    axis.axvline(0, color=GREY, linewidth=1)
    _scale(axis, found[["effect", "low", "high"]].to_numpy(dtype=float).ravel().tolist())
    axis.set(yticks=range(len(found)), ylim=(len(found) - 0.5, -0.5))
    axis.set_yticklabels([f"{item}  {FAULTS[item]}" for item in found["item"]], fontsize=9)
    axis.set_xlabel("change of the average gap, points (logarithmic beyond 1)", fontsize=9)
    axis.legend(  # above the lines, which reach everywhere
        frameon=False,
        fontsize=9,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(KIND_OF),
        columnspacing=1.2,
        handletextpad=0.2,
    )
    sns.despine(figure, left=True)
    figure.tight_layout()
    return figure, _said(table, list(found["item"]), {standing: "average gap"})


def effects(table: pd.DataFrame, measures: Mapping[str, str]) -> Picture:
    """Faulty minus right, one line a fault and one panel a measure, with 95 % intervals; full dots
    where the interval leaves 0 out.

    Parameters
    ----------
    table : as `recorded.effects` returns it. measures : measure -> heading; each panel has its own
        axis, logarithmic beyond ±1.
    """
    items = [
        i for i in dict.fromkeys(table.item) if any(row(table, i, m) is not None for m in measures)
    ]
    figure, axes = plt.subplots(
        1,
        len(measures),
        figsize=(2.6 + 1.5 * len(measures), 0.27 * len(items) + 1.2),
        dpi=200,
        sharey=True,
        squeeze=False,
    )
    for axis, (measure, heading) in zip(axes.flat, measures.items(), strict=True):
        shown = [
            (place, found)
            for place, item in enumerate(items)
            if (found := row(table, item, measure)) is not None
        ]
        for place, effect in shown:
            sure = seen(effect)
            if sure is not None:
                axis.plot(
                    [effect.low, effect.high],
                    [place, place],
                    color=COLOURS[0],
                    linewidth=1.8,
                    solid_capstyle="round",
                )
            axis.plot(
                effect.effect,
                place,
                "o",
                color=COLOURS[0],
                markersize=6,
                markerfacecolor="white" if sure is False else COLOURS[0],
            )
        axis.axvline(0, color=GREY, linewidth=1)
        _scale(axis, [v for _, e in shown for v in (e.effect, e.low, e.high) if v == v])
        axis.set_title(heading, fontsize=10)
        axis.set_xlabel("points" if measure in IN_POINTS else "", fontsize=9)
    axes.flat[0].set(yticks=range(len(items)), ylim=(len(items) - 0.5, -0.5))
    axes.flat[0].set_yticklabels([f"{item}  {FAULTS[item]}" for item in items], fontsize=9)
    sns.despine(figure, left=True)
    figure.tight_layout(w_pad=0.6)
    return figure, _said(table, items, measures)


def _scale(axis: plt.Axes, values: list[float]) -> None:
    """The same room on both sides of 0, and few enough ticks to be read; linear where nothing
    reaches beyond `LINEAR`.
    """
    far = max([abs(v) for v in values] + [SMALLEST])
    if far > LINEAR:
        axis.set_xscale("symlog", linthresh=LINEAR, linscale=0.8)
        powers = [10.0**k for k in range(int(np.log10(far)) + 1)]
        ticks = sorted({powers[0], powers[-1]})
    else:
        size = 10.0 ** np.floor(np.log10(far))
        ticks = [size * np.floor(far / size)]
    axis.set_xlim(*((-1.6 * far, 1.6 * far) if far > LINEAR else (-1.25 * far, 1.25 * far)))
    axis.set_xticks([*(-t for t in reversed(ticks)), 0, *ticks])
    axis.set_xticklabels([f"{t:g}".replace("-", "−") for t in axis.get_xticks()], fontsize=8)
    axis.minorticks_off()
    axis.grid(axis="y", color="0.9", linewidth=0.7)
    axis.tick_params(axis="y", length=0)


def _said(table: pd.DataFrame, items: list[str], measures: Mapping[str, str]) -> str:
    """The largest effect on each measure, in words."""
    parts = []
    for measure, heading in measures.items():
        found = [e for item in items if (e := row(table, item, measure)) is not None]
        if found:
            most = max(found, key=lambda e: abs(e.effect))
            effect = amount(float(most.effect), signed=True)
            parts.append(f"{heading}: largest for {FAULTS[most['item']]} ({effect})")
    return (
        f"Effect of {len(items)} faults, faulty minus right, one panel a measure;"
        f" {'; '.join(parts)}"
    )
