"""Tables of recorded rounds of probes: eraser x probe, what erasing cost, and the controls."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...generation.measures.probes import PROBES
from ...metrics.intervals import bootstrap_interval
from ...plots.tables import Cell, Table, between, table
from ...shown import amount
from .recorded import ORIGINAL, TITLES, means, steps_of

MOST = {"change": "others, change", "worst": "worst class, change", "fid_change": "FID, change"}


def eraser_by_probe(found: pd.DataFrame, note: str = "") -> Table:
    """The table of the page: per cent recognised under each probe, one row an eraser.

    Parameters
    ----------
    note : a further sentence below it.
    """
    mean = means(found)
    shown = mean.copy()
    shown.columns.name = None
    runs = found.groupby("name").apply(lambda part: part[["concept", "seed"]].drop_duplicates())
    count = runs.groupby(level=0).size()
    shown.insert(0, "runs", [str(count.get(name, "")) for name in mean.index])
    searched = f"Word, words and vectors were searched for in {steps_of(found)}."
    return table(
        shown.rename_axis("eraser"),
        reference=[ORIGINAL],
        digits=0,
        caption="Share of pictures in which the judge recognises the erased concept, %",
        note=" ".join(filter(None, ("Those that give least back stand first.", searched, note))),
    )


def cost_table(found: pd.DataFrame, cost: pd.DataFrame) -> Table:
    """What erasing cost the other classes, in the order of `eraser_by_probe`."""
    names = means(found).drop(index=ORIGINAL).index
    rows = {
        name: {title: _cell(cost[cost.name == name][m]) for m, title in MOST.items()}
        for name in names
    }
    return table(
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("eraser"),
        caption="What erasing cost the other classes",
        note="Points, and FID on the judge's features; 95 % intervals over runs.",
    )


def with_controls(found: pd.DataFrame) -> Table:
    """Mean over all erasers of each probe and its control, beside the original's."""
    probes = [p for p in PROBES if p in set(found.probe)]
    columns = {
        "recognised": "erased",
        "control": "its control",
        "original": "original",
        "original_control": "original's control",
    }
    mean = found.groupby("probe")[list(columns)].mean().loc[probes].rename(columns=columns)
    mean.insert(0, "control draws", [PROBES[p].control for p in probes])
    mean.index = [TITLES.get(p, p) for p in probes]
    return table(mean, digits=0, caption="Recognised, %, mean over all erasers and concepts")


def _cell(values: pd.Series) -> Cell:
    low, high = bootstrap_interval(values.to_numpy()) if len(values) > 1 else (np.nan,) * 2
    return Cell(amount(float(values.mean()), signed=True), between(low, high, 1))
