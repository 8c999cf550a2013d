"""The planted mistakes as tables: one under each, all of them together, and where SalUn would stand
with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from ...plots.tables import Cell, Table, table
from ...runs import Record
from ...runs.summary import MEASURES, gap_by_seed, label, one_a_seed, plain
from ...runs.table import load_records
from ...shown import amount
from ..common import NONE_RECORDED
from .recorded import FAULTS, PARTS, ranks, row, seen

BESIDE = {  # what a fault does besides -> what it is called, in per cent
    "moved": "weights outside the mask that moved",
    "same_weights": "weights of the right mask that are kept",
    "true_labels": "labels that are the true one",
    "never_trained_on": "pictures of D_f never trained on",
    "retrain_mia": "MIA of Retrain, by this attack",
    "unmoved": "weights exactly at θ_o",
}
RIVALS = ("rl", "ft", "ga", "iu", "be", "bs", "l1-sparse", "salun-soft")  # the paper's table
WHERE = {"tier": "cpu", "dataset": "fashion-mini", "arch": "small-cnn", "scenario": "random-10"}
NOTHING = "nothing planted"


def named(item: str) -> str:
    """A fault by its number and its name."""
    return f"{item} {FAULTS[item]}"


def headings(part: str) -> dict[str, str]:
    """Measures of a part, and what may stand beside them: name -> heading."""
    return {**PARTS[part], **BESIDE}


def of_item(
    item: str,
    rows: Sequence[Mapping[str, Any]],
    recorded: pd.DataFrame,
    *,
    part: str = "classifiers",
    digits: int = 1,
) -> Table:
    """One fault: the right and the faulty variant of this run, and the recorded effect below.

    Parameters
    ----------
    rows : of this run; none where it ran nothing. recorded : `recorded.effects`.
    """
    here = {line["variant"]: line for line in rows if line["item"] == item}
    effects = {m: row(recorded, item, m) for m in headings(part)}
    shown = [
        m for m in headings(part) if any(m in x for x in here.values()) or effects[m] is not None
    ]
    lines: dict[str, dict[str, Any]] = {
        f"{variant}, this run": {
            headings(part)[m]: amount(float(line[m]), digits) if m in line else None for m in shown
        }
        for variant, line in here.items()
    }
    if any(found is not None for found in effects.values()):
        lines["recorded, faulty − right"] = {
            headings(part)[m]: _effect(effects[m], digits) for m in shown
        }
    frame = pd.DataFrame.from_dict(lines, orient="index", dtype=object)
    return table(frame, caption=named(item), note="" if len(lines) else NONE_RECORDED)


def _effect(found: pd.Series | None, digits: int) -> Cell | None:
    if found is None:
        return None
    mean = amount(float(found.effect), digits, signed=True)
    if found.low != found.low:
        return Cell(mean)
    return Cell(mean, f"± {(found.high - found.low) / 2:.{digits}f}")


def effect_table(effects: pd.DataFrame, part: str, *, digits: int = 1) -> Table:
    """All faults of a part: mean effect ± half of its interval; faults whose interval of the
    average gap (of the FID change, for generators) leaves 0 out stand in bold.
    """
    measures = PARTS[part]
    decisive = "gap" if part == "classifiers" else "fid_change"
    items = [i for i in dict.fromkeys(effects.item) if _measured(effects, i, measures)]
    lines = {
        named(i): {h: _effect(row(effects, i, m), digits) for m, h in measures.items()}
        for i in items
    }
    frame = pd.DataFrame.from_dict(lines, orient="index", columns=list(measures.values()))
    found = {i: row(effects, i, decisive) for i in items}
    best = [named(i) for i, one in found.items() if one is not None and seen(one)]
    return table(frame, best=best, note="" if items else NONE_RECORDED)


def _measured(effects: pd.DataFrame, item: str, measures: Mapping[str, str]) -> bool:
    return any(row(effects, item, m) is not None for m in measures)


def beside_table(effects: pd.DataFrame) -> Table:
    """What the faults did besides, in per cent, means over the recorded seeds; the price of the
    double argsort below.
    """
    found = effects[effects.measure.isin(list(BESIDE))]
    lines = {
        f"{named(e.item)}: {BESIDE[e.measure]}": {"right": e.right, "faulty": e.faulty}
        for e in found.itertuples()
    }
    frame = pd.DataFrame.from_dict(lines, orient="index", columns=["right", "faulty"])
    return table(frame, note=_sorting(effects) if len(frame) else NONE_RECORDED)


def _sorting(effects: pd.DataFrame) -> str:
    slow, large, weights = (row(effects, "14", m) for m in ("cpu_seconds", "bytes", "weights"))
    if slow is None or large is None or weights is None:
        return ""
    return (
        f"{named('14')}, of {weights.right:,.0f} weights: {slow.faulty:.2f} s against"
        f" {slow.right:.3f} s by threshold; {large.faulty:,.0f} bytes as int64 against"
        f" {large.right:,.0f} on disk."
    )


def standing_of(records: Sequence[Record]) -> pd.DataFrame:
    """Where SalUn would stand among the methods of the paper's table, with each fault and without;
    see `recorded.ranks`.
    """
    gaps = {m: gap_by_seed(load_records(**WHERE, method=m, where=plain)) for m in RIVALS}
    floor = apart(load_records(**WHERE, method="retrain", where=plain))
    return ranks(records, {m: found for m, found in gaps.items() if found}, floor=floor)


def apart(retrained: Iterable[Record]) -> float:
    """How far Retrains of different seeds are apart: the mean over their pairs of the average gap
    of one to the other; 0 for fewer than two. Their forget sets differ too, so it is an upper
    bound of what another training seed does.
    """
    scores = [r.scores for r in one_a_seed(retrained).values()]
    gaps = [
        sum(abs(a[m] - b[m]) for m in MEASURES) / len(MEASURES) for a, b in combinations(scores, 2)
    ]
    return sum(gaps) / len(gaps) if gaps else 0.0


def standing_table(standing: pd.DataFrame) -> Table:
    """`standing_of` as a table."""
    if not len(standing):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    frame = pd.DataFrame(
        {
            "seeds": standing.seeds.astype(int),
            "average gap": [amount(float(g), 2) for g in standing.gap],
            "methods nearer": standing.nearer.astype(int),
            "no telling": (standing.of - standing.nearer - standing.farther).astype(int),
            "methods farther": standing.farther.astype(int),
        }
    )
    frame.index = pd.Index([NOTHING if i == "right" else named(i) for i in standing.index])
    note = (
        f"Nearer or farther than SalUn by more than the {standing.floor.iloc[0]:.2f} points between"
        f" two Retrains, of {', '.join(label(m) for m in RIVALS)}."
    )
    return table(frame, reference=[NOTHING], note=note)
