"""The yardstick of gaps: another Retrain on the same split, trained from another seed. It is as
good an answer as Retrain itself, so a difference smaller than its gap is not called one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

import pandas as pd

from ..metrics import Verdict, bootstrap_interval
from ..runs import Record, load_records
from ..runs.summary import AGAIN, MEASURES, cost, label, one_a_seed
from ..shown import amount
from .claims import Claim

NAME = label(AGAIN)
NAMED = 4  # differences that a note names; of more it gives the number
Row: TypeAlias = pd.Series


def of_records(records: Iterable[Record]) -> Row | None:
    """What another Retrain comes to, of runs on one task; None where no such run is among them.

    Returns
    -------
    seeds, the mean scores, and avg_gap and the signed gaps gap_ua … gap_mia with their bootstrap
    95 % intervals ("gap_ua_low", "gap_ua_high"), and cost: the columns of `runs.summary.summarise`
    and of `runs.over_seeds`.
    """
    runs = list(one_a_seed(r for r in records if r.is_another_retrain).values())
    if not runs:
        return None
    row: dict[str, float] = {"seeds": len(runs)}
    row |= {m: sum(r.scores[m] for r in runs) / len(runs) for m in MEASURES}
    for name, key in {"avg_gap": "average", **{f"gap_{m}": m for m in MEASURES}}.items():
        gaps = [r.gap[key] for r in runs]
        low, high = bootstrap_interval(gaps)
        row |= {name: sum(gaps) / len(gaps), f"{name}_low": low, f"{name}_high": high}
    return pd.Series(row | {"cost": sum(map(cost, runs)) / len(runs)}, name=NAME)


def load(
    scenarios: Iterable[str],
    *,
    tier: str = "cpu",
    dataset: str = "fashion-mini",
    arch: str = "small-cnn",
    train_images: int | None = None,
) -> dict[str, Row]:
    """scenario -> `of_records` of the folder of records, of those that have one."""
    found = load_records(
        tier=tier,
        where=lambda r: r.is_another_retrain,
        scenario=list(scenarios),
        dataset=dataset,
        arch=arch,
        train_images=train_images,
    )
    return by_scenario(found)


def by_scenario(records: Iterable[Record]) -> dict[str, Row]:
    """scenario -> `of_records`."""
    parts: dict[str, list[Record]] = {}
    for record in records:
        parts.setdefault(record.row()["scenario"], []).append(record)
    found = {scenario: of_records(runs) for scenario, runs in parts.items()}
    return {scenario: row for scenario, row in found.items() if row is not None}


def with_row(rows: pd.DataFrame, again: Row | None) -> pd.DataFrame:
    """A table of means with another Retrain as its last row, where there is one and the table has
    rows to be held against it.
    """
    if again is None or not len(rows):
        return rows
    return pd.concat([rows, again.reindex(rows.columns).to_frame(NAME).T.infer_objects()])


def yardstick(rows: pd.DataFrame | Row | None, column: str = "avg_gap") -> float | None:
    """The gap of another Retrain, below which no difference is called one; None where it is not
    recorded.

    Parameters
    ----------
    rows : a table with methods, by their name or their label, as its index; or a row of `load`.
    column : of the gap.
    """
    if rows is None:
        return None
    if isinstance(rows, pd.Series):
        return float(rows[column])
    found = next((name for name in (AGAIN, NAME) if name in rows.index), None)
    return None if found is None else float(rows.loc[found, column])


def note(floors: Mapping[str, float | None], found: Mapping[str, Mapping[str, float]]) -> str:
    """What to say below a table of differences: the yardstick, and which of them are smaller; ""
    where no yardstick is recorded.

    Parameters
    ----------
    floors : task -> gap of another Retrain; one task alone may be called "". found : task -> what
        was compared -> difference of the average gaps.
    """
    known = {task: floor for task, floor in floors.items() if floor is not None and task in found}
    if not known:
        return ""
    each = {f"{amount(f, 2)}{f' ({task})' if task else ''}": None for task, f in known.items()}
    small = [n for task, f in known.items() for n, d in found[task].items() if abs(d) < f]
    count = sum(len(found[task]) for task in known)
    said = f"Another Retrain's gap, points: {', '.join(each)}."
    if not small:
        return f"{said} No difference here is smaller."
    if len(small) > NAMED:
        return f"{said} {len(small)} of {count} differences are smaller: not called differences."
    return f"{said} Smaller, so not called differences: {', '.join(small)}."


def beside(claim: Claim, floor: float | None) -> Claim:
    """A claim that says behind its figure when the difference it rests on is below the yardstick;
    its verdict stays what the test says.
    """
    found = claim.verdict
    if floor is None or not isinstance(found, Verdict) or abs(found.test.difference) >= floor:
        return claim
    return replace(claim, figure=f"{claim.behind}, below another Retrain's {amount(floor, 2)}")


def in_words(floor: float | None) -> str:
    """ "another Retrain 0.87" for the end of a sentence on gaps; "" where none is recorded."""
    return "" if floor is None else f"{NAME} {amount(floor, 2)}"
