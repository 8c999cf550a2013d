"""How a record stands, in one of four words: done, outdated, missing, damaged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import DamagedError
from .naming import notebook_run as run_name
from .naming import since_cut, without_younger
from .numerics import changes
from .record import Record

DONE, OUTDATED, MISSING, DAMAGED = WORDS = ("done", "outdated", "missing", "damaged")


@dataclass(frozen=True)
class Standing:
    """One of `WORDS`, each reason why it is not "done", and the record where there is a readable
    one.
    """

    word: str
    reasons: tuple[str, ...] = ()
    record: Record | None = None

    @property
    def why(self) -> str:
        """All reasons in one line."""
        return ", ".join(self.reasons)

    def __str__(self) -> str:
        return f"{self.word} ({self.why})" if self.why else self.word


def of_file(path: Path, *, parameters: Mapping[str, Any] | None = None, data: str = "") -> Standing:
    """How the record in a file stands.

    Parameters
    ----------
    parameters : those that it is to be of; it counts only with these. data : fingerprint of the
        data that they name, where these are here to compare.
    """
    if not path.exists():
        return Standing(MISSING)
    try:
        record = Record.read(path)
    except InputError as error:
        return Standing(DAMAGED, (str(error),))
    if parameters is not None and not _same(record, parameters):
        why = f"{path.name} is of other parameters than its name says"
        return Standing(DAMAGED, (why,), record)
    found = of_record(record)
    if found.word == DONE and data:
        carried = {r.data.get("fingerprint") for r in record.flat()} - {None, data}
        if carried:
            was = min(map(str, carried))[:12]
            return Standing(OUTDATED, (f"the data from {was} to {data[:12]}",), record)
    return found


def of_record(record: Record) -> Standing:
    """How a record stands by itself: done, outdated or damaged."""
    if why := _damage(record):
        return Standing(DAMAGED, (why,), record)
    try:
        found = changes(record)
    except DamagedError as error:
        return Standing(DAMAGED, (str(error),), record)
    if found:
        return Standing(OUTDATED, tuple(map(str, found)), record)
    return Standing(DONE, record=record)


def _damage(record: Record) -> str:
    """What a record lacks to be believed; "" if nothing."""
    parameters = record.measurements.get("parameters")
    named = isinstance(parameters, Mapping) and record.notebook
    if named and record.id != run_name(named, parameters or {}):
        return f"{record.id} is not the name of a run with its parameters"
    for single in record.flat():
        data = single.spec.get("dataset") or single.spec.get("data")
        if data and not single.data.get("fingerprint"):
            return f"{record.id} has no fingerprint of its data"
    return ""


def _same(record: Record, parameters: Mapping[str, Any]) -> bool:
    """Whether a record's parameters are these."""
    asked = json.loads(json.dumps(without_younger(parameters), default=str))
    made_with = record.measurements.get("parameters")
    if not isinstance(made_with, Mapping):
        return False
    return without_younger(since_cut(record.notebook, made_with)[1]) == asked


def standing(records: Iterable[Record | Standing]) -> str:
    """One line for a page: how many records it reads, and how they stand, such as "45 records, none
    outdated" or "45 records: 42 done, 3 outdated (method/ssd from 1 to 2)". It says nothing of how
    many were asked for: a grid of 117 runs may have 45.
    """
    found = [one if isinstance(one, Standing) else of_record(one) for one in records]
    counts, parts = Counter(one.word for one in found), []
    for word in WORDS:
        if counts[word]:
            why = dict.fromkeys(r for one in found if one.word == word for r in one.reasons)
            parts.append(f"{counts[word]} {word}" + (f" ({', '.join(why)})" if why else ""))
    noun = "record" if len(found) == 1 else "records"
    if found and counts[DONE] == len(found):
        return f"{len(found)} {noun}, {'not' if len(found) == 1 else 'none'} outdated"
    return f"{len(found)} {noun}" + (f": {', '.join(parts)}" if parts else "")
