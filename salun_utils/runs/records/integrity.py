"""What is checked of a record when it is read: that it is whole, and that it is what it says.

=====================  =============================================================================
what                   how one knows that it is damaged
=====================  =============================================================================
the file               no UTF-8, no JSON object, nested too deep, an entry that no record has
every byte of it       its own checksum (from schema 2 on); of older records, which have none, the
                       line for it in the file `SHA256SUMS` of their folder, where there is one
kinds of values        a name that is no text, a score that is no number from 0 to 100, a time below
                       0, a parameter that is no plain value, …
id                     it is not the digest of the parameters of the notebook's run, or of the
                       settings of the single run
gap                    it is not the difference of scores and reference, or lacks one of them
=====================  =============================================================================
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data import NAMES
from ...files import CHECKSUM, DamagedError, json_object, unsealed
from . import naming

if TYPE_CHECKING:
    from .record import Record

SUMS = "SHA256SUMS"  # beside records of schema 1: lines of "<SHA-256>  <file name>"
SEALED_FROM = 2  # the first schema with a checksum in the file
MEASURES = ("ua", "ra", "ta", "mia")
CLOSE = 1e-6  # points by which a gap may differ from scores minus reference
TEXTS = {  # entries that are a text or nothing, by the field they are in
    "spec": (
        "dataset",
        "data",
        "arch",
        "model",
        "scenario",
        "method",
        "eraser",
        "mask",
        "label",
        "tier",
        "protocol",
        "train_schedule",
        "indices",
        "erased",
        "category",
    ),
    "data": ("name", "note", "scenario", "fingerprint"),
    "device": ("name", "type", "processor"),
    "mask": ("rule",),
}
COUNTS = {  # entries that are a whole number from 0 on, or nothing
    "spec": ("seed", "split_seed", "training_seed", "train_images", "train_classes"),
    "seeds": ("split", "training", "unlearning", "sampling"),
    "data": ("forget", "retain", "validation", "test"),
    "device": ("threads", "cores", "processes"),
}
TIMES = (
    "seconds",
    "cpu_seconds",
    "reference_seconds",
    "reference_cpu_seconds",
    "original_seconds",
)


def content_of(path: Path) -> dict[str, Any]:
    """The content of a record's file, once every byte of it was found to be as it was written, as
    far as there is a checksum to know it by.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DamagedError(error.strerror or str(error)) from error
    content = json_object(text)
    schema = content.get("schema_version", 1)
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise DamagedError(f"its schema is {schema!r}")
    if CHECKSUM in content or schema >= SEALED_FROM:
        return unsealed(text)
    known = _sums(path.parent / SUMS).get(path.name)
    if known not in (None, hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()):
        raise DamagedError(f"its checksum in {SUMS} differs")
    return content


def _sums(path: Path) -> dict[str, str]:
    try:
        changed = path.stat()
    except OSError:
        return {}
    return _read_sums(path, changed.st_mtime_ns, changed.st_size)


@functools.lru_cache(maxsize=8)
def _read_sums(path: Path, _changed: int, _size: int) -> dict[str, str]:
    lines = (line.split(maxsplit=1) for line in path.read_text(errors="replace").splitlines())
    return {line[1]: line[0] for line in lines if len(line) == 2}


def check(record: Record) -> None:
    """Raise `DamagedError` when a record is not what it says: see the table above."""
    if any(run.runs for run in record.runs):
        raise DamagedError("the runs in it hold runs again")
    _check_name("id", record.id)
    _check_name("tier", record.tier)
    try:
        datetime.datetime.fromisoformat(record.created)
    except ValueError as error:
        raise DamagedError(f"created at {record.created!r}") from error
    parameters = record.measurements.get("parameters")
    if "parameters" in record.measurements:
        _check_parameters(parameters)
        if record.notebook and record.id != naming.notebook_run(record.notebook, parameters or {}):
            raise DamagedError("its id is not the digest of its parameters")
    for run in record.flat():
        _check_kinds(run)
        _check_gap(run)
        if run is not record and (record.runs or not parameters):
            _check_id(run)
    if not record.runs and not parameters:
        _check_id(record)


