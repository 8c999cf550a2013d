"""Likelihood-ratio audits with shadow models (LiRA, U-LiRA), and the curves that judge any
membership score.

A population attack asks one question of all pictures. A likelihood-ratio attack asks of each
picture how a model answers it after having been trained on it (and having unlearned it), and how
after never having seen it, and compares the two with the model at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..errors import InputError, check_count, unknown
from ..seeds import derive
from ..units import numerics
from .accuracy import check_logits
from .intervals import Interval
from .reading import numbers, positive, share, truths

Array = Tensor | np.ndarray
VARIANCES = ("auto", "per-example", "pooled")
# shadow scores a side from which LiRA's authors find a variance per example the better choice (64
# models in all)
ENOUGH = 32


def margin(logits: Array, labels: Array) -> Tensor:
    """Logit-scaled confidence log(p_y / (1 - p_y)) = z_y - log Σ_{i≠y} exp(z_i); float64 (N,),
    close to normal over models.

    Parameters
    ----------
    logits : (N, K), K at least 2. labels : (N,).
    """
    logits, labels = check_logits(logits, labels)
    if logits.shape[1] < 2:
        raise InputError("a margin needs at least 2 classes")
    z = logits.double()
    own = z.gather(1, labels[:, None])
    return (own - z.scatter(1, labels[:, None], float("-inf")).logsumexp(1, keepdim=True))[:, 0]


@numerics(1, "metric/likelihood")
def likelihood_ratio(
    scores_in: Array | None,
    scores_out: Array,
    observed: Array,
    *,
    variance: str = "auto",
    floor: float = 1e-3,
) -> np.ndarray:
    """Per example, log of the likelihood of `observed` under "in" over that under "out", each a
    normal distribution over models.

    Parameters
    ----------
    scores_in : (S, N) scores, such as `margin`, of S shadow models that were trained on the example
        and, in U-LiRA, made to unlearn it. NaN marks a model that was not. None gives the attack
        without such models: the number of standard deviations that `observed` lies above the mean
        of "out".
    scores_out : (S', N), the same of models that never saw the example; NaN where they did.
    observed : (N,) scores under the model that is audited, or (M, N) under M of them.
    variance : "per-example", "pooled" (one variance a side, the mean of those of all examples), or
        "auto": per example where each has 32 scores or more on that side, else pooled, since few
        scores give a useless variance.
    floor : smallest standard deviation, so that equal scores do not give an infinite ratio.

    Returns
    -------
    float64, of the shape of `observed`. Above 0 speaks for "in".

    The centre is the mean and the variance has n - 1 in its denominator, as in the paper; the
    authors' code takes the median, and n.

    Source: Carlini et al., "Membership Inference Attacks From First Principles", 2022; Hayes et
    al., "Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy",
    arXiv 2403.01218 (U-LiRA).
    """
    from scipy import stats

    if variance not in VARIANCES:
        raise unknown("variance", variance, VARIANCES)
    positive("floor", floor)
    seen = numbers("observed", observed)
    if seen.ndim not in (1, 2) or not seen.size or not np.isfinite(seen).all():
        raise InputError(f"observed must hold finite scores (N,) or (M, N), not shape {seen.shape}")
    mean_out, std_out = _normal("scores_out", scores_out, seen.shape[-1], variance, floor)
    if scores_in is None:
        return (seen - mean_out) / std_out
    mean_in, std_in = _normal("scores_in", scores_in, seen.shape[-1], variance, floor)
    return stats.norm.logpdf(seen, mean_in, std_in) - stats.norm.logpdf(seen, mean_out, std_out)


def _normal(
    name: str, scores: Array, count: int, variance: str, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (N,) over the models that have a score."""
    scores = numbers(name, scores)
    if scores.ndim != 2 or scores.shape[1] != count:
        raise InputError(
            f"{name} must have shape (S, {count}) as observed asks, not {scores.shape}"
        )
    if np.isinf(scores).any():
        raise InputError(f"{name} holds infinite scores")
    have = (~np.isnan(scores)).sum(0)
    pooled = variance == "pooled" or (variance == "auto" and have.min() < ENOUGH)
    if have.min() < 1 or (have.min() < 2 and not pooled) or have.max() < 2:
        need = "1 for each example and 2 for some" if pooled else "2 for each example"
        raise InputError(
            f"{name} has too few shadow scores: {int(have.min())} for some example, at least {need}"
            " are needed"
        )
    mean = np.nanmean(scores, 0)
    squares = np.nansum((scores - mean) ** 2, 0)
    spread = np.full(count, squares.sum() / (have - 1).sum()) if pooled else squares / (have - 1)
    return mean, np.maximum(np.sqrt(spread), floor)


class Roc(NamedTuple):
    """A curve from (0, 0) to (1, 1): float64 (T,) each; a score at or above the threshold is called
    a member.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True)
class Audit:
    """AUC and, by false-positive rate, the true-positive rate, each with its bootstrap interval at
    `level`.
    """

    auc: float
    auc_interval: Interval
    tpr: dict[float, float]
    tpr_interval: dict[float, Interval]
    members: int
    nonmembers: int
    level: float


def roc(scores: Array, is_member: Array) -> Roc:
    """All trade-offs of a score: true- against false-positive rate, one point for each distinct
    score.

    Parameters
    ----------
    scores : (N,), high for members. is_member : bool (N,), both kinds present.
    """
    scores, member = _labelled(scores, is_member)
    tpr, fpr, thresholds = _curve(scores, member[None].astype(float), (~member)[None].astype(float))
    return Roc(fpr[0], tpr[0], thresholds)


def auc(scores: Array, is_member: Array) -> float:
    """Area under the curve: the chance that a member scores above a non-member, a tie counting
    half. 0.5 is guessing.
    """
    curve = roc(scores, is_member)
    return float(_area(curve.tpr, curve.fpr))


def tpr_at_fpr(scores: Array, is_member: Array, fpr: float) -> float:
    """Largest true-positive rate at a threshold whose false-positive rate is at most `fpr`, without
    interpolation.

    Below 1 / (number of non-members) that means: without one false positive.
    """
    curve = roc(scores, is_member)
    return float(_tpr_at(curve.tpr[None], curve.fpr[None], fpr)[0])


@numerics(1, "metric/audit")
def audit(
    scores: Array,
    is_member: Array,
    *,
    groups: Array | None = None,
    fprs: Sequence[float] = (0.001, 0.01),
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Audit:
    """AUC and TPR at low FPR with percentile bootstrap intervals.

    Parameters
    ----------
    scores : (N,), high for members. is_member : bool (N,).
    groups : (N,) whole numbers, such as the model that a score comes from, or (N, 2), such as its
        model and its picture. Then whole groups are drawn anew, since the scores of one model, or
        of one picture under several models, are not independent; of two kinds the counts are
        multiplied (the pigeonhole bootstrap, rather too wide than too narrow: Owen, "The pigeonhole
        bootstrap", Annals of Applied Statistics, 2007). By default members and non-members are
        drawn one by one.
    """
    scores, member = _labelled(scores, is_member)
    share("level", level)
    check_count("resamples", resamples)
    if not isinstance(fprs, Iterable) or isinstance(fprs, str):
        raise InputError(f"fprs must be false-positive rates such as (0.001, 0.01), not {fprs!r}")
    draw = _one_by_one(member) if groups is None else _by_group(groups, member)
    draws = np.random.default_rng(derive(seed, "audit"))
    areas: list[np.ndarray] = []
    rates: dict[float, list[np.ndarray]] = {fpr: [] for fpr in fprs}
    rows = max(1, 2_000_000 // len(scores))
    for start in range(0, resamples, rows):
        weights = draw(draws, min(rows, resamples - start))
        tpr, fpr, _ = _curve(scores, weights * member, weights * ~member)
        areas.append(_area(tpr, fpr))
        for wanted, found in rates.items():
            found.append(_tpr_at(tpr, fpr, wanted))

    def ends(parts):
        return Interval(
            *np.quantile(np.concatenate(parts), [(1 - level) / 2, (1 + level) / 2]).tolist()
        )

    return Audit(
        auc=auc(scores, member),
        auc_interval=ends(areas),
        tpr={f: tpr_at_fpr(scores, member, f) for f in fprs},
        tpr_interval={f: ends(rates[f]) for f in fprs},
        members=int(member.sum()),
        nonmembers=int((~member).sum()),
        level=level,
    )


def _one_by_one(member: np.ndarray) -> Callable[[np.random.Generator, int], np.ndarray]:
    """How often each score is drawn in each of several resamples (R, N): members and non-members
    for themselves.
    """

    def draw(draws: np.random.Generator, count: int) -> np.ndarray:
        weights = np.zeros((count, len(member)))
        for kind in (member, ~member):
            weights[:, kind] = draws.multinomial(
                kind.sum(), np.full(kind.sum(), 1 / kind.sum()), size=count
            )
        return weights

    return draw


def _by_group(
    groups: Array, member: np.ndarray
) -> Callable[[np.random.Generator, int], np.ndarray]:
    """The same with whole groups drawn; every group must hold members and non-members."""
    columns = numbers("groups", groups)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or len(columns) != len(member):
        raise InputError(
            f"groups must have one row a score, {len(member)}, not shape {columns.shape}"
        )
    places = [np.unique(column, return_inverse=True)[1] for column in columns.T]
    for place in places:
        if (
            len(np.unique(place[member])) <= place.max()
            or len(np.unique(place[~member])) <= place.max()
        ):
            raise InputError("every group needs at least one member and one non-member")

    def draw(draws: np.random.Generator, count: int) -> np.ndarray:
        weights = np.ones((count, len(member)))
        for place in places:
            size = place.max() + 1
            weights *= draws.multinomial(size, np.full(size, 1 / size), size=count)[:, place]
        return weights

    return draw


def _curve(
    scores: np.ndarray, positive: np.ndarray, negative: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TPR and FPR (R, T) for R weightings (R, N) of the same scores, and the thresholds (T,),
    highest first.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    # equal scores pass a threshold together, infinite ones too
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(scores) - 1)
    rates = []
    for weights in (positive, negative):
        passed = np.cumsum(weights[:, order], axis=1)[:, last]
        rates.append(np.concatenate([np.zeros((len(passed), 1)), passed / passed[:, -1:]], axis=1))
    return rates[0], rates[1], np.append(np.inf, ranked[last])


def _area(tpr: np.ndarray, fpr: np.ndarray) -> np.ndarray:
    return (np.diff(fpr) * (tpr[..., 1:] + tpr[..., :-1]) / 2).sum(-1)


def _tpr_at(tpr: np.ndarray, fpr: np.ndarray, limit: float) -> np.ndarray:
    share("a false-positive rate", limit, ends=True)
    return np.where(fpr <= limit + 1e-12, tpr, 0).max(1)


def _labelled(scores: Array, is_member: Array) -> tuple[np.ndarray, np.ndarray]:
    scores, member = numbers("scores", scores), truths("is_member", is_member)
    if scores.ndim != 1 or scores.shape != member.shape:
        raise InputError(
            f"need scores (N,) and is_member (N,), not shapes {scores.shape} and {member.shape}"
        )
    if np.isnan(scores).any():
        raise InputError("scores hold NaN")
    if member.all() or not member.any():
        raise InputError("need at least one member and one non-member")
    return scores, member
