"""Recorded runs as a table of means: one row a scenario and method, over its seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from ..data.scenarios import OF_A_KIND
from ..errors import InputError
from ..metrics import bootstrap_interval
from ..unlearning import METHODS
from .records.alike import check_alike, facts, settings
from .records.record import AGAIN, Record

MEASURES = ("ua", "ra", "ta", "mia")
APART = ("tier", "dataset", "arch", "mask")  # records that differ in these are never averaged
NAMES = {
    "original": "original",
    "retrain": "Retrain",
    AGAIN: "another Retrain",
    "l1-sparse": "ℓ1-sparse",
    "salun": "SalUn",
    "salun-soft": "SalUn-soft",
    "salun-annealed": "SalUn-annealed",
    "fisher": "Fisher",
    "neggrad+": "NegGrad+",
    "sfr-on": "SFR-on",
    "bad-t": "Bad-T",
    "munba": "MUNBa",
    "lotus": "LoTUS",
}


def label(method: str) -> str:
    """What prose calls a method: "ft" is FT, "salun" is SalUn."""
    return NAMES.get(method, method.upper())


def plain(record: Record, *, train_images: int | None = None) -> bool:
    """Whether a run is its method as it is meant: its own rule for the mask, half of the weights,
    and a training set of that size.

    Parameters
    ----------
    train_images : as in `RunSpec`; None is the whole training set.
    """
    spec = record.spec
    method = METHODS.get(spec.get("method", ""))
    own = method is not None and spec.get("mask") in (method.mask, method.mask or "none")
    return own and spec.get("keep", 0.5) == 0.5 and spec.get("train_images") == train_images


def of_a_method(record: Record) -> bool:
    """Whether a run is one of a method on a task of the benchmark: not one of a study, and not on a
    forget set of a kind of its own.
    """
    return record.spec.get("method") in METHODS and record.spec.get("scenario") not in OF_A_KIND


def cost(record: Record) -> float:
    """Time of unlearning over that of Retrain: processor time on a CPU, where it was noted, else
    wall time. NaN when neither is known.
    """
    on_cpu = record.device.get("type", "cpu") == "cpu"
    pairs = [(record.cpu_seconds, record.reference_cpu_seconds)] * on_cpu + [
        (record.seconds, record.reference_seconds)
    ]
    return next(
        (mine / retrain for mine, retrain in pairs if mine is not None and retrain), float("nan")
    )


def summarise(
    records: Iterable[Record],
    *,
    by: Sequence[str] = ("scenario", "method"),
    mixing: Collection[str] = (),
) -> pd.DataFrame:
    """Means over seeds, one row for each value of `by`, methods in the order of the registry.

    Parameters
    ----------
    by : columns of `Record.row` that make the rows, such as ("scenario", "method", "mask").
    mixing : what the runs of a row may differ in all the same, of "data", "numerics" and "threads";
        where they do, the attribute "note" of the table says it.

    Returns
    -------
    Columns seeds (how many); ua, ra, ta, mia (mean, per cent); gap_ua … gap_mia (mean signed gap to
    Retrain, points); avg_gap (mean of the average gap) with avg_gap_low and avg_gap_high (bootstrap
    95 % interval, NaN for one seed); cost (mean of `cost`). See `one_a_seed` for which record of a
    seed counts.

    Raises
    ------
    InputError : when records of one row differ in tier, data set, network or mask: filter them, or
        name that column in `by`; when they differ in their data, the behaviour of the code or the
        number of threads.
    """
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        row = record.row()
        groups.setdefault(tuple(row[column] for column in by), []).append(record)
    order = {name: place for place, name in enumerate(METHODS)}

    def rank(key):
        return [
            (order.get(v, len(order)), "") if column == "method" else (0, str(v))
            for column, v in zip(by, key)
        ]

    keys = sorted(groups, key=rank)
    columns = [
        "seeds",
        *MEASURES,
        *(f"gap_{m}" for m in MEASURES),
        "avg_gap",
        "avg_gap_low",
        "avg_gap_high",
        "cost",
    ]
    index = (
        pd.MultiIndex.from_tuples(keys, names=list(by))
        if len(by) > 1
        else pd.Index([key[0] for key in keys], name=by[0])
    )
    kept = [list(one_a_seed(groups[key], mixing=mixing).values()) for key in keys]
    table = pd.DataFrame([_means(runs) for runs in kept], index=index, columns=columns)
    if note := _mixed(kept, mixing):
        table.attrs["note"] = note
    return table


def one_a_seed(records: Iterable[Record], *, mixing: Collection[str] = ()) -> dict[int, Record]:
    """Records of one method on one task, by seed of unlearning.

    Only those with the settings of the latest one count, so that runs before and after tuning are
    never averaged; of a seed that was run twice, the latest.

    Parameters
    ----------
    mixing : what they may differ in all the same, see `summarise`.

    Raises
    ------
    InputError : when they are not of one tier, data set, network and mask; when those that count
        differ in their data, the behaviour of the code or the number of threads (see `alike`).
    """
    newest_first = sorted(records, key=lambda r: r.created, reverse=True)
    rows = [record.row() for record in newest_first]
    for name in APART:
        if len(found := {row[name] for row in rows}) > 1:
            raise InputError(
                f"records of different {name} can't be averaged:"
                f" {', '.join(sorted(map(str, found)))}"
            )
    same = [r for r in newest_first if settings(r) == settings(newest_first[0])]
    latest: dict[int, Record] = {}
    for record in same:
        latest.setdefault(record.row()["seed"], record)
    check_alike(latest.values(), mixing=mixing)
    return dict(sorted(latest.items()))


def gap_by_seed(
    records: Iterable[Record], measure: str = "average", *, mixing: Collection[str] = ()
) -> dict[int, float]:
    """Gap of each seed, for the paired tests of `metrics.significance`; measure is "average", "ua",
    "ra", "ta" or "mia". `mixing` as in `summarise`.
    """
    found = one_a_seed(records, mixing=mixing)
    return {seed: record.gap[measure] for seed, record in found.items()}


def _mixed(kept: Iterable[list[Record]], mixing: Collection[str]) -> str:
    """What to say below a table whose rows mix what `mixing` allows; "" where none does."""
    said = []
    for what in mixing:
        differing = [{str(facts(r)[what]) for r in runs} for runs in kept]
        if mixed := sorted(set().union(*(found for found in differing if len(found) > 1))):
            said.append(f"{what} {' and '.join(value[:12] for value in mixed)}")
    return f"rows average over runs of different {'; '.join(said)}" if said else ""


def _means(records: list[Record]) -> dict[str, float]:
    def mean(values):
        return sum(values) / len(values)

    gaps = [r.gap["average"] for r in records]
    interval = bootstrap_interval(gaps)
    return {
        "seeds": len(records),
        **{m: mean([r.scores[m] for r in records]) for m in MEASURES},
        **{f"gap_{m}": mean([r.gap[m] for r in records]) for m in MEASURES},
        "avg_gap": mean(gaps),
        "avg_gap_low": interval.low,
        "avg_gap_high": interval.high,
        "cost": mean([cost(r) for r in records]),
    }
