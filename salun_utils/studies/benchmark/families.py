"""Families of paired tests: one method, or one mask, against all others on the same seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from ...metrics import compare_with
from ...metrics.significance import Verdict
from ...runs import Record
from ...runs.summary import gap_by_seed
from ..claims import word

LEAST = 3  # seeds that two sides must have in common


def family(title: str, groups: Mapping[str, Iterable[Record]], ours: str) -> dict[str, Verdict]:
    """Print and return the paired tests of the average gap of `ours` against all others, p
    corrected by Holm for their number.

    Parameters
    ----------
    title : heads the table. groups : name -> records; those with fewer than `LEAST` seeds in common
        with `ours` are left out.
    """
    gaps = {name: gap_by_seed(runs) for name, runs in groups.items()}
    mine = gaps[ours]
    gaps = {n: g for n, g in gaps.items() if n == ours or len(set(g) & set(mine)) >= LEAST}
    if len(gaps) < 2:
        print(f"{title}: not decided, fewer than three common seeds are recorded")
        return {}
    verdicts = compare_with(gaps, ours)
    rows = {name: _row(verdict, mine, gaps[name], ours) for name, verdict in verdicts.items()}
    print(f"{title}: average gap of {ours} minus that of\n{pd.DataFrame(rows).T.to_string()}")
    return verdicts


def _row(
    verdict: Verdict, mine: Mapping[int, float], other: Mapping[int, float], ours: str
) -> dict[str, str]:
    test = verdict.test
    closer = sum(mine[seed] < gap for seed, gap in other.items() if seed in mine)
    return {
        "difference": f"{test.difference:+.2f}",
        "95 % interval": f"{test.interval.low:+.2f} to {test.interval.high:+.2f}",
        "closer in": f"{closer} of {test.n}",
        "p": f"{test.p:.3f}",
        "p (Holm)": f"{verdict.p:.3f}",
        f"{ours} beats it": word(verdict),
    }
