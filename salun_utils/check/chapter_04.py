"""Random forgetting."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from .answers import Exercise, known, measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]


TWO_NAMES = "two names of methods, for 10 and 50 %"


def _nearest(*answer: Any) -> bool:
    """Whether these are, for 10 and 50 %, the nearest methods of those that keep RA; by the names
    of the library or those of the tables.
    """
    from ..runs.summary import label
    from ..studies.benchmark import recorded
    from ..unlearning import METHODS

    if len(answer) != 2:
        raise InputError(f"an answer is {TWO_NAMES}, not {len(answer)} of them")
    given = [known(a, {n: (n, label(n)) for n in METHODS}, TWO_NAMES) for a in answer]
    bench = recorded.Benchmark.load()
    found = []
    for where in ("random-10", "random-50"):
        part = bench.methods(where, least=recorded.LEAST)
        kept = part[(part.gap_ra >= -1) & ~part.index.isin(recorded.REFERENCES)]
        if kept.empty:
            raise InputError(f"there are no recorded runs of {where} to judge by")
        found.append(kept.avg_gap.idxmin())
    return given == found


ex1 = word(
    "more pictures",
    of=("more pictures", "more epochs", "a larger network"),
    look="what has the original seen that Retrain has not?",
)
ex2 = measured(
    1,
    lambda rate: 0.0005 <= rate < 0.02,
    look="TA beside the original's: go up from a tenth of the tuned rate until it falls",
)
ex3 = number(
    10, look="the smallest p of n pairs is 2 / 2^n; multiply it by the number of comparisons"
)
ex4 = Exercise(
    TWO_NAMES,
    _nearest,
    "leave out all that is no method, keep rows with an RA gap of at least -1, sort by the gap",
)
