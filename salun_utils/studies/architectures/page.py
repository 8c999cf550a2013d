"""The recorded networks as tables for a page."""

from __future__ import annotations

import pandas as pd

from ...plots.tables import Cell, Table, between, table
from ...shown import amount
from ..claims import word
from ..common import NONE_RECORDED
from . import study, tables
from .recorded import MASKED, NAMES, SALUN, Networks


def facts_table(found: Networks) -> Table:
    """What each network is, how it was trained (epochs × highest learning rate) and how well, and
    how much it has to forget.
    """
    rows = {
        name: {
            "weights": f"{row.weights:.0f} k",
            "trained": f"{row.epochs:.0f} × {row.train_lr:g}",
            "RA": row.original_ra,
            "TA": row.original_ta,
            "Retrain's UA": row.retrain_ua,
            "Retrain's TA": row.retrain_ta,
            "nothing": Cell(amount(float(row.nothing), 2)),
        }
        for name, row in found.facts.iterrows()
    }
    return _table(rows, "network")


def _table(rows: dict, head: str, note: str = "", caption: str = "") -> Table:
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis(head)
    return table(frame, caption=caption, note=note if rows else NONE_RECORDED)


def rate_table(found: Networks) -> Table:
    """The learning rate chosen for each method on each network."""
    chosen = found.chosen
    sign = {"lowest": " ↓", "highest": " ↑", "": ""}
    rows: dict[str, dict[str, str]] = {}
    for (network, variant), row in chosen.iterrows():
        rows.setdefault(network, {})[NAMES.get(variant, variant)] = f"{row.lr:g}{sign[row.edge]}"
    return _table(rows, "network", note="↓: the lowest of the four, ↑: the highest.")


def gap_table(found: Networks) -> Table:
    """The average gap of each method on each network, with its interval; widths and what doing
    nothing gives stand in `facts_table`.
    """
    rows: dict[str, dict[str, Cell]] = {}
    for (network, variant), row in found.means.iterrows():
        if variant != "original":
            cell = Cell(f"{row.avg_gap:.2f}", between(row.avg_gap_low, row.avg_gap_high, 1))
            rows.setdefault(bare(network), {})[NAMES.get(variant, variant)] = cell
    return _table(rows, "network")


def bare(network: str) -> str:
    """The name of a network without its width."""
    return network.split(" ×")[0]


def signed_table(found: Networks) -> Table:
    """The signed gaps of SalUn and of its random mask, per network."""
    rows = {}
    for name in dict.fromkeys(found.rows.network):
        for variant in (SALUN, MASKED):
            row = found.means.loc[(name, variant)]
            rows[f"{name}, {NAMES.get(variant, variant)}"] = {
                **{m.upper(): amount(float(row[f"gap_{m}"]), signed=True) for m in study.MEASURES},
                "cost, %": amount(100 * float(row.cost), 0),
            }
    return _table(rows, "network, method")


def split_table(found: Networks) -> Table:
    """SalUn against each rival: networks on which its mean is nearer, the mean difference on each
    split, and the verdict over splits.
    """
    rows = {}
    for rival, verdict in found.verdicts.items():
        gaps = found.differences(rival)
        rows[NAMES.get(rival, rival)] = {
            "nearer on": f"{int((gaps.mean(axis=1) < 0).sum())} of {len(gaps)}",
            "mean difference": Cell(amount(verdict.test.difference, 2, signed=True)),
            "on each split": " ".join(
                amount(float(value), 2, signed=True) for value in gaps.mean()
            ),
            "p (Holm)": amount(verdict.p, 2),
            "SalUn is nearer": word(verdict),
        }
    return _table(rows, "SalUn minus")


def agreement_table(found: Networks) -> Table:
    """`agreement_of_runs` for a page."""
    rows = {
        name: {column: amount(float(value), 2, signed=True) for column, value in row.items()}
        for name, row in found.agreement.iterrows()
    }
    return _table(rows if found.agreement.notna().any(axis=None) else {}, "two runs of")


def place_table(found: Networks) -> Table:
    """Place of each method on each network; 1 is the nearest to Retrain."""
    rows = {
        name: {NAMES.get(v, v): int(place) for v, place in found.places[name].items()}
        for name in found.places
    }
    return _table(rows, "network")


def site_table(found: Networks, scenario: str) -> Table:
    """How unevenly masks are spread, how far they overlap with those of D_r, and idle weights."""
    every = tables.sites(found.looks)
    rows = {
        str(row.network): {
            "unevenness": amount(float(row.unevenness), 2),
            "overlap": amount(float(row.retain), 2),
            "idle, %": amount(100 * float(row.idle)),
        }
        for row in every[every.scenario == scenario].itertuples()
    }
    return _table(rows, "network", caption=scenario)
