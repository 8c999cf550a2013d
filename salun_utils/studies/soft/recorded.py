"""The recorded runs of the study "soft": hard, soft and annealed masks with equal settings, and
each with its own tuned ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ...runs import Record, frame, over_seeds
from ...runs.records.alike import check_rows
from ...runs.summary import MEASURES, label

GAPS = ("avg_gap", *(f"gap_{m}" for m in MEASURES))
SETTINGS = ("lr", "epochs")


def study(records: Iterable[Record]) -> dict[str, pd.DataFrame]:
    """Rows of `runs.frame` by scenario, without diverged runs, one row a seed and setting."""
    rows = frame(records)
    if rows.empty:
        return {}
    check_rows(rows, ["scenario"])
    # a column is missing where no run has such a parameter
    for column in ("beta", "schedule", "final_keep"):
        rows[column] = rows.get(column)
    one_run = ["scenario", "seed", "method", "keep", "beta", "schedule", "final_keep", *SETTINGS]
    return dict(
        tuple(rows[~rows.diverged].drop_duplicates(one_run, keep="last").groupby("scenario"))
    )


def alike(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs of one scenario with SalUn's own learning rate and epochs: differing only in how
    weights are bound.
    """
    salun = rows[rows.method == "salun"]
    if salun.empty:
        return rows.iloc[:0]
    return rows[(rows[list(SETTINGS)] == salun[list(SETTINGS)].iloc[-1]).all(axis=1)]


def tuned_rows(
    rows: pd.DataFrame, tuned: Mapping[str, Mapping[str, Any]]
) -> dict[str, pd.DataFrame]:
    """The runs of each method of one scenario with the values that tuning chose for it, by the
    method's name in prose.

    Parameters
    ----------
    rows : of one scenario. tuned : method -> entry of a file of chosen values, as
        `runs.tuning.read_tuned` returns it.
    """
    found = {}
    for method in ("rl", "salun", "salun-soft", "salun-annealed"):
        chosen = tuned[method]["params"] if method in tuned else {}
        part = rows[(rows.method == method) & (rows.keep == 0.5)]
        for name, value in {"schedule": "linear", "final_keep": 0.5, **chosen}.items():
            if name in chosen or part[name].notna().any():
                part = part[part[name] == value]
        if len(part):
            found[label(method)] = part
    return found


def path(rows: pd.DataFrame, schedule: str = "linear") -> pd.DataFrame:
    """Gaps along the penalty of SalUn-soft with their intervals, by beta (see `over_seeds`); RL
    stands for a beta of 0.
    """
    part = rows[
        (rows.method == "rl") | ((rows.method == "salun-soft") & (rows.schedule == schedule))
    ]
    return _over(part.assign(beta=part.beta.astype(float).fillna(0.0)), ["beta"]).sort_index()


def by_density(rows: pd.DataFrame, columns: Iterable[str] = GAPS) -> pd.DataFrame:
    """Figures of SalUn and SalUn-annealed by (name, share of weights that may differ); RL is the
    share 1 of both.
    """
    parts = []
    for method, share in (("salun", "keep"), ("salun-annealed", "final_keep")):
        part, all_of_them = rows[rows.method == method], rows[rows.method == "rl"]
        parts += [
            part.assign(name=label(method), share=part[share].astype(float)),
            all_of_them.assign(name=label(method), share=1.0),
        ]
    return _over(pd.concat(parts), ["name", "share"], columns)


def by_seed(rows: pd.DataFrame, column: str = "avg_gap") -> dict[int, float]:
    """One figure by seed, for paired tests."""
    return dict(zip(rows.seed, rows[column], strict=True))


def _over(rows: pd.DataFrame, by: list[str], columns: Iterable[str] = GAPS) -> pd.DataFrame:
    return (
        over_seeds(rows, by, list(columns))
        if len(rows)
        else pd.DataFrame(columns=["seeds", *columns])
    )
