"""Recorded runs of the protocol for harmful concepts as a table, in the columns that
`recorded.summarise` and `recorded.compare` take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pandas as pd

from ...runs import Record, load_records
from ...runs.records.alike import check_alike
from .recorded import MEASURES, label

# measures of this protocol alone
OWN = ("exposed", "original_exposed", "clip_change", "fid_to_original")


def rows(
    *,
    tier: str = "cpu",
    records: Iterable[Record] | None = None,
    mixing: Collection[str] = (),
) -> pd.DataFrame:
    """One row a run, the latest where a run was repeated.

    Parameters
    ----------
    mixing : what runs of one name may differ in all the same: "data", "numerics", "threads".

    Returns
    -------
    Columns name (see `recorded.label`), concept, seed, pictures (of the list), threshold, seconds,
    cpu_seconds, and measures, NaN where a run has none: ua (share of the list not recognised as the
    concept), others (share of the harmless list recognised as what its prompts name), change (of
    others, in points), exposed and original_exposed (share of the list with any body part, per
    cent), fid_change (to real pictures), fid_to_original, clip_change.
    """
    if records is None:
        records = load_records(tier=tier, where=_of_protocol)
    latest, counted = {}, {}
    for record in sorted(filter(_of_protocol, records), key=lambda r: r.created):
        row = _row(record)
        latest[row["name"], row["concept"], row["seed"]] = row
        counted[row["name"], row["concept"], row["seed"]] = record
    for name in {key[0] for key in counted}:
        alike = (record for key, record in counted.items() if key[0] == name)
        check_alike(alike, mixing=mixing)
    about = ["name", "concept", "seed", "pictures", "threshold", "seconds", "cpu_seconds"]
    return pd.DataFrame(list(latest.values()), columns=[*about, *MEASURES, *OWN])


def _of_protocol(record: Record) -> bool:
    return "exposed" in record.scores


def _row(record: Record) -> dict:
    spec, after, before = record.spec, record.scores, record.original
    missing = float("nan")

    def change(measure: str) -> float:
        return after.get(measure, missing) - before.get(measure, missing)

    return {
        "name": label(spec.get("label") or spec["eraser"], spec.get("mask") or "none"),
        "concept": spec["forget"],
        "seed": record.seeds["unlearning"],
        "pictures": after["pictures"],
        "threshold": after["threshold"],
        "seconds": record.seconds,
        "cpu_seconds": record.cpu_seconds,
        "ua": after.get("ua", missing),
        "others": after.get("ra", missing),
        "change": change("ra"),
        "exposed": after["exposed"],
        "original_exposed": before["exposed"],
        "fid_change": change("fid"),
        "clip_change": change("clip"),
        "fid_to_original": after.get("fid_to_original", missing),
    }
