"""Pictures of what is left in unlearned networks: alignment by layer, curves of relearning,
distances of margins. Each function returns a
figure and its text alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ...plots import COLOURS, GREY, MARKERS, STROKES, Picture
from ...plots.methods import COLOUR_OF, kind
from .study import AGAIN, ORACLE, ORIGINAL
from .summary import averaged, label, lesson_name

PARTS = {"forget": "on $D_f$", "retain": "on $D_r$", "test": "on test pictures"}
REFERENCES = {
    ORACLE: ("-", "black"),
    AGAIN: ("--", "black"),
    ORIGINAL: ("-", GREY),
    "Retrain": ("-", "black"),
}
METHOD_OF = {"SalUn": "salun", "RL (no mask)": "rl"}  # erasers that are methods, by their name


def styles(networks: Sequence[str]) -> dict[str, dict]:
    """Colour, stroke and marker of each network, the same for the same list: Retrain black, the
    original grey, methods in the colour of their kind, with a stroke of their own within it.
    """
    methods = [n for n in networks if n not in REFERENCES]
    methods.sort(key=lambda n: METHOD_OF.get(n, n) != "salun")  # whose stroke is the whole one
    colours = {n: COLOUR_OF[kind(METHOD_OF.get(n, n))] for n in methods}
    free = iter([c for c in COLOURS if c not in COLOUR_OF.values()])
    colours |= {n: next(free, GREY) for n in methods if kind(METHOD_OF.get(n, n)) == "reference"}
    own = {}
    for i, n in enumerate(methods):
        same = [m for m in methods if colours[m] == colours[n]]
        own[n] = {
            "color": colours[n],
            "linestyle": STROKES[same.index(n) % len(STROKES)],
            "marker": MARKERS[i % len(MARKERS)],
        }
    return {
        n: own.get(n) or {"color": REFERENCES[n][1], "linestyle": REFERENCES[n][0], "marker": ""}
        for n in networks
    }


def alignment_by_layer(rows: pd.DataFrame, *, parts: Sequence[str] = ("forget", "test")) -> Picture:
    """Alignment (CKA) of each network's layers with Retrain's, first to last layer; one panel a
    kind of pictures.

    Parameters
    ----------
    rows : see `traces.summary.layer_rows`, of one scenario; several seeds are averaged.
    """
    rows = rows[rows.network != ORACLE]
    layers, networks = list(dict.fromkeys(rows.layer)), list(dict.fromkeys(rows.network))
    figure, axes = plt.subplots(
        1, len(parts), figsize=(4.1 * len(parts), 3.4), sharey=True, squeeze=False
    )
    lowest, said = rows.groupby(["part", "layer", "network"]).cka.mean().min(), []
    for axis, part in zip(axes[0], parts):
        table = (
            rows[rows.part == part]
            .pivot_table(index="layer", columns="network", values="cka", sort=False)
            .loc[layers]
        )
        for name, style in styles(networks).items():
            axis.plot(
                range(len(layers)),
                table[name],
                label=label(name),
                markersize=5,
                linewidth=1.5,
                **style,
            )
        axis.set(
            title=PARTS[part],
            xticks=range(len(layers)),
            xlabel="layer",
            ylim=(min(0.5, lowest - 0.03), 1.02),
        )
        axis.set_xticklabels(layers, fontsize=8)
        said.append(
            f"{PARTS[part].replace('$', '')}, last layer: "
            + ", ".join(f"{label(n)} {table[n].iloc[-1]:.2f}" for n in networks)
        )
    axes[0, 0].set_ylabel("alignment with Retrain (CKA)")
    return _finished(figure, axes[0, -1]), f"Alignment of layers with Retrain; {'; '.join(said)}"


def relearning_curves(
    rows: pd.DataFrame,
    *,
    ylabel: str = "recognised of the forgotten, %",
    names: Mapping[str, str] | None = None,
) -> Picture:
    """Accuracy on what was forgotten against steps of relearning: one panel a lesson, one line a
    network, bands of 95 % over seeds.

    Parameters
    ----------
    rows : see `traces.summary.relearn_rows` or `generator_rows`, of one task and one number of
        bits.
    names : network -> what to call it; `traces.summary.label` by default.
    """
    lessons, networks = list(dict.fromkeys(rows.lesson)), list(dict.fromkeys(rows.network))
    columns = min(3, len(lessons))  # as many as stay readable on a page
    lines = -(-len(lessons) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(2.5 * columns + 1.4, 2.9 * lines), sharey=True, squeeze=False
    )
    for axis in axes.flat[len(lessons) :]:
        axis.set_visible(False)
    steps, said = sorted(rows.step.unique()), []
    for axis, lesson in zip(axes.flat, lessons):
        table = averaged(rows[rows.lesson == lesson], ["network", "step"], "forget")
        ends = {}
        for name, style in styles(networks).items():
            if name not in table.index.get_level_values("network"):
                continue
            line = table.loc[name]
            shown = names[name] if names else label(name)
            axis.plot(line.index, line["mean"], label=shown, markersize=4, linewidth=1.5, **style)
            if (line.seeds > 1).all():
                axis.fill_between(
                    line.index, line.low, line.high, color=style["color"], alpha=0.15, linewidth=0
                )
            ends[shown] = line["mean"].iloc[-1]
        axis.set_xscale("symlog", linthresh=1)
        axis.set(
            title=lesson_name(lesson),
            xlabel="step",
            xticks=steps,
            xlim=(0, steps[-1] * 1.05),
            ylim=(-3, 103),
        )
        axis.set_xticklabels([f"{s:g}" for s in steps], fontsize=7)
        said.append(
            f"{lesson_name(lesson)}, at the last step:"
            f" {', '.join(f'{n} {v:.0f}' for n, v in ends.items())}"
        )
    for axis in axes[:, 0]:
        axis.set_ylabel(ylabel)
    return _finished(figure, axes[0, -1]), f"Curves of relearning; {'; '.join(said)}"


def klom_dots(rows: pd.DataFrame) -> Picture:
    """KLoM of each network, on forgotten, retained and test pictures; the dashed line is Retrain
    from another seed, on forgotten pictures.

    Parameters
    ----------
    rows : see `traces.summary.klom_rows`, of one scenario.
    """
    networks = [n for n in dict.fromkeys(rows.network) if n != AGAIN]
    figure, axis = plt.subplots(figsize=(6.6, 0.45 * len(networks) + 1.3))
    colours, said = sns.color_palette("colorblind", 3), []
    for (part, name), colour, marker, shift in zip(PARTS.items(), colours, MARKERS, (0.2, 0, -0.2)):
        own = (
            rows[(rows.part == part) & rows.network.isin(networks)]
            .set_index("network")
            .loc[networks]
        )
        y = -np.arange(len(networks)) + shift
        bars = [own.klom - own.low, own.high - own.klom]
        axis.errorbar(
            own.klom, y, xerr=bars, fmt=marker, color=colour, label=name, markersize=5, capsize=2
        )
        said.append(
            f"{name.replace('$', '')}: "
            + ", ".join(f"{label(n)} {v:.2f}" for n, v in own.klom.items())
        )
    null = rows[(rows.network == AGAIN) & (rows.part == "forget")]
    if len(null):
        axis.axvline(null.klom.iloc[0], color="black", linestyle="--", linewidth=1, zorder=0)
        said.append(f"Retrain from another seed: {null.klom.iloc[0]:.2f}")
    axis.set(
        yticks=-np.arange(len(networks)),
        xscale="log",
        xlabel="KLoM to the ensemble of Retrains, nats",
    )
    axis.set_yticklabels([label(n) for n in networks])
    return _finished(figure, axis), f"KLoM of each network; {'; '.join(said)}"


def _finished(figure, axis):
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    figure.tight_layout()
    return figure
