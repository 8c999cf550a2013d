"""All records as one table."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, unknown
from ..files import atomic
from .records.record import Record
from .records.standing import DAMAGED, Standing, of_record
from .said import OutdatedWarning as OutdatedWarning
from .said import say
from .spec import TIERS, RunSpec

COLUMNS = [
    "tier",
    "dataset",
    "arch",
    "scenario",
    "method",
    "mask",
    "seed",
    "ua",
    "ra",
    "ta",
    "mia",
    "avg_gap",
    "attack",
    "seconds",
    "device",
]


EXPORTS = (".csv", ".parquet", ".md")


def records_folder() -> Path:
    """``$SALUN_RECORDS``, else ``benchmark/records`` of this folder or of the nearest one above it
    that has it.
    """
    if given := os.environ.get("SALUN_RECORDS"):
        return Path(given)
    here = Path.cwd()
    beside = Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, beside):
        if (folder / "benchmark" / "records").is_dir():
            return folder / "benchmark" / "records"
    return here / "benchmark" / "records"


def load_records(
    folder: str | os.PathLike | None = None,
    *,
    tier: str | None = None,
    study: str | None = None,
    where: Callable[[Record], object] = lambda run: True,
    **wanted: object,
) -> list[Record]:
    """Every single run on record, in order of file name; those of a sweep only where its study is
    named.

    Parameters
    ----------
    folder : searched with its subfolders; `records_folder` by default. A damaged file is named in a
        warning and left out.
    tier : only of this collection.
    study : the runs of the sweeps that were made for it, in place of all that belong to none, so
        that an ablation is never averaged with the methods as they are meant.
    where : only runs of which this is true, such as `summary.plain`.
    wanted : only runs whose table row or spec has these values (a list allows several).

    Raises
    ------
    InputError : there is no such folder or tier, or a filter has a name that no run knows.

    Warns
    -----
    OutdatedWarning : of those returned, some don't count any more; they are returned all the same.
        In a notebook one line under the cell says in place of it how those returned stand.
    """
    if folder is not None and not Path(folder).is_dir():
        raise InputError(f"there is no folder of records {folder}")
    folder = records_folder() if folder is None else Path(folder)
    found: dict[Hashable, Standing] = {}
    for path in sorted(folder.rglob("*.json")):
        found |= {(path, i): one for i, one in enumerate(runs_in(path, study))}
    _check_filters([one.record for one in found.values() if one.record], tier, where, wanted)
    chosen = {
        key: one
        for key, one in found.items()
        if one.record is not None and _passes(one.record, tier, where, wanted)
    }
    say(chosen)
    return [one.record for one in chosen.values() if one.record is not None]


def runs_in(path: Path, study: str | None) -> list[Standing]:
    """How each single run in a file stands; none, and a warning, where the file is damaged."""
    try:
        record = Record.read(path)
    except InputError as error:
        warnings.warn(str(error), stacklevel=3)
        return []
    if record.study != study:
        return []
    found = [of_record(run) for run in record.flat()]
    if damaged := next((one for one in found if one.word == DAMAGED), None):
        warnings.warn(f"{path} is {damaged}", stacklevel=3)
        return []
    return found


def _passes(
    record: Record,
    tier: str | None,
    where: Callable[[Record], object],
    wanted: Mapping[str, object],
) -> bool:
    return bool(
        (tier is None or record.tier == tier)
        and all(_matches(record, k, v) for k, v in wanted.items())
        and where(record)
    )


def _check_filters(
    records: Sequence[Record],
    tier: str | None,
    where: Callable[[Record], object],
    wanted: Mapping[str, object],
) -> None:
    """Raise `InputError` for a tier that is none, and for a filter that alone empties the table
    because no record knows its name.
    """
    if tier is not None and tier not in {*TIERS, *(r.tier for r in records)}:
        raise unknown("tier", tier, TIERS)
    known = {*COLUMNS, *RunSpec.model_fields, *(name for r in records for name in r.spec)}
    rest = {name: value for name, value in wanted.items() if name in known}
    if len(rest) == len(wanted):
        return
    # where nothing passes the others either, records of another kind may be missing as a whole
    if any(_passes(record, tier, where, rest) for record in records):
        raise unknown("filter", next(n for n in wanted if n not in known), sorted(known))


def _matches(record: Record, name: str, value: object) -> bool:
    row = record.row()
    got = row[name] if name in row else record.spec.get(name)
    return got in value if isinstance(value, list | tuple | set) else got == value


def table(records: Iterable[Record] | None = None, **filters: Any) -> pd.DataFrame:
    """One row a run with the columns `COLUMNS`; without records, all on file that pass `filters`
    (see `load_records`).
    """
    records = load_records(**filters) if records is None else records
    rows = pd.DataFrame([r.row() for r in records], columns=COLUMNS)
    return rows.sort_values(COLUMNS[:7], kind="stable", ignore_index=True)


def export(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table as CSV, Parquet or Markdown, by the ending of `path`."""
    path = check_export(path)
    with atomic(path) as partial:
        if path.suffix == ".csv":
            frame.to_csv(partial, index=False)
        elif path.suffix == ".parquet":
            frame.to_parquet(partial, index=False)
        else:
            partial.write_text(markdown(frame) + "\n")


def check_export(path: str | os.PathLike) -> Path:
    """The path, or `InputError` for an ending that `export` doesn't know."""
    path = Path(path)
    if path.suffix not in EXPORTS:
        raise InputError(f"can't export to {path.name!r}; allowed endings: {', '.join(EXPORTS)}")
    return path


def markdown(frame: pd.DataFrame, digits: int = 2) -> str:
    """A GitHub-style table."""

    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if value != value else f"{value:.{digits}f}"
        return str(value).replace("|", "\\|")

    lines = [
        list(map(str, frame.columns)),
        ["---"] * len(frame.columns),
        *[[text(v) for v in row] for row in frame.itertuples(index=False)],
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
