"""The forgetting score of the NeurIPS 2023 unlearning challenge: how well could anyone tell many
unlearned networks from as many retrained ones by what they answer on a forgotten picture?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from ..errors import InputError, check_count
from ..seeds import derive
from ..units import numerics
from .intervals import Interval, bootstrap_interval
from .likelihood import Array
from .reading import numbers, positive, share

DELTA = 1e-5
CAP = 50.0  # of an epsilon that is infinite in the sample
STEP = 0.01  # between thresholds, in units of the margin
FINEST = 1e-3  # of them: the pairs of thresholds grow with its inverse square
BUFFER = 2.0  # how far a threshold of a pair may lie from where the narrower side ends
PEAKED = 0.01  # of two ranges, a ratio below which the narrower counts as a point
BIN = 0.5  # of epsilon: the first is worth a point, each further one half as much


@dataclass(frozen=True)
class Forgetting:
    """What `forgetting_score` found.

    Attributes
    ----------
    score : mean points of the pictures, from 0 to 1, high where the two kinds are alike.
    interval : its bootstrap 95 % interval over pictures; the networks are taken as given.
    epsilon : float64 (n,), one a picture, from 0 to 50. points : (n,). models : N, of each kind.
    """

    score: float
    interval: Interval
    epsilon: np.ndarray
    points: np.ndarray
    models: int

    def final(self, *, ra: float, ta: float, retrain_ra: float, retrain_ta: float) -> float:
        """The challenge's ranking: the score times RA / Retrain's RA times TA / Retrain's TA, each
        the mean over its networks, in any one unit.
        """
        if not (retrain_ra > 0 and retrain_ta > 0 and ra >= 0 and ta >= 0):
            raise InputError("accuracies must be at least 0, and Retrain's above 0")
        return self.score * ra / retrain_ra * ta / retrain_ta


@numerics(1, "metric/forgetting", uses=("metric/interval",))
def forgetting_score(
    unlearned: Array, retrained: Array, *, delta: float = DELTA, step: float = STEP
) -> Forgetting:
    """Per forgotten picture, how far the margins of N unlearned networks can be told from those of
    N retrained ones, and the points for it.

    Parameters
    ----------
    unlearned, retrained : (N, n) `margin` (logit-scaled confidence) of n pictures under N networks
        of different seeds; N at least 3, the same on both sides. The challenge has N = 512.
    delta : of (epsilon, delta)-unlearning. step : between neighbouring thresholds.

    Notes
    -----
    Epsilon is the largest of log((1 - delta - FPR) / FNR) and log((1 - delta - FNR) / FPR) over
    single thresholds, and over pairs of them between which an answer is taken for one of the side
    with the smaller range. Where one of the two rates is 0 the threshold is left out, where both
    are epsilon is 50; so it is where one range is below 1 % of the other. Where no threshold is
    left, nothing speaks for a difference, and epsilon is 0.

    An epsilon in [k / 2, (k + 1) / 2) is worth 2^-k points, as long as (k + 1) / 2 is at most
    ceil(log(N - 1)), beyond which N networks can't measure; else none. The largest of many noisy
    estimates finds a difference where there is none: two equal normal distributions have a score of
    about 0.2, not 1, at N = 512. So the score of a second set of retrained networks is what to
    compare with, at the same N (`forgetting_by_models`).

    Where the two sides do differ the score is biased the other way, upwards: with `delta` at 1e-5
    the exact epsilon lies in a tail that 512 networks don't reach. N(1, 1) against N(0, 1) has an
    exact epsilon of 4.4, which is 0.004 points; from 512 networks it has about 0.02. The interval
    is over pictures and takes the networks as given, so it covers neither bias.

    Source: Triantafillou et al., "Are we making progress in unlearning? Findings from the first
    NeurIPS unlearning competition", arXiv 2406.09073; their code, in which one assertion is put
    to an array and fails.
    """
    ours, reference = _margins(unlearned, retrained)
    if share("delta", delta, ends=True) == 1:
        raise InputError(f"delta must be a number from 0 to below 1, not {delta!r}")
    if positive("step", step) < FINEST:
        raise InputError(f"step must be at least {FINEST:g}, not {step!r}: (4 / step)² thresholds")
    epsilon = np.array(
        [_epsilon(a, b, delta, step) for a, b in zip(ours.T, reference.T, strict=True)]
    )
    points = points_of(epsilon, len(ours))
    return Forgetting(float(points.mean()), bootstrap_interval(points), epsilon, points, len(ours))


def forgetting_by_models(
    unlearned: Array,
    retrained: Array,
    counts: Sequence[int],
    *,
    draws: int = 5,
    seed: int = 0,
    **options: Any,
) -> dict[int, list[float]]:
    """The forgetting score from fewer networks: N -> the scores of `draws` random choices of N of
    each kind, one where N is all of them.
    """
    ours, reference = _margins(unlearned, retrained)
    if wrong := [n for n in counts if not isinstance(n, Integral) or not 3 <= n <= len(ours)]:
        raise InputError(f"counts must be whole numbers from 3 to {len(ours)}, not {wrong[0]!r}")
    check_count("draws", draws)
    found: dict[int, list[float]] = {}
    for size in counts:
        rng = np.random.default_rng(derive(seed, f"forgetting {size}"))
        found[size] = [
            forgetting_score(
                *(_some(part, size, rng) for part in (ours, reference)), **options
            ).score
            for _ in range(1 if size == len(ours) else draws)
        ]
    return found


def points_of(epsilon: np.ndarray, models: int) -> np.ndarray:
    """1 below an epsilon of 0.5, 1/2 below 1, 1/4 below 1.5, … and 0 from the last bin on that N
    networks can measure.
    """
    bins = np.floor(np.asarray(epsilon, dtype=np.float64) / BIN)
    measurable = (bins + 1) * BIN <= math.ceil(math.log(models - 1))
    return np.where(measurable, 0.5**bins, 0.0)


def _some(margins: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return margins if count == len(margins) else margins[rng.permutation(len(margins))[:count]]


def _margins(unlearned: Array, retrained: Array) -> tuple[np.ndarray, np.ndarray]:
    ours, reference = numbers("unlearned", unlearned), numbers("retrained", retrained)
    if ours.ndim != 2 or ours.shape != reference.shape or not ours.size:
        raise InputError(
            "need margins (N, n) of the same pictures under as many unlearned and retrained"
            f" networks, not shapes {ours.shape} and {reference.shape}"
        )
    if len(ours) < 3:
        raise InputError(
            f"a forgetting score needs at least 3 networks of each kind, not {len(ours)}"
        )
    if not (np.isfinite(ours).all() and np.isfinite(reference).all()):
        raise InputError("margins must be finite")
    return ours, reference


def _epsilon(ours: np.ndarray, reference: np.ndarray, delta: float, step: float) -> float:
    """Of one picture, margins (N,) of either kind."""
    higher = np.median(reference) > np.median(ours)
    positive, negative = (reference, ours) if higher else (ours, reference)
    positive, negative = np.sort(positive), np.sort(negative)
    ranges = [float(np.ptp(side)) for side in (positive, negative)]
    if max(ranges) == 0:
        return 0.0 if positive[0] == negative[0] else CAP
    if min(ranges) / max(ranges) < PEAKED:
        return CAP
    rates = [_single(positive, negative, step), _double(positive, negative, ranges, step)]
    fpr, fnr = (np.concatenate(parts) for parts in zip(*rates, strict=True))
    return _largest(fpr, fnr, delta)


def _single(positive: np.ndarray, negative: np.ndarray, step: float) -> tuple[np.ndarray, ...]:
    """FPR and FNR where margins from a threshold on are taken for the side of higher median."""
    low, high = min(positive[0], negative[0]), max(positive[-1], negative[-1])
    cuts = np.linspace(low, high, max(2, math.ceil((high - low) / step)))
    below = [np.searchsorted(side, cuts, side="left") / len(side) for side in (negative, positive)]
    return 1 - below[0], below[1]


def _double(
    positive: np.ndarray, negative: np.ndarray, ranges: list[float], step: float
) -> tuple[np.ndarray, ...]:
    """FPR and FNR where margins between two thresholds are taken for the side of smaller range."""
    narrow, wide = (negative, positive) if ranges[0] >= ranges[1] else (positive, negative)
    width = min(ranges)
    ends = narrow[0] + width - BUFFER, narrow[-1] + BUFFER
    right = np.linspace(*ends, math.ceil((ends[1] - ends[0]) / step))[:, None]
    left = right - width + np.linspace(-BUFFER, BUFFER, math.ceil(2 * BUFFER / step))[None, :]
    inside = [
        (np.searchsorted(side, right, side="right") - np.searchsorted(side, left, side="left"))
        .clip(min=0)
        .ravel()
        / len(side)
        for side in (wide, narrow)
    ]
    return inside[0], 1 - inside[1]


def _largest(fpr: np.ndarray, fnr: np.ndarray, delta: float) -> float:
    if ((fpr == 0) & (fnr == 0)).any():
        return CAP
    kept = (fpr > 0) & (fnr > 0)
    fpr, fnr = fpr[kept], fnr[kept]
    ratios = np.concatenate([(1 - delta - fpr) / fnr, (1 - delta - fnr) / fpr])
    return min(CAP, math.log(max(1.0, ratios.max(initial=1.0))))
