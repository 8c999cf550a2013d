"""Which weights SalUn frees, and how many of them, on the network that remembers its pictures; all
runs at the values that were tuned for SalUn with the salient half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from ...metrics import Verdict, bootstrap_interval, compare_with
from ...plots.tables import Cell, Table, between
from ...plots.tables import table as plain_table
from ...runs import Record, load_records
from ...runs.readings import WITHOUT, gap
from ...shown import amount
from ..claims import word
from ..common import NONE_RECORDED, REMEMBERS

STUDY = "memorising-masks"
HALF = 0.5
SALIENT, NONE = "saliency", "none"
SIDES = (SALIENT, "random", "magnitude", "inverted")
Runs = dict[str, dict[int, Record]]  # what is freed -> seed -> run


def load(*, tier: str = "cpu") -> list[Record]:
    """The recorded runs."""
    return load_records(study=STUDY, tier=tier, **REMEMBERS)


def by_mask(records: Iterable[Record]) -> Runs:
    """mask -> seed -> run, of masks of half of the weights and of no mask."""
    found: Runs = {}
    for record in records:
        mask, keep = str(record.spec["mask"]), record.spec["keep"]
        if keep in (HALF, 1.0):
            name = NONE if keep == 1.0 else mask
            found.setdefault(name, {})[record.seeds["unlearning"]] = record
    order = [name for name in (NONE, *SIDES) if name in found]
    return {name: found[name] for name in order}


def by_density(records: Iterable[Record]) -> Runs:
    """share of the weights that may change -> seed -> run, of the saliency mask, rising."""
    found: dict[float, dict[int, Record]] = {}
    for record in records:
        if record.spec["mask"] == SALIENT:
            found.setdefault(record.spec["keep"], {})[record.seeds["unlearning"]] = record
    return {percent(keep): found[keep] for keep in sorted(found)}


def percent(share: float) -> str:
    """A share of the weights as a page writes it."""
    return f"{100 * share:g} %"


def gaps(runs: Runs, reading: str = "confidence") -> dict[str, dict[int, float]]:
    """what is freed -> seed -> average gap to Retrain under a reading of the attack, points."""
    return {
        name: {seed: gap(record, reading) for seed, record in of.items()}
        for name, of in runs.items()
    }


def means(runs: Runs, reading: str = "confidence") -> dict[str, float]:
    """what is freed -> mean average gap, points."""
    return {name: sum(of.values()) / len(of) for name, of in gaps(runs, reading).items()}


def verdicts(runs: Runs, against: str, reading: str = "confidence") -> Mapping[str, Verdict]:
    """Is `against` nearer to Retrain than each of the others? Paired by seed, p by Holm."""
    return compare_with(gaps(runs, reading), against) if against in runs else {}


def shown(runs: Runs, against: str, heading: str) -> Table:
    """One row for what is freed: the average gap with and without the attack, the paired comparison
    of `against` with it, and mean scores.
    """
    if not runs:
        return plain_table(pd.DataFrame(), note=NONE_RECORDED)
    told, bare = gaps(runs), gaps(runs, WITHOUT)
    found, without = verdicts(runs, against), verdicts(runs, against, WITHOUT)
    rows = {
        name: {
            "average gap": _mean(told[name]),
            f"{against} − it": _difference(found.get(name)),
            "nearer?": word(found[name]) if name in found else None,
            WITHOUT: _mean(bare[name]),
            "then?": word(without[name]) if name in without else None,
            **_scores(of),
        }
        for name, of in runs.items()
    }
    counts = {len(of) for of in runs.values()}
    fewest, most = min(counts), max(counts)
    seeds = f"{fewest} seeds" if fewest == most else f"{fewest} to {most} seeds"
    note = (
        f"Mean gaps with 95 % intervals, points; {seeds}, p by Holm. Nearer: whether the row"
        f" {against} is nearer to Retrain; then: without MIA."
    )
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis(heading)
    return plain_table(frame, note=note)


def _scores(runs: Mapping[int, Record]) -> dict[str, float]:
    frame = pd.DataFrame([record.scores for record in runs.values()])
    return {measure.upper(): frame[measure].mean() for measure in ("ua", "ra", "ta", "mia")}


def _mean(values: Mapping[int, float]) -> Cell:
    each = list(values.values())
    return Cell(f"{sum(each) / len(each):.2f}", between(*bootstrap_interval(each), 1))


def _difference(verdict: Verdict | None) -> Cell | None:
    if verdict is None:
        return None
    return Cell(amount(verdict.test.difference, 2, signed=True), f"p {verdict.p:.3f}")


def sentence(runs: Runs) -> str | None:
    """What the masks do here, with their figures; None where they are not recorded."""
    if not {SALIENT, "random", "inverted", NONE} <= set(runs):
        return None
    mean = means(runs)
    listed = ", ".join(
        f"{called} {amount(mean[name], 2)}"
        for name, called in (
            (SALIENT, "the salient half"),
            ("random", "a random half"),
            ("inverted", "the half that saliency leaves out"),
            (NONE, "no mask"),
        )
    )
    return (
        f"On a network that remembers its pictures (CIFAR-10), SalUn's average gap to Retrain is,"
        f" all at the rate tuned for saliency: {listed}."
    )
