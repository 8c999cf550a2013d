"""Records of `influence.study` as tables: one row a seed, and means over seeds with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ..runs import Record, sweeps
from ..runs.summary import one_a_seed
from .deciles import rank_correlation
from .study import NAME

LEAST = 3  # seeds behind an interval


def studies(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records that are studies, by scenario, one a seed (see `runs.summary.one_a_seed`)."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.spec.get("method") == NAME:
            found.setdefault(record.row()["scenario"], []).append(record)
    return {scenario: list(one_a_seed(runs).values()) for scenario, runs in sorted(found.items())}


def decile_rows(runs: dict[str, list[Record]]) -> pd.DataFrame:
    """Every decile of every run: scenario, seed, and the columns of `study.deciles_of`."""
    parts = [
        pd.DataFrame(run.measurements["deciles"]["rows"]).assign(scenario=scenario, seed=run.row()["seed"])
        for scenario, of in runs.items()
        for run in of
    ]
    return pd.concat(parts, ignore_index=True)


def decile_figures(rows: pd.DataFrame) -> pd.DataFrame:
    """What the ten deciles of one ordering, changed in one way, come to; one row a scenario, scoring, change and seed.

    Returns
    -------
    rank_forget, rank_retain : rank correlation of the decile with the size of the change of the mean loss on D_f and on D_r.
    rank_selective : that with the size on D_f minus the size on D_r. top, upper : share of the sizes on D_f, summed over the deciles, that
    the highest decile and the highest five carry. selective_top : size on D_f minus size on D_r in the highest decile, in nats.
    """
    found = []
    for key, part in rows.groupby(["scenario", "scoring", "change", "seed"], sort=False):
        part = part.sort_values("part")
        forget, retain = part.forget_size.to_numpy(), part.retain_size.to_numpy()
        found.append(
            dict(zip(("scenario", "scoring", "change", "seed"), key, strict=True))
            | {
                "rank_forget": rank_correlation(part.part, forget), "rank_retain": rank_correlation(part.part, retain),
                "rank_selective": rank_correlation(part.part, forget - retain), "top": forget[-1] / forget.sum(),
                "upper": forget[len(forget) // 2 :].sum() / forget.sum(), "selective_top": forget[-1] - retain[-1],
            }
        )  # fmt: skip
    return pd.DataFrame(found)


def measured(runs: dict[str, list[Record]], *path: str) -> pd.DataFrame:
    """The figures under one branch of the measurements, such as ("head",) or ("masks", "once"); one row a scenario and seed."""
    rows = []
    for scenario, of in runs.items():
        for run in of:
            branch = run.measurements
            for step in path:
                branch = branch[step]
            rows.append({"scenario": scenario, "seed": run.row()["seed"], **branch})
    return pd.DataFrame(rows)


def drift_rows(runs: dict[str, list[Record]]) -> pd.DataFrame:
    """Overlap of the mask with the one at the start: scenario, seed, epoch, jaccard_50, jaccard_10, rank."""
    rows = [
        {"scenario": scenario, "seed": run.row()["seed"], **row}
        for scenario, of in runs.items()
        for run in of
        for row in run.measurements["drift"]["epochs"]
    ]
    return pd.DataFrame(rows)


def over_seeds(figures: pd.DataFrame, by: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Mean over seeds with its bootstrap 95 % interval: for each column c the columns c, c_low and c_high, and "seeds"."""
    rows = {}
    for key, part in figures.groupby(list(by), sort=False):
        row: dict[str, float] = {"seeds": len(part)}
        for column in columns:
            interval = sweeps.interval(part, column)
            row |= {column: part[column].mean(), f"{column}_low": interval.low, f"{column}_high": interval.high}
        rows[key if len(by) > 1 else key[0]] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=list(by)) if len(by) > 1 else pd.Index(list(rows), name=by[0])
    return table


def as_text(table: pd.DataFrame, columns: dict[str, str], *, digits: int = 2) -> pd.DataFrame:
    """Rows of `over_seeds` for reading: "mean [low, high]", with no interval for fewer than three seeds; `columns` renames them."""
    shown = pd.DataFrame({"seeds": table.seeds.astype(int)})
    for column, name in columns.items():
        triples = zip(table.seeds, table[column], table[f"{column}_low"], table[f"{column}_high"], strict=True)
        shown[name] = [
            f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]" if seeds >= LEAST else f"{mean:.{digits}f}"
            for seeds, mean, low, high in triples
        ]
    return shown
