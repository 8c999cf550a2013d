"""What tuning gained: the average gap on the pilot seeds, with default and with chosen values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ...plots.tables import Table, table
from ...runs.summary import label
from ...runs.tuning import read_tuned
from ...shown import amount

COLUMNS = ("default_gap", "pilot_gap", "trials")


def pilots(
    folder: str | os.PathLike,
    scenarios: Sequence[str],
    *,
    dataset: str = "fashion-mini",
    arch: str = "small-cnn",
) -> dict[str, pd.DataFrame]:
    """Scenario -> one row a method with `COLUMNS`, of those that have a file of chosen values."""
    found = {s: read_tuned(Path(folder) / f"{dataset}_{arch}_{s}.yaml") for s in scenarios}
    return {
        s: pd.DataFrame({m: {k: v[k] for k in COLUMNS} for m, v in values.items()}).T
        for s, values in found.items()
        if values
    }


def pilot_table(parts: Mapping[str, pd.DataFrame]) -> Table:
    """One column a scenario: how many methods and trials, the median gap by default and tuned, what
    gained most, and what came first.
    """
    return table(pd.DataFrame({s: _column(part) for s, part in parts.items()}))


def _column(part: pd.DataFrame) -> dict[str, object]:
    factor = part.default_gap / part.pilot_gap
    most = factor.idxmax()
    trials = sorted({int(t) for t in part.trials})
    stayed = int((part.pilot_gap >= part.default_gap).sum())
    return {
        "methods": len(part),
        "trials each": " or ".join(map(str, trials)),
        "median gap by default": amount(part.default_gap.median(), 2),
        "median gap when tuned": amount(part.pilot_gap.median(), 2),
        "tuning gained most for": f"{label(most)} (× {factor[most]:.1f})",
        "the default stayed best for": f"{stayed} of {len(part)}",
        "first by default": label(part.default_gap.idxmin()),
        "first when tuned": label(part.pilot_gap.idxmin()),
    }
