"""The study of architectures as plain tables: what a chapter prints."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ...metrics import bootstrap_interval, paired_test
from ...runs import Record
from .anatomy import unevenness
from .measure import overlaps_of, tables_of
from .study import MEASURES, by_seed

TOGETHER = "all networks"


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


def networks_as_text(table: pd.DataFrame) -> str:
    """`networks_of` in at most 78 characters a line; what is of Retrain has a star."""
    shown = pd.DataFrame(
        {
            "weights": table.weights.map("{:.0f} k".format),
            "trained": [f"{e:.0f} x {lr:g}" for e, lr in zip(table.epochs, table.train_lr)],
            "RA": table.original_ra.map("{:.1f}".format),
            "TA": table.original_ta.map("{:.1f}".format),
            "UA*": table.retrain_ua.map("{:.1f}".format),
            "TA*": table.retrain_ta.map("{:.1f}".format),
            "nothing": table.nothing.map("{:.2f}".format),
            "seeds": table.seeds.astype(int),
        }
    )
    return shown.rename_axis(None).to_string()


def paired(rows: pd.DataFrame, ours: str, other: str) -> pd.DataFrame:
    """Average gap of one variant minus that of another, by network, paired by seed; the last row is
    the mean over networks, in which each network is one value.

    Returns
    -------
    seeds, difference, low and high (bootstrap 95 %); networks without a common seed are left out.
    """
    found = {}
    for name in dict.fromkeys(rows.network):
        a, b = (by_seed(rows, name, v) for v in (ours, other))
        if common := sorted(set(a) & set(b)):
            test = paired_test([a[s] for s in common], [b[s] for s in common])
            found[name] = {
                "seeds": test.n,
                "difference": test.difference,
                "low": test.interval.low,
                "high": test.interval.high,
            }
    if len(found) > 1:
        values = np.array([row["difference"] for row in found.values()])
        interval = bootstrap_interval(values)
        found[TOGETHER] = {
            "seeds": min(row["seeds"] for row in found.values()),
            "difference": values.mean(),
            "low": interval.low,
            "high": interval.high,
        }
    return pd.DataFrame(
        list(found.values()), index=list(found), columns=["seeds", "difference", "low", "high"]
    )


def means_as_text(table: pd.DataFrame) -> str:
    """`study.means` as lines grouped by network, in at most 78 characters a line."""
    lines = []
    for name in dict.fromkeys(table.index.get_level_values("network")):
        part = table.loc[name]
        intervals = [
            f"{low:.2f} to {high:.2f}" for low, high in zip(part.avg_gap_low, part.avg_gap_high)
        ]
        shown = pd.DataFrame(
            {
                "gap": part.avg_gap.map("{:.2f}".format),
                "95 % interval": intervals,
                **{m.upper(): part[f"gap_{m}"].map("{:+.1f}".format) for m in MEASURES},
                "cost, %": part.cost.map(lambda c: f"{100 * c:.0f}"),
            },
            index=part.index,
        )
        shown.index = [f"  {'doing nothing' if v == 'original' else v}" for v in part.index]
        lines.append(f"{name}\n{shown.to_string()}")
    return "\n".join(lines)


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


def sites_as_text(table: pd.DataFrame) -> str:
    """`sites` with one line a network and, side by side, the scenarios."""
    columns = {}
    for scenario, part in table.groupby("scenario", sort=False):
        part = part.set_index("network")
        columns[scenario, "unevenness"] = part.unevenness.map("{:.2f}".format)
        columns[scenario, "overlap"] = part.retain.map("{:.2f}".format)
        columns[scenario, "idle, %"] = part.idle.map(lambda share: f"{100 * share:.1f}")
    return pd.DataFrame(columns).rename_axis(None).to_string()
