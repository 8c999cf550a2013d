"""How many weights a mask should keep: reading a sweep over densities, and choices of the density
that are compared with one half.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ...errors import InputError
from ...metrics import Verdict, paired_test, significance
from ...runs import Record, frame, over_seeds
from ...runs.records.alike import check_rows
from ...unlearning.masks.knee import DECIDES
from ..claims import together

HALF = 0.5  # the paper's density
MEASURES = ("gap_ua", "gap_ra", "gap_ta", "gap_mia", "avg_gap", "cost")
CHOICES = {
    "knee": "knee",
    "ratio-knee": "ratio-knee",
    "guess": "guess",
    "others": "other seeds",
    "hindsight": "hindsight",
}
AUTOMATIC = tuple(CHOICES)[:-1]  # hindsight looks at what it is judged by


def sweep_rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row a run, as `runs.frame` makes them, of a run that was made twice the later one; runs
    that diverged are left out.

    Returns
    -------
    Besides the columns of `frame`: task ("data set, scenario") and guessed_gap (see `guessed_gap`).
    """
    latest = {record.id: record for record in sorted(records, key=lambda r: r.created)}
    kept = [record for record in latest.values() if record.gap]
    table = frame(kept)
    if table.empty:
        return table
    check_rows(table, ["dataset", "scenario"])
    return table.assign(
        task=table.dataset + ", " + table.scenario,
        guessed_gap=[guessed_gap(record) for record in kept],
    )


def guessed_gap(record: Record) -> float:
    """How far a run is from what Retrain will be like, as far as one can guess without training it;
    NaN where nothing was validated.

    Retrain is guessed from the original network: it keeps the original's accuracy on the retained
    and on new pictures, for which the validation pictures stand, and on the forgotten ones it is as
    good as on new ones, or never right if they are a whole class. Test pictures, Retrain and the
    membership attack have no part in it.

    Returns
    -------
    Mean of the absolute differences in UA, RA and validation accuracy, in points.
    """
    found = record.measurements.get("validation") or {}
    if found.get("original") is None:
        return float("nan")
    unseen = 0.0 if record.spec.get("scenario") == "class" else found["original"]
    apart = (
        record.scores["ua"] - (100 - unseen),
        record.scores["ra"] - record.original["ra"],
        found["unlearned"] - found["original"],
    )
    return sum(map(abs, apart)) / len(apart)


def densities(rows: pd.DataFrame, measure: str = "avg_gap", mask: str = "saliency") -> pd.DataFrame:
    """A measure of one mask by seed (rows) and `keep` (columns, rising); only densities that every
    seed of the table has.
    """
    table = rows[rows["mask"] == mask].pivot_table(index="seed", columns="keep", values=measure)
    return table.dropna(axis=1)


def by_density(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean of each of `MEASURES` over seeds, with its interval (see `runs.over_seeds`), by `keep`,
    rising.
    """
    return over_seeds(rows.sort_values("keep", kind="stable"), ["keep"], MEASURES)


# -- choices of the density ------------------------------------------------------------


def choose(rows: pd.DataFrame, choice: str) -> pd.DataFrame:
    """What a choice comes to in one task: the density and the average gap (points) of each seed.

    Parameters
    ----------
    rows : of `sweep_rows`, of one task. choice : one of `CHOICES`, or "half".
        "knee" and "ratio-knee" are masks that decide by themselves. The others pick one density of
        the sweep for each seed: "guess" that of smallest `guessed_gap`; "others" that of smallest
        mean average gap over all other seeds; "hindsight" that of smallest average gap on this very
        seed, which nobody can know beforehand. Of equal ones the lowest density is taken.

    Returns
    -------
    Columns density, avg_gap; one row a seed, none where something is lacking.
    """
    if choice in DECIDES:
        return rows[rows["mask"] == choice].set_index("seed")[["density", "avg_gap"]].sort_index()
    gaps = densities(rows)
    if choice == "half":
        picked = pd.Series(HALF, index=gaps.index) if HALF in gaps else pd.Series(dtype=float)
    elif choice == "guess":
        guessed = densities(rows, "guessed_gap")
        picked = guessed.idxmin(axis=1) if guessed.size else pd.Series(dtype=float)
    elif choice == "others":
        picked = best_on_others(gaps)
    elif choice == "hindsight":
        picked = gaps.idxmin(axis=1) if gaps.size else pd.Series(dtype=float)
    else:
        raise InputError(f"there is no choice {choice!r}; allowed: half, {', '.join(CHOICES)}")
    return pd.DataFrame(
        {"density": picked, "avg_gap": [gaps.loc[seed, keep] for seed, keep in picked.items()]},
        index=picked.index,
    )


def best_on_others(gaps: pd.DataFrame) -> pd.Series:
    """For each seed (row) the column of the smallest mean over all other rows; empty for fewer than
    two seeds.
    """
    if len(gaps) < 2 or not gaps.size:
        return pd.Series(dtype=float)
    return (gaps.sum() - gaps).idxmin(axis=1)


# -- comparisons -----------------------------------------------------------------------


def against_half(rows: pd.DataFrame, choice: str) -> dict[str, Verdict]:
    """Does a choice beat one half? One verdict a task, paired by seed, p as it is."""
    pairs = {
        task: (choose(part, choice).avg_gap.to_dict(), choose(part, "half").avg_gap.to_dict())
        for task, part in rows.groupby("task")
    }
    names = (CHOICES[choice], "50 %")
    return {
        str(task): significance(*pair, names=names)
        for task, pair in pairs.items()
        if set(pair[0]) & set(pair[1])
    }


def judge(rows: pd.DataFrame) -> dict[str, dict[str, Verdict]]:
    """choice -> task -> verdict, for all choices that were recorded; p corrected by Holm for all
    automatic choices on all tasks, since they stand in one table. A mean over the tasks is no
    verdict: it hides effects of opposite sign.
    """
    found = {choice: verdicts for choice in CHOICES if (verdicts := against_half(rows, choice))}
    family = together(
        {
            f"{choice}: {task}": verdict
            for choice, verdicts in found.items()
            if choice in AUTOMATIC
            for task, verdict in verdicts.items()
        }
    )
    return {
        choice: {task: family.get(f"{choice}: {task}", v) for task, v in verdicts.items()}
        for choice, verdicts in found.items()
    }


def paired(
    rows: pd.DataFrame, mask: str, other: str = "saliency", measure: str = "avg_gap"
) -> pd.DataFrame:
    """One mask against another at equal `keep` in one task, paired by seed.

    Returns
    -------
    One row a density that both have: seeds, mean of either, difference (first minus second) with
    low and high, p.
    """
    mine, theirs = (
        rows[rows["mask"] == m].pivot_table(index="seed", columns="keep", values=measure)
        for m in (mask, other)
    )
    lines = {}
    for keep in sorted(set(mine.columns) & set(theirs.columns)):
        a, b = (table[keep].dropna().to_dict() for table in (mine, theirs))
        if set(a) & set(b):
            test = paired_test(a, b)
            both = [seed for seed in a if seed in b]
            means = {
                name: sum(side[s] for s in both) / len(both)
                for name, side in ((mask, a), (other, b))
            }
            ends = {
                "difference": test.difference,
                "low": test.interval.low,
                "high": test.interval.high,
                "p": test.p,
            }
            lines[keep] = {"seeds": test.n, **means, **ends}
    return pd.DataFrame(lines).T.rename_axis("keep")
