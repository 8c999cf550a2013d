"""The forgetting score of the NeurIPS 2023 challenge among shadow models, and what it would be of
two known normal distributions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...metrics import forgetting_by_models, forgetting_score
from ...metrics.forgetting import DELTA, points_of
from ...seeds import derive

STEP = 0.05  # between thresholds; the challenge's 0.01 costs 25 times as much
PICTURES = 200  # targets that are scored
DRAWS = 3


def of_pictures(margins: np.ndarray, member: np.ndarray, *, had: bool) -> np.ndarray:
    """The margins (M / 2, N) of those of M models that were trained on each picture, or that were
    not; the models are others from picture to picture.
    """
    order = np.argsort(member != had, axis=0, kind="stable")[: len(margins) // 2]
    return np.take_along_axis(margins, order, axis=0)


def by_count(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    member: np.ndarray,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    **options: Any,
) -> dict[int, list[float]]:
    """N -> forgetting scores from N networks that were trained on a picture and unlearned it, and N
    that were retrained and never saw it; N is doubled up to M / 2.

    Parameters
    ----------
    unlearned, retrained : margins (M, N) of the same pictures; the second under the same shadow
        models after Retrain. member : bool (M, N).
    """
    ours = of_pictures(unlearned, member, had=True)
    theirs = of_pictures(retrained, member, had=False)
    return forgetting_by_models(
        ours, theirs, counts(len(ours)), draws=draws, seed=seed, step=STEP, **options
    )


def counts(most: int) -> list[int]:
    """4, 8, 16, … below `most`, then `most`; 3 is the least that has a score."""
    lower = [4 * 2**k for k in range(20) if 4 * 2**k < most]
    return [*(lower or [3] if most > 3 else []), most]


def exact_score(shift: float, models: int, *, delta: float = DELTA) -> float:
    """The points that N(shift, 1) against N(0, 1) is worth where the distributions themselves are
    known: epsilon is the largest over one threshold.
    """
    from scipy.stats import norm

    cuts = np.linspace(-12, 12 + shift, 40_001)
    fpr, fnr = norm.sf(cuts), norm.cdf(cuts - shift)
    ratios = np.concatenate([(1 - delta - fpr) / fnr, (1 - delta - fnr) / fpr])
    epsilon = np.log(max(1.0, float(ratios.max())))
    return float(points_of(np.array([epsilon]), models)[0])


def of_normals(
    shift: float, models: int, *, pictures: int = 40, seed: int = 0, delta: float = DELTA
) -> tuple[float, float, float]:
    """The forgetting score from that many draws of N(shift, 1) and of N(0, 1), and its interval
    over pictures.
    """
    rng = np.random.default_rng(derive(seed, f"normals {shift} {models}"))
    ours, theirs = rng.normal(size=(2, models, pictures))
    found = forgetting_score(ours + shift, theirs, step=STEP, delta=delta)
    return found.score, found.interval.low, found.interval.high
