"""The study of architectures as plain tables of means."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ...runs import Record
from .anatomy import unevenness
from .measure import overlaps_of, tables_of


def networks_of(rows: pd.DataFrame) -> pd.DataFrame:
    """What each network is and how well it learned, means over seeds; rows of `study.reported`.

    Returns
    -------
    Index network; weights (thousands), epochs and train_lr (of the original), seeds, original_ra,
    original_ta, retrain_ua, retrain_ta (per cent), and nothing, the average gap of the original
    itself (points, NaN where it is not recorded).
    """
    found = {}
    for name, part in rows.groupby("network", sort=False):
        still = part[part.variant == "original"].avg_gap
        found[name] = {
            "weights": part.weights.max() / 1000,
            "epochs": part.train_epochs.iloc[0],
            "train_lr": part.train_lr.iloc[0],
            "seeds": part.seed.nunique(),
            **{
                c: part.groupby("seed")[c].first().mean()
                for c in ("original_ra", "original_ta", "retrain_ua", "retrain_ta")
            },
            "nothing": still.mean(),
        }
    return pd.DataFrame(list(found.values()), index=pd.Index(list(found), name="network"))


def sites(records: Iterable[Record]) -> pd.DataFrame:
    """Masks on record, means over seeds, one row a scenario and network.

    Returns
    -------
    scenario, network, seeds, unevenness (see `anatomy.unevenness`), retain and idle (see
    `measure.look`).
    """
    records = list(records)
    rows, tables = overlaps_of(records), tables_of(records)
    if not len(rows):
        return pd.DataFrame(
            columns=["scenario", "network", "seeds", "unevenness", "retain", "idle"]
        )
    keys = ["scenario", "network", "seed"]
    spread = (
        tables.groupby(keys, sort=False)
        .apply(unevenness, include_groups=False)
        .rename("unevenness")
        .reset_index()
    )
    rows = rows.merge(spread, on=keys)
    means = rows.groupby(keys[:2], sort=False).agg(
        seeds=("seed", "nunique"),
        unevenness=("unevenness", "mean"),
        retain=("retain", "mean"),
        idle=("idle", "mean"),
    )
    return means.reset_index()
