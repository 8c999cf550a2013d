"""Records of `influence.study` as tables, one row a seed."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ...runs import Record
from ...runs.summary import one_a_seed
from .deciles import rank_correlation
from .study import NAME


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
        pd.DataFrame(run.measurements["deciles"]["rows"]).assign(
            scenario=scenario, seed=run.row()["seed"]
        )
        for scenario, of in runs.items()
        for run in of
    ]
    return pd.concat(parts, ignore_index=True)


def decile_figures(rows: pd.DataFrame) -> pd.DataFrame:
    """What the ten deciles of one ordering, changed in one way, come to; one row a scenario,
    scoring, change and seed.

    Returns
    -------
    rank_forget, rank_retain : rank correlation of the decile with the size of the change of the
        mean loss on D_f and on D_r.
    rank_selective : that with the size on D_f minus the size on D_r. top, upper : share of the
        sizes on D_f, summed over the deciles, that
    the highest decile and the highest five carry. selective_top : size on D_f minus size on D_r in
        the highest decile, in nats.
    """
    found = []
    for key, part in rows.groupby(["scenario", "scoring", "change", "seed"], sort=False):
        part = part.sort_values("part")
        forget, retain = part.forget_size.to_numpy(), part.retain_size.to_numpy()
        found.append(
            dict(zip(("scenario", "scoring", "change", "seed"), key, strict=True))
            | {
                "rank_forget": rank_correlation(part.part, forget),
                "rank_retain": rank_correlation(part.part, retain),
                "rank_selective": rank_correlation(part.part, forget - retain),
                "top": forget[-1] / forget.sum(),
                "upper": forget[len(forget) // 2 :].sum() / forget.sum(),
                "selective_top": forget[-1] - retain[-1],
            }
        )
    return pd.DataFrame(found)


def measured(runs: dict[str, list[Record]], *path: str) -> pd.DataFrame:
    """The figures under one branch of the measurements, such as ("head",) or ("masks", "once"); one
    row a scenario and seed.
    """
    rows = []
    for scenario, of in runs.items():
        for run in of:
            branch = run.measurements
            for step in path:
                branch = branch[step]
            rows.append({"scenario": scenario, "seed": run.row()["seed"], **branch})
    return pd.DataFrame(rows)


def drift_rows(runs: dict[str, list[Record]]) -> pd.DataFrame:
    """Overlap of the mask with the one at the start: scenario, seed, epoch, jaccard_50, jaccard_10,
    rank.
    """
    rows = [
        {"scenario": scenario, "seed": run.row()["seed"], **row}
        for scenario, of in runs.items()
        for run in of
        for row in run.measurements["drift"]["epochs"]
    ]
    return pd.DataFrame(rows)
