"""A sweep: many runs in one notebook run, from the same original network. What the ablations are
made of.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ..errors import InputError
from ..metrics.intervals import Interval, bootstrap_interval
from ..texts import each_once
from ..training import TrainingDivergedError
from ..units import numerics, version
from .cache import Cache
from .execute import diverged_record, run
from .records import alike
from .records.record import WARM, Record
from .spec import RunSpec, mapping_of
from .summary import MEASURES, cost
from .task import Task, differing, prepare

# seconds of processor time: a first run that took less is made twice, since a good part of them is
# the libraries' start
REPEATED = 20.0
LEAST = 3  # seeds behind an interval that is shown
# of all runs of a sweep
SHARED = (
    "tier",
    "dataset",
    "data_note",
    "train_images",
    "train_classes",
    "device",
    "seed",
    "split_seed",
    "training_seed",
)


def expand(sweep: str, base: RunSpec | None = None, **settings: Any) -> list[RunSpec]:
    """Every run of a sweep, in the order in which it names them; a run that comes up twice is
    listed once.

    Parameters
    ----------
    sweep : JSON. An object from settings to a value, or to a list of values to be multiplied out,
        such as
        ``{"keep": [0.1, 0.5], "mask": ["saliency", "random"]}``; or a list of such objects, of
        which the runs follow one another. Settings are those of `RunSpec` and of the method.
    base, settings : of all runs, the latter over the former; those of the sweep are laid over both
        (`params` one by one).

    Raises
    ------
    InputError : no such JSON, an unknown setting, a value out of range, or a setting that all runs
        of a sweep share.
    """
    specs: dict[str, RunSpec] = {}
    shared = {**(base.model_dump() if base else {}), **settings}
    for block in blocks_of(sweep):
        for name in block:
            if name in SHARED:
                raise InputError(f"{name} can't be part of a sweep: all its runs share it")
        lists = {
            name: values if isinstance(values, list) else [values] for name, values in block.items()
        }
        if empty := next((name for name, values in lists.items() if not values), None):
            raise InputError(f"sweep: {empty} has no values")
        for values in itertools.product(*lists.values()):
            given = dict(zip(lists, values))
            params = {**mapping_of(shared.get("params")), **mapping_of(given.pop("params", None))}
            spec = RunSpec(
                **{**shared, **given, "params": {k: v for k, v in params.items() if k not in given}}
            )
            specs.setdefault(spec.id, spec)
    return list(specs.values())


def blocks_of(sweep: str) -> list[dict[str, Any]]:
    """The mappings that a sweep is made of, from settings to a value or to a list of values."""
    try:
        value = json.loads(sweep, object_pairs_hook=each_once)
    except InputError:
        raise
    except (TypeError, ValueError, RecursionError):
        value = None
    blocks = [value] if isinstance(value, dict) else value
    if (
        not isinstance(blocks, list)
        or not blocks
        or not all(isinstance(block, dict) for block in blocks)
    ):
        raise InputError(
            'sweep must be a JSON object such as {"keep": [0.1, 0.5]}, or a list of such'
            f" objects, not {str(sweep)[:60]!r}"
        )
    return blocks


@numerics(1, "sweep")
def run_all(
    specs: Iterable[RunSpec], *, cache: Cache | None = None, progress: bool = False
) -> list[Record]:
    """Run one after the other; data, split, original and Retrain are made once for all runs that
    start from the same.

    A run whose loss is no longer finite is a result as well: its record has no scores, and says so
    in ``measurements["diverged"]``. The first run on some data pays for the start of the libraries;
    if it is short it is repeated, and the time of the second counts.
    """
    records: list[Record] = []
    task: Task | None = None
    for spec in specs:
        first = False
        if task is None or differing(task.spec, spec):
            first = True
            task = prepare(spec, cache=cache, progress=progress)
        try:
            made = run(spec, task=task)
            if first and (made.cpu_seconds or 0) < REPEATED:
                made = run(spec, task=task)
        except TrainingDivergedError as error:
            made = diverged_record(task, spec, error)
        made.measurements[WARM] = True
        made.numerics["sweep"] = version("sweep")
        records.append(made)
    return records


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row a run: the columns of `Record.row`, what a sweep varies, the signed gaps, and the
    cost.

    Returns
    -------
    Besides those of `Record.row`: keep and density (shares of the weights, 0 to 1: asked for, and
    of the mask that was held, 1 without one), width, forget (pictures), every parameter of the
    method by its name, gap_ua … gap_mia (points), cost (see `summary.cost`), cpu_seconds, diverged
    (whether the loss ceased to be finite; then there are no scores), and alike (by which
    `over_seeds` knows what must not be averaged, see `records.alike`).
    """
    records = list(records)
    rows = pd.DataFrame([_line(record) for record in records])
    return rows.assign(**{alike.COLUMN: alike.column(records)}) if len(rows) else rows


TIMES = ("cost", "seconds", "cpu_seconds")  # which a first run may lack, see `Record.flat`


def interval(rows: pd.DataFrame, column: str) -> Interval:
    """Bootstrap 95 % interval of the mean of a column of `frame`; of `TIMES` those that were taken,
    (NaN, NaN) where none was.
    """
    values = rows[column].dropna() if column in TIMES else rows[column]
    return bootstrap_interval(values) if len(values) else Interval(float("nan"), float("nan"))


def over_seeds(
    rows: pd.DataFrame,
    by: Sequence[str],
    columns: Sequence[str],
    *,
    mixing: Collection[str] = (),
) -> pd.DataFrame:
    """Mean over seeds with its bootstrap 95 % interval: for each column c the columns c, c_low and
    c_high, and "seeds".

    Parameters
    ----------
    rows : one row a seed and value of `by`, such as those of `frame`. by : columns that set the
        lines of the table, in order of appearance.
    mixing : what the runs of a line may differ in all the same: "data", "numerics", "threads", or
        names of settings.

    Raises
    ------
    InputError : runs of one line differ in settings, data, the behaviour of the code, or the number
        of threads; it names both.
    """
    alike.check_rows(rows, by, of=("settings", *alike.PROVENANCE), mixing=mixing)
    means: dict[Any, dict[str, float]] = {}
    for key, part in rows.groupby(list(by), sort=False):
        line: dict[str, float] = {"seeds": len(part)}
        for column in columns:
            found = interval(part, column)
            line |= {
                column: part[column].mean(),
                f"{column}_low": found.low,
                f"{column}_high": found.high,
            }
        means[key if len(by) > 1 else key[0]] = line
    table = pd.DataFrame.from_dict(means, orient="index")
    table.index = (
        pd.MultiIndex.from_tuples(list(means), names=list(by))
        if len(by) > 1
        else pd.Index(list(means), name=by[0])
    )
    return table


def _line(record: Record) -> dict[str, Any]:
    spec, nan = record.spec, float("nan")
    own: Mapping[str, Any] = spec.get("params") or {}
    return {
        **record.row(),
        "keep": spec.get("keep", nan),
        "density": record.mask.get("density", 1.0),
        "width": spec.get("width", nan),
        "forget": record.data.get("forget", nan),
        **own,
        **{f"gap_{m}": record.gap.get(m, nan) for m in MEASURES},
        "cost": cost(record),
        "cpu_seconds": nan if record.cpu_seconds is None else record.cpu_seconds,
        "diverged": "diverged" in record.measurements,
    }
