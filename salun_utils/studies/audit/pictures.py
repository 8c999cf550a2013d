"""Pictures of audits: what a model says of single pictures, curves of attacks, and their areas.
Each function returns a figure and its text
alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch

from ...plots import COLOURS, GREY, STROKES, Picture
from ...plots.methods import COLOUR_OF, RETRAIN, colour_named, kind
from ...runs.summary import label
from ...unlearning import METHODS
from . import alike

LOWEST = 1e-3  # where the logarithmic axes of a curve begin
SHIFTS = (0.0, 1.0)  # of two normal distributions, in standard deviations
SIMULATED = (4, 8, 16, 32, 64, 128, 256)


def margins_of_pictures(
    pictures: torch.Tensor, margins: np.ndarray, member: np.ndarray, titles: Sequence[str]
) -> Picture:
    """Single pictures, and the margins that models give them: those that were trained on it and
    those that never saw it.

    Parameters
    ----------
    pictures : uint8 (P, C, H, W). margins : (M, P) over M models. member : bool (M, P). titles : P
        names.
    """
    count = len(pictures)
    figure, axes = plt.subplots(
        2, count, figsize=(2.6 * count, 4.4), squeeze=False, height_ratios=[1, 1.5]
    )
    said = []
    for k in range(count):
        image = pictures[k].permute(1, 2, 0).squeeze(-1).cpu().numpy()
        axes[0, k].imshow(image, cmap="gray_r" if image.ndim == 2 else None)
        axes[0, k].set_title(titles[k], fontsize=10)
        axes[0, k].axis("off")
        values = {"had it": margins[member[:, k], k], "never saw it": margins[~member[:, k], k]}
        for (name, part), colour, height in zip(values.items(), COLOURS, (0.12, -0.12)):
            axes[1, k].plot(
                part,
                np.full(len(part), height),
                "|",
                color=colour,
                markersize=16,
                markeredgewidth=1.6,
            )
            axes[1, k].text(
                part.mean(), height * 2.6, name, color=colour, ha="center", va="center", fontsize=9
            )
        axes[1, k].axvline(0, color=GREY, linewidth=0.8, zorder=0)
        axes[1, k].set(ylim=(-0.55, 0.55), yticks=[], xlabel="margin")
        said.append(
            f"{titles[k]}: means"
            f" {', '.join(f'{v.mean():.1f} where the model {n}' for n, v in values.items())}"
        )
    sns.despine(figure, left=True)
    figure.tight_layout()
    return figure, f"Pictures with the margins that models give them; {'; '.join(said)}"


def curves(found: Mapping[str, tuple[np.ndarray, np.ndarray]], *, title: str = "") -> Picture:
    """True- against false-positive rate of several attacks, both axes logarithmic; on the dashed
    line the attack knows nothing.

    Parameters
    ----------
    found : name -> (false-positive rates, true-positive rates), 0 to 1, ascending. A name begins
        with that of a method, which may be followed by a comma and more.
    """
    figure, axis = plt.subplots(figsize=(6.2, 4.6))
    axis.plot([LOWEST, 1], [LOWEST, 1], "--", color=GREY, linewidth=1)
    said = []
    for (name, (fpr, tpr)), (colour, stroke) in zip(found.items(), looks(list(found))):
        axis.plot(
            np.maximum(fpr, LOWEST),
            np.maximum(tpr, LOWEST / 2),
            color=colour,
            linestyle=stroke,
            label=name,
            linewidth=1.8,
            drawstyle="steps-post",
        )
        said.append(
            f"{name} {100 * tpr[np.searchsorted(fpr, 0.01 + 1e-12, side='right') - 1]:.1f} %"
        )
    axis.set(
        xscale="log",
        yscale="log",
        xlim=(LOWEST, 1),
        ylim=(LOWEST, 1.05),
        xlabel="false-positive rate",
        ylabel="true-positive rate",
        title=title,
    )
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            "Curves of attacks with logarithmic axes; true positives at 1 % false positives:"
            f" {', '.join(said)}"
        ),
    )


def looks(names: Sequence[str]) -> list[tuple[str, Any]]:
    """Colour and stroke of each curve: Retrain black, the original grey, a method in the colour of
    its kind; what has the colour of another gets another stroke, SalUn the whole one.
    """
    method_of = {label(m): m for m in METHODS}
    methods = [method_of.get(name.split(",")[0], "") for name in names]
    colours = [RETRAIN if m == "retrain" else COLOUR_OF[kind(m)] for m in methods]
    taken: dict[str, int] = {}
    found: dict[int, tuple[str, Any]] = {}
    for k in sorted(range(len(names)), key=lambda k: methods[k] != "salun"):
        place = taken.setdefault(colours[k], 0)
        found[k] = (colours[k], STROKES[place % len(STROKES)])
        taken[colours[k]] += 1
    return [found[k] for k in range(len(names))]


def areas(
    rows: pd.DataFrame,
    names: Mapping[str, str],
    attacks: Sequence[str],
    *,
    exact: str | None = None,
) -> Picture:
    """Area under the curve of several attacks, one line a method with its interval; at the dashed
    line the attack knows nothing.

    Parameters
    ----------
    rows : see `audit.summary.attack_rows`, of one kind of pictures and one time. names : method ->
        what to call it, in the order shown.
    attacks : those drawn. exact : a method whose interval is drawn as a band.
    """
    figure, axis = plt.subplots(figsize=(7.2, 0.42 * len(names) + 1.4))
    places = {method: -i for i, method in enumerate(names)}
    colours, said = sns.color_palette("colorblind", max(len(attacks), 3)), []
    band = rows[(rows.method == exact) & (rows.attack == attacks[0])]
    if len(band):
        axis.axvspan(band.low.iloc[0], band.high.iloc[0], color="0.9", zorder=0)
    for attack, colour, shift in zip(attacks, colours, np.linspace(0.2, -0.2, len(attacks))):
        part = rows[(rows.attack == attack) & rows.method.isin(places)]
        y = part.method.map(places) + shift
        axis.errorbar(
            part.auc,
            y,
            xerr=[part.auc - part.low, part.high - part.auc],
            fmt="o",
            color=colour,
            label=attack,
            markersize=5,
            capsize=2,
        )
        said.append(
            f"{attack}: " + ", ".join(f"{names[m]} {a:.3f}" for m, a in zip(part.method, part.auc))
        )
    axis.axvline(0.5, color=GREY, linestyle="--", linewidth=1, zorder=0)
    axis.set(yticks=list(places.values()), xlabel="area under the curve (AUC)")
    axis.set_yticklabels(list(names.values()))
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure, left=True)
    figure.tight_layout()
    return figure, f"Areas under the curve with intervals; {'; '.join(said)}"


def forgetting_scores(
    found: Mapping[str, Mapping[int, Sequence[float]]],
    *,
    simulated: Sequence[int] = SIMULATED,
    pictures: int = 40,
) -> Picture:
    """Forgetting scores over N, logarithmic: points of networks, and lines of two normal
    distributions with the value that they have when known exactly.

    Parameters
    ----------
    found : see `further_tables.by_count`. simulated : N of the simulations. pictures : in each of
        them.
    """
    figure, axis = plt.subplots(figsize=(6.6, 3.9))
    said = []
    for shift, stroke, colour in zip(SHIFTS, STROKES, (GREY, COLOURS[5]), strict=False):
        name = "two equal normals" if not shift else f"normals {shift:g} σ apart"
        drawn = np.array([alike.of_normals(shift, n, pictures=pictures) for n in simulated])
        axis.plot(simulated, drawn[:, 0], stroke, color=colour, label=name)
        axis.fill_between(simulated, drawn[:, 1], drawn[:, 2], color=colour, alpha=0.2)
        exact = alike.exact_score(shift, max(simulated))
        axis.axhline(exact, color=colour, linestyle=":", linewidth=1)
        said.append(f"{name} {drawn[-1, 0]:.2f} at {max(simulated)}, exactly {exact:.2g}")
    for who, marker in zip(found, "PoDXs^v", strict=False):
        scores = {n: float(np.mean(values)) for n, values in found[who].items()}
        colour = RETRAIN if who == label("retrain") else colour_named(who)
        axis.plot(*zip(*scores.items()), marker, color=colour or GREY, label=who, linestyle="")
        most = max(scores)
        said.append(f"{who} {scores[most]:.2f} at {most}")
    axis.set(xscale="log", ylim=(-0.03, 1.03), xlabel="networks of each kind, N")
    axis.set(ylabel="forgetting score", xticks=list(simulated))
    axis.set_xticklabels([str(n) for n in simulated])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    figure.tight_layout()
    return figure, f"Forgetting scores by the number of networks; {'; '.join(said)}"
