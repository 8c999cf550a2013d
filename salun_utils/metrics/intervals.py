"""How far a figure over a few seeds can be trusted: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import check_count
from ..seeds import derive
from ..units import numerics
from .reading import sequence, share

CHUNK = 2_000_000  # numbers held at once while resampling

Values = Sequence[float] | np.ndarray | Mapping[Any, float]


class Interval(NamedTuple):
    """Both ends of a confidence interval; NaN where one value allows none."""

    low: float
    high: float


@numerics(1, "metric/interval")
def bootstrap_interval(
    values: Values,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    statistic: Callable[..., np.ndarray] = np.mean,
) -> Interval:
    """Percentile bootstrap interval of a statistic of `values` (n,), the mean unless told
    otherwise.

    Parameters
    ----------
    level : nominal coverage. With few values the real one is lower: for the mean of normal values a
        95 % interval covers about 74 % at n = 3, 83 % at n = 5 and 89 % at n = 10 (4,000 simulated
        samples each).
    statistic : takes an array and `axis`, as `numpy.mean` does.

    Returns
    -------
    Interval(low, high); both NaN for a single value, which says nothing about its spread.
    """
    values = sequence("values", values)
    share("level", level)
    check_count("resamples", resamples)
    if len(values) == 1:
        return Interval(float("nan"), float("nan"))
    draws = np.random.default_rng(derive(seed, "bootstrap"))
    rows = max(1, CHUNK // len(values))
    found = [
        statistic(
            values[draws.integers(0, len(values), (min(rows, resamples - start), len(values)))],
            axis=1,
        )
        for start in range(0, resamples, rows)
    ]
    low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
