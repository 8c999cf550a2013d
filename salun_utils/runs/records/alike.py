"""What must be the same in runs that are averaged: settings, data, the behaviour of the code, and
the number of threads. A mean over runs that differ in one of them is an error that names both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ...errors import InputError
from .numerics import adopted
from .record import Record

# a mean is over seeds; the others say where a run belongs and how it is shown
NOT_A_SETTING = ("seed", "split_seed", "training_seed", "device", "tier", "data_note")
PROVENANCE = ("data", "numerics", "threads")
COLUMN = "alike"  # of a table of runs: what `facts` says of each, as JSON


def threads(record: Record) -> int | None:
    """How many threads of all its processes computed a run on a CPU, on which the rounding of its
    figures depends; None on a GPU, and where it isn't known. Records from before the field have it
    in the device's name.
    """
    if record.device.get("type", "cpu") != "cpu":
        return None
    if (count := record.device.get("threads")) is not None:
        return int(count) * int(record.device.get("processes") or 1)
    named = re.fullmatch(r"cpu x(\d+)", record.device.get("name") or "")
    return int(named[1]) if named else None


def settings(record: Record) -> dict[str, Any]:
    """The spec but for seeds and place."""
    return {k: v for k, v in record.spec.items() if k not in NOT_A_SETTING}


def facts(record: Record) -> dict[str, Any]:
    """What is compared: the settings; the fingerprint of the data; numerics, the version of each
    unit of the code that the run touched; threads.
    """
    return {
        "settings": settings(record),
        "data": record.data.get("fingerprint"),
        "numerics": record.numerics or adopted(record) or {},
        "threads": threads(record),
    }


def check_alike(
    records: Iterable[Record], *, of: Collection[str] = PROVENANCE, mixing: Collection[str] = ()
) -> None:
    """Raise `InputError`, which names both, when two of the records can't be averaged.

    Parameters
    ----------
    of : what is compared, of the entries of `facts`. mixing : entries of it, or settings, in which
        the reader says that they may differ.
    """
    found = [(record.id, facts(record)) for record in records]
    for name, other in found[1:]:
        _compare(found[0], (name, other), of, mixing)


def column(records: Iterable[Record]) -> list[str]:
    """`facts` of each run as text, the column `COLUMN` of tables of runs."""
    return [json.dumps(facts(record), sort_keys=True, default=str) for record in records]


def check_rows(
    rows: pd.DataFrame,
    by: Sequence[str],
    *,
    of: Collection[str] = PROVENANCE,
    mixing: Collection[str] = (),
) -> None:
    """As `check_alike`, for each group of rows with the same values in the columns `by`; rows of a
    table that doesn't say where they come from pass.
    """
    if COLUMN not in rows:
        return
    groups = (
        rows.groupby(list(by), sort=False, dropna=False)[COLUMN] if by else [((), rows[COLUMN])]
    )
    for key, texts in groups:
        named = ", ".join(map(str, key if isinstance(key, tuple) else (key,)))
        found = [(named, json.loads(text)) for text in texts.dropna().unique()]
        for other in found[1:]:
            _compare(found[0], other, of, mixing)


def _compare(
    one: tuple[str, Mapping],
    other: tuple[str, Mapping],
    of: Collection[str],
    mixing: Collection[str],
) -> None:
    (name, a), (another, b) = one, other
    for what in of:
        if what in mixing or (difference := _difference(what, a[what], b[what], mixing)) is None:
            continue
        which = name if name == another else f"{name} and {another}"
        raise InputError(f"runs of different {difference} can't be averaged ({which})")


def _difference(what: str, a: Any, b: Any, mixing: Collection[str]) -> str | None:
    if what == "settings":
        for key in (k for k in {**a, **b} if k not in mixing):
            if a.get(key) != b.get(key):
                return f"{key}: {a.get(key)!r} and {b.get(key)!r}"
        return None
    if what == "numerics":  # a unit that only one of them touched has no say
        moved = next((unit for unit in a if unit in b and a[unit] != b[unit]), None)
        return moved and f"numerics: {moved} {a[moved]} and {moved} {b[moved]}"
    if a is None or b is None or a == b:
        return None
    return f"{what}: {_short(a)} and {_short(b)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}…"
