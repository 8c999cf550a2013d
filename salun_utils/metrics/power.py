"""How many seeds does it take? Power of the paired t-test, and how well a few seeds know their own
spread.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from ..errors import InputError
from ..units import numerics
from .intervals import Interval

MOST = 10_000  # beyond this many seeds the answer is "no number that anybody will run"


@numerics(1, "metric/power")
def power(difference: float, spread: float, n: int, *, alpha: float = 0.05) -> float:
    """Chance that a two-sided paired t-test on n pairs finds a true mean difference, by the
    noncentral t distribution.

    Parameters
    ----------
    difference : true mean of the paired differences. spread : their standard deviation, above 0. n
        : pairs, at least 2.
    """
    if not math.isfinite(difference) or not 0 < spread < math.inf or n < 2 or not 0 < alpha < 1:
        raise InputError(
            "power needs a finite difference, a spread above 0, n of at least 2 and alpha in 0 to"
            f" 1, not {difference!r}, {spread!r}, {n!r}, {alpha!r}"
        )
    return _power(abs(difference) / spread, n, alpha)


@cache
def _power(effect: float, n: int, alpha: float) -> float:
    from scipy import stats

    edge, shift = stats.t.ppf(1 - alpha / 2, n - 1), effect * math.sqrt(n)
    # the wrong sign: as good as never, and NaN where it is too small to compute
    below = stats.nct.cdf(-edge, n - 1, shift)
    return float(stats.nct.sf(edge, n - 1, shift) + (0.0 if np.isnan(below) else below))


def seeds_needed(
    difference: float, spread: float, *, alpha: float = 0.05, wanted: float = 0.8
) -> float:
    """The fewest seeds with which a paired t-test finds `difference` with a chance of at least
    `wanted`.

    Parameters
    ----------
    difference, spread : mean and standard deviation of the paired differences, in the same unit.

    Returns
    -------
    A whole number of at least 2; infinity for no difference, or when more than 10,000 would be
    needed.
    """
    if (
        spread < 0
        or not math.isfinite(difference)
        or not math.isfinite(spread)
        or not alpha < wanted < 1
    ):
        raise InputError(
            f"seeds_needed can't answer for difference {difference!r}, spread {spread!r}, wanted"
            f" {wanted!r}"
        )
    if difference == 0:
        return math.inf
    if spread == 0:
        return 2
    low, high = 1, 2  # power(low) < wanted <= power(high)
    while power(difference, spread, high, alpha=alpha) < wanted:
        low, high = high, 2 * high
        if low > MOST:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle)
            if power(difference, spread, middle, alpha=alpha) >= wanted
            else (middle, high)
        )
    return high if high <= MOST else math.inf


def smallest_difference(
    n: int, spread: float, *, alpha: float = 0.05, wanted: float = 0.8
) -> float:
    """The smallest mean difference that a paired t-test on n seeds finds with a chance of at least
    `wanted`, in the unit of `spread`.
    """
    if not alpha < wanted < 1:
        raise InputError(f"wanted must lie between alpha, {alpha!r}, and 1, not {wanted!r}")
    low, high = 0.0, spread
    while power(high, spread, n, alpha=alpha) < wanted:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (
            (low, middle) if power(middle, spread, n, alpha=alpha) >= wanted else (middle, high)
        )
    return high


def spread_interval(spread: float, n: int, *, level: float = 0.95) -> Interval:
    """Interval of a standard deviation that was estimated from n normal values, by the chi-squared
    distribution; NaN for n = 1.
    """
    from scipy import stats

    if n < 2:
        return Interval(math.nan, math.nan)
    if not 0 <= spread < math.inf or not 0 < level < 1:
        raise InputError(
            "an interval of a spread needs one of at least 0 and a level between 0 and 1, not"
            f" {spread!r} and {level!r}"
        )
    low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], n - 1)
    return Interval(
        float(spread * math.sqrt((n - 1) / low)), float(spread * math.sqrt((n - 1) / high))
    )
