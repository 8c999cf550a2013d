"""Does A beat B? Paired tests and verdicts that stay honest with few seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

import numpy as np

from ..errors import InputError, check_count, unknown
from ..seeds import derive
from ..units import numerics
from .intervals import CHUNK, Interval, Values, bootstrap_interval
from .reading import numbers, sequence, share

EXACT_PAIRS = 16  # up to here all 2**n sign patterns are counted

Name = TypeVar("Name")


@dataclass(frozen=True)
class PairedTest:
    """A against B on the same seeds.

    Attributes
    ----------
    n : pairs. difference : mean of a - b. interval : its bootstrap interval at `level`. wins :
        pairs with a above b.
    p : two-sided paired permutation test; `exact` tells whether all 2**n sign patterns were counted
        or a sample of them.
    p_wilcoxon : two-sided signed-rank test. effect : mean difference over its standard deviation
        (Cohen's d_z), NaN for one pair.
    smallest_p : the smallest p that n pairs can give at all: 2 / 2**n, and where sign patterns were
        drawn one more than none of them, 1 / (1 + their number).
    """

    n: int
    difference: float
    interval: Interval
    p: float
    p_wilcoxon: float
    effect: float
    wins: int
    exact: bool
    smallest_p: float
    level: float


@dataclass(frozen=True)
class Verdict:
    """The answer to "A beats B": "yes", "no" (B beats A), "undecided", or "too few" (no outcome
    could have decided it).

    `p` is the one compared with `alpha`: that of `test`, or the corrected one where the verdict
    belongs to a family.
    """

    a: str
    b: str
    answer: str
    text: str
    p: float
    alpha: float
    test: PairedTest


@numerics(1, "metric/significance")
def paired_test(
    a: Values, b: Values, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> PairedTest:
    """Compare two methods measured on the same seeds.

    Parameters
    ----------
    a, b : n numbers each, pair by pair; or mappings from seed to number, which are paired by the
        seeds that both hold.
    resamples : bootstrap resamples, and sign patterns drawn where n is above 16.

    Notes
    -----
    The permutation test asks how often the mean difference would be at least as large if the sign
    of each pair were a coin flip. With n pairs its p is a multiple of 2 / 2**n: three pairs can
    never go below 0.25, six are the fewest that reach 0.05.
    """
    from scipy import stats

    a, b = _pairs(a, b)
    differences = a - b
    n, mean = len(differences), float(differences.mean())
    check_count("resamples", resamples)
    return PairedTest(
        n=n,
        difference=mean,
        interval=bootstrap_interval(differences, level=level, resamples=resamples, seed=seed),
        p=_permutation_p(differences, resamples, seed),
        p_wilcoxon=float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0,
        effect=_effect(differences),
        wins=int((differences > 0).sum()),
        exact=n <= EXACT_PAIRS,
        smallest_p=max(2.0 ** (1 - n), 0.0 if n <= EXACT_PAIRS else 1 / (1 + resamples)),
        level=level,
    )


def significance(
    a: Values,
    b: Values,
    *,
    names: tuple[str, str] = ("A", "B"),
    better: str = "lower",
    alpha: float = 0.05,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Verdict:
    """Say whether A beats B, in one sentence with the figures behind it.

    Parameters
    ----------
    a, b : see `paired_test`. names : how the sentence calls them.
    better : "lower" (an average gap, seconds) or "higher" (an accuracy).
    alpha : a two-sided p below it decides.
    """
    if better not in ("lower", "higher"):
        raise unknown("direction", better, ("lower", "higher"))
    share("alpha", alpha)
    return _judge(
        paired_test(a, b, level=level, resamples=resamples, seed=seed), names, better, alpha
    )


def compare_with(
    values: Mapping[str, Values],
    against: str,
    *,
    better: str = "lower",
    alpha: float = 0.05,
    seed: int = 0,
) -> dict[str, Verdict]:
    """Does `against` beat each of the others? One verdict for each, p corrected by Holm for their
    number.

    Parameters
    ----------
    values : name -> numbers by seed, see `paired_test`. against : one of the names.
    """
    if against not in values:
        raise unknown("name", against, values)
    single = {
        name: significance(
            values[against], other, names=(against, name), better=better, alpha=alpha, seed=seed
        )
        for name, other in values.items()
        if name != against
    }
    return _as_a_family(single, better, alpha)


def compare_pairs(
    pairs: Mapping[str, tuple[Values, Values]],
    *,
    better: str = "lower",
    alpha: float = 0.05,
    seed: int = 0,
) -> dict[str, Verdict]:
    """Does the first of each pair beat the second? One verdict a pair, p corrected by Holm for
    their number; for comparisons that share no side, where `compare_with` has one.

    Parameters
    ----------
    pairs : name -> the two sides, as `paired_test` takes them. better, alpha, seed : as for
        `significance`.
    """
    single = {
        name: significance(a, b, better=better, alpha=alpha, seed=seed)
        for name, (a, b) in pairs.items()
    }
    return _as_a_family(single, better, alpha)


def _as_a_family(single: Mapping[str, Verdict], better: str, alpha: float) -> dict[str, Verdict]:
    corrected = holm({name: verdict.p for name, verdict in single.items()})
    least = least_p({name: verdict.test for name, verdict in single.items()})
    return {
        name: _judge(
            v.test,
            (v.a, v.b),
            better,
            alpha,
            p=corrected[name],
            least=least[name],
            family=len(single),
        )
        for name, v in single.items()
    }


def least_p(tests: Mapping[Name, PairedTest]) -> dict[Name, float]:
    """For each test of a family the smallest p, corrected by Holm, that any outcome of all of them
    could have given it. One at or above alpha could decide nothing.

    Where all have n pairs that is the family's size times 2 / 2**n; beside tests of more pairs,
    whose p can be smaller and come first, it is less.
    """
    return holm({name: test.smallest_p for name, test in tests.items()})


@overload
def holm(p: Mapping[Name, float]) -> dict[Name, float]: ...


@overload
def holm(p: Sequence[float]) -> list[float]: ...


def holm(p: Mapping[Name, float] | Sequence[float]) -> dict[Name, float] | list[float]:
    """Holm's correction for a family of tests: the k-th smallest of m values of p times m - k + 1,
    never below one before it, at most 1.

    Takes and returns a mapping or a sequence. Comparing the result with alpha keeps the chance of
    any false claim below alpha.
    """
    names, raw = (list(p), list(p.values())) if isinstance(p, Mapping) else (None, list(p))
    array = numbers("p", raw)
    if not ((array >= 0) & (array <= 1)).all():
        raise InputError("values of p must lie in 0 to 1")
    order = array.argsort(kind="stable")
    scaled = (
        np.maximum.accumulate(array[order] * np.arange(len(array), 0, -1)).clip(max=1)
        if len(array)
        else array
    )
    corrected = np.empty_like(array)
    corrected[order] = scaled
    return dict(zip(names, corrected.tolist())) if names is not None else corrected.tolist()


def _judge(
    test: PairedTest,
    names: tuple[str, str],
    better: str,
    alpha: float,
    *,
    p: float | None = None,
    least: float | None = None,
    family: int = 1,
) -> Verdict:
    a, b = names
    p = test.p if p is None else p
    least = test.smallest_p if least is None else least
    favoured = test.difference < 0 if better == "lower" else test.difference > 0
    pairs = f"{test.n} pair" if test.n == 1 else f"{test.n} pairs"
    figures = (
        f"difference {test.difference:+.3g}, {test.level:.0%} interval {test.interval.low:+.3g} to"
        f" {test.interval.high:+.3g}"
    )
    corrected = f" after Holm's correction for {family} comparisons" if family > 1 else ""
    tail = f"({figures}; p = {p:.2g}{corrected}; {pairs})"
    if least >= alpha and p >= alpha:
        text = (
            f"{pairs} cannot show that {a} beats {b}: the smallest p they can give is"
            f" {least:.2g}{corrected} {tail}"
        )
        return Verdict(a, b, "too few", text, p, alpha, test)
    if p >= alpha:
        return Verdict(
            a, b, "undecided", f"no evidence that {a} and {b} differ {tail}", p, alpha, test
        )
    winner, loser = (a, b) if favoured else (b, a)
    return Verdict(
        a, b, "yes" if favoured else "no", f"{winner} beats {loser} {tail}", p, alpha, test
    )


def _effect(differences: np.ndarray) -> float:
    if len(differences) == 1 or not differences.any():
        return float("nan") if differences.any() else 0.0
    spread = differences.std(ddof=1)
    return (
        float(differences.mean() / spread)
        if spread > 0
        else float(np.copysign(np.inf, differences.mean()))
    )


def _permutation_p(differences: np.ndarray, resamples: int, seed: int) -> float:
    n, observed = len(differences), abs(differences.sum())
    # equal sums must count as equal after rounding
    edge = observed - 1e-9 * np.abs(differences).sum()
    if n <= EXACT_PAIRS:
        sums = np.zeros(1)
        for value in differences[1:]:  # the sign of the first is free: the test is two-sided
            sums = np.concatenate([sums + value, sums - value])
        return float((np.abs(sums + differences[0]) >= edge).mean())
    draws = np.random.default_rng(derive(seed, "permutation"))
    rows = max(1, CHUNK // n)
    extreme = 0
    for start in itertools.count(0, rows):
        if start >= resamples:
            break
        signs = draws.choice([-1.0, 1.0], (min(rows, resamples - start), n))
        extreme += int((np.abs(signs @ differences) >= edge).sum())
    return (1 + extreme) / (1 + resamples)


def _pairs(a: Values, b: Values) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(a, Mapping) != isinstance(b, Mapping):
        raise InputError("a and b must both be sequences or both be mappings from seed to value")
    if isinstance(a, Mapping):
        common = [key for key in a if key in b]
        if not common:
            raise InputError(
                f"a and b have no seed in common: {sorted(map(str, a))} and {sorted(map(str, b))}"
            )
        a, b = [a[key] for key in common], [b[key] for key in common]
    a, b = sequence("a", a), sequence("b", b)
    if len(a) != len(b):
        raise InputError(
            f"a paired test needs as many values on both sides, not {len(a)} and {len(b)}"
        )
    return a, b
