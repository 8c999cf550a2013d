"""The forgetting score by the number of networks: of shadow models, and of two normal
distributions whose score is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from ...plots import COLOURS, GREY, STROKES, Picture
from ...plots.methods import RETRAIN, colour_named
from ...runs import Record
from ...runs.summary import label
from . import alike
from .further_tables import networks

SHIFTS = (0.0, 1.0)  # of the two normal distributions, in standard deviations
SIMULATED = (4, 8, 16, 32, 64, 128, 256)


def by_count(runs: Mapping[str, Record]) -> dict[str, dict[int, list[float]]]:
    """What a page calls networks -> N -> forgetting scores."""
    found = {}
    for who, (record, when) in networks(runs).items():
        kept = record.measurements["further"]["forgetting"]
        scores = kept["retrain" if who == label("retrain") else when]
        found[who] = {int(n): values for n, values in scores.items()}
    return found


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
    found : see `by_count`. simulated : N of the simulations. pictures : in each of them.
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
