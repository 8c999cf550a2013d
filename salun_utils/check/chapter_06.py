"""How many seeds."""

from __future__ import annotations

import statistics

from ..errors import InputError
from .answers import Exercise, number, numbers

__all__ = ["ex1", "ex2", "ex3"]


def _spreads(*answer: float) -> bool:
    """Whether these are the spreads of SalUn's gap, of RL's, and of their differences."""
    values = numbers(answer, 3, "three spreads")
    from ..studies.benchmark.stability import Stability

    found = Stability.load()
    a, b = (found.gaps("random-10", method) for method in ("salun", "rl"))
    if len(common := sorted(a.keys() & b.keys())) < 2:
        raise InputError("an answer is three spreads, and needs recorded runs of two seeds")
    columns = ([a[s] for s in common], [b[s] for s in common], [a[s] - b[s] for s in common])
    return all(abs(x - statistics.stdev(c)) < 0.02 for x, c in zip(values, columns))


ex1 = number(
    34, 10, look="the number of seeds goes about with the square of spread over difference"
)
ex2 = Exercise(
    "three spreads: of SalUn's gap, of RL's, of their differences",
    _spreads,
    "take the seeds that both have, and the standard deviation with n - 1",
)
ex3 = number(
    10, look="the smallest p of n pairs is 2 / 2^n; multiply it by the number of comparisons"
)
