"""The records of duration, scale and cost as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ...runs import Record, frame
from ...runs.records.alike import check_rows
from .fits import Fit, Prediction, affine

SAME = ("dataset", "arch", "width", "scenario", "method", "mask", "epochs", "lr", "images", "seed")
MEASURED = (
    "forget",
    "ua",
    "ra",
    "ta",
    "mia",
    "avg_gap",
    "gap_ua",
    "gap_ra",
    "gap_ta",
    "gap_mia",
    "cost",
)
ON_MAP = ("dataset", "arch", "width", "scenario", "method", "images")


def rows_of(records: Iterable[Record]) -> pd.DataFrame:
    """`runs.frame` with the column images (training pictures, those kept for validation included);
    what was recorded twice counts once.

    The column cost is in per cent of Retrain's time.
    """
    records = list(records)
    if not records:
        return pd.DataFrame(columns=[*SAME, *MEASURED])
    counts = [sum(r.data.get(k, 0) for k in ("forget", "retain", "validation")) for r in records]
    table = frame(records).assign(images=counts)
    check_rows(table, [name for name in SAME if name != "seed"])
    return table.assign(cost=100 * table.cost).drop_duplicates(
        list(SAME), keep="last", ignore_index=True
    )


def split_map(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs of maps, in which a learning rate was tried with several numbers of epochs; and the
    others.
    """
    several = rows.groupby([*ON_MAP, "lr"], dropna=False).epochs.transform("nunique") > 1
    return rows[several], rows[~several]


def whole_maps(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the seeds of which some cell is missing."""
    cells = rows.groupby(["epochs", "lr"]).ngroups
    return rows[rows.groupby("seed").lr.transform("size") == cells]


def costs_of(records: Iterable[Record]) -> pd.DataFrame:
    """One row a measured cost; of several records the latest counts.

    Returns
    -------
    what, held_out, the fields of `costs.Cost`, family, processor, and three sums over all pictures
    of the step: products (multiplications), values (numbers that layers put out), touched (weights
    times pictures).
    """
    found = sorted((r for r in records if "costs" in r.measurements), key=lambda r: r.created)
    if not found:
        return pd.DataFrame(columns=["what", "held_out", "step", "network"])
    table = pd.DataFrame(found[-1].measurements["costs"])
    table = table.assign(
        family=table.network.str.split(" ").str[0], processor=found[-1].device.get("processor", "")
    )
    sums = {"products": table.multiply_adds, "values": table.outputs, "touched": table.weights}
    return table.assign(**{name: column * table.pictures for name, column in sums.items()})


def time_law(costs: pd.DataFrame, step: str, by: Sequence[str]) -> Fit:
    """Seconds of a step as a + Σ b · x over the columns `by`; a network's rows are resampled
    together.
    """
    part = costs[(costs.what == "time") & (costs.step == step) & ~costs.held_out]
    return affine(part, "seconds", by, groups="network")


def flat_law(costs: pd.DataFrame, step: str, column: str) -> Fit:
    """Seconds, peak_mb or file_mb of the mask or of saving it, as a + b · weights."""
    part = costs[(costs.what == "flat") & (costs.step == step) & ~costs.held_out]
    return affine(part, column, ["weights"])


def memory_law(costs: pd.DataFrame, step: str) -> Fit:
    """peak_mb of a step that belongs to the weights, as a + b · weights."""
    part = costs[(costs.what == "memory") & (costs.step == step) & ~costs.held_out]
    return affine(part, "peak_mb", ["weights"])


def held(costs: pd.DataFrame, what: str, step: str) -> list[dict]:
    """The measurements of a step that were kept out of every fit."""
    return costs[(costs.what == what) & (costs.step == step) & costs.held_out].to_dict("records")


def check(fit: Fit, row: dict, column: str) -> dict[str, object]:
    """What the law says of a held-out measurement beside what was measured.

    Returns
    -------
    says (a `fits.Prediction`), measured, factor (measured over said), beyond (how many times
    outside the measured range), inside.
    """
    at = {name: row[name] for name in fit.smallest}
    says: Prediction = fit.predict(**at)
    measured = row[column]
    return {
        "says": says,
        "measured": measured,
        "factor": measured / says.value,
        "beyond": fit.beyond(**at),
        "inside": says.holds(measured),
    }
