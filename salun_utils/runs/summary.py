"""Recorded runs as a table of means: one row a scenario and method, over its seeds."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ..metrics import bootstrap_interval
from ..unlearning import METHODS
from .record import Record

MEASURES = ("ua", "ra", "ta", "mia")


def plain(record: Record) -> bool:
    """Whether a run is its method as it is meant: its own rule for the mask, half of the weights, and the whole training set."""
    spec = record.spec
    method = METHODS.get(spec.get("method", ""))
    own = method is not None and spec.get("mask") in (method.mask, method.mask or "none")
    return own and spec.get("keep", 0.5) == 0.5 and spec.get("train_images") is None


def cost(record: Record) -> float:
    """Time of unlearning over that of Retrain: processor time on a CPU, where it was noted, else wall time. NaN when neither is known."""
    on_cpu = record.device.get("type", "cpu") == "cpu"
    pairs = [(record.cpu_seconds, record.reference_cpu_seconds)] * on_cpu + [(record.seconds, record.reference_seconds)]
    return next((mine / retrain for mine, retrain in pairs if mine is not None and retrain), float("nan"))


def summarise(records: Iterable[Record]) -> pd.DataFrame:
    """Means over seeds, indexed by (scenario, method) in the order of the registry.

    Returns
    -------
    Columns seeds (how many); ua, ra, ta, mia (mean, per cent); gap_ua … gap_mia (mean signed gap to Retrain, points); avg_gap
    (mean of the average gap) with avg_gap_low and avg_gap_high (bootstrap 95 % interval, NaN for one seed); cost (mean of `cost`).
    A method run twice with one seed counts once, with its latest record.
    """
    latest: dict[tuple, Record] = {}
    for record in sorted(records, key=lambda r: r.created):
        row = record.row()
        latest[row["scenario"], row["method"], row["seed"]] = record
    groups: dict[tuple[str, str], list[Record]] = {}
    for (scenario, method, _), record in latest.items():
        groups.setdefault((scenario, method), []).append(record)
    order = list(METHODS)
    rows = {
        key: _means(groups[key]) for key in sorted(groups, key=lambda key: (key[0], order.index(key[1]) if key[1] in order else len(order)))
    }
    columns = ["seeds", *MEASURES, *(f"gap_{m}" for m in MEASURES), "avg_gap", "avg_gap_low", "avg_gap_high", "cost"]
    index = pd.MultiIndex.from_tuples(list(rows), names=["scenario", "method"])
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _means(records: list[Record]) -> dict[str, float]:
    mean = lambda values: sum(values) / len(values)  # noqa: E731
    gaps = [r.gap["average"] for r in records]
    interval = bootstrap_interval(gaps)
    return {
        "seeds": len(records), **{m: mean([r.scores[m] for r in records]) for m in MEASURES},
        **{f"gap_{m}": mean([r.gap[m] for r in records]) for m in MEASURES},
        "avg_gap": mean(gaps), "avg_gap_low": interval.low, "avg_gap_high": interval.high, "cost": mean([cost(r) for r in records]),
    }  # fmt: skip