def _check_name(what: str, name: str) -> None:
    if not name or name != name.strip() or not name.isprintable() or set(name) & set("/\\"):
        raise DamagedError(f"its {what} is {name!r}")


def _check_parameters(parameters: Any) -> None:
    if not isinstance(parameters, dict):
        raise DamagedError("its parameters are no object")
    for name, value in parameters.items():
        if not isinstance(value, str | int | float | bool | None):
            raise DamagedError(f"its parameter {name} is {_short(value)}")


def _check_kinds(run: Record) -> None:
    """What should be a text is one, and so are counts, scores, times and settings."""
    for field, names in TEXTS.items():
        for name in names:
            if not isinstance(value := getattr(run, field).get(name), str | None):
                raise DamagedError(f"{field}.{name} is {_short(value)}, no text")
    for field, names in COUNTS.items():
        for name in names:
            _check_count(f"{field}.{name}", getattr(run, field).get(name))
    _check_figures(run)
    _check_settings(run.spec.get("params") or {})


def _check_count(what: str, value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value is not None and not whole:
        raise DamagedError(f"{what} is {_short(value)}, no whole number from 0 on")


def _check_figures(run: Record) -> None:
    for field in ("scores", "reference", "original"):
        for name in MEASURES:
            if name in (scores := getattr(run, field)) and not _between(scores[name], 0, 100):
                raise DamagedError(f"{field}.{name} is {_short(scores[name])}, not from 0 to 100")
    for name in TIMES:
        if (value := getattr(run, name)) is not None and not _between(value, 0, 1e12):
            raise DamagedError(f"{name} is {value}")
    for where, name in ((run.spec, "keep"), (run.mask, "density")):
        if where.get(name) is not None and not _between(where[name], 0, 1):
            raise DamagedError(f"{name} is {_short(where[name])}, not from 0 to 1")


def _check_settings(params: Any) -> None:
    if not isinstance(params, dict):
        raise DamagedError(f"spec.params is {_short(params)}, no object")
    for name, value in params.items():
        if not isinstance(value, str | int | float | bool | None):
            raise DamagedError(f"spec.params.{name} is {_short(value)}, no plain value")


def _check_gap(run: Record) -> None:
    """The gap of a run is that of its scores to its reference."""
    if not all(m in part for part in (run.scores, run.reference) for m in MEASURES):
        if run.gap:
            raise DamagedError("its gap is of scores that it doesn't hold")
        return
    signed = {m: run.scores[m] - run.reference[m] for m in MEASURES}
    expected = signed | {"average": sum(map(abs, signed.values())) / len(signed)}
    for name, value in expected.items():
        if not _between(run.gap.get(name), value - CLOSE, value + CLOSE):
            raise DamagedError(
                f"its gap in {name} is {_short(run.gap.get(name))}, and scores minus reference"
                f" {value:.6g}"
            )


def _check_id(run: Record) -> None:
    """A run that is named by its settings has the name that they make.

    The name was made with the data set as it was given. Where that was a folder, the record holds
    the data set's name in its place, and another digest proves nothing.
    """
    spec = run.spec
    needed = ("dataset", "arch", "scenario", "method", "seed", "forget_class", "forget_fraction")
    if not all(name in spec for name in needed) or spec["dataset"] not in NAMES:
        return
    if not _between(spec["forget_fraction"], 0, 1):
        raise DamagedError(f"spec.forget_fraction is {_short(spec['forget_fraction'])}")
    named_so = str(run.id).startswith(f"{spec['dataset']}_{spec['arch']}_")
    if named_so and run.id != naming.single_run(spec):
        raise DamagedError(f"its id {_short(run.id)} is not the digest of its settings")


def _between(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and not (isinstance(value, float) and math.isnan(value)) and low <= value <= high


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
