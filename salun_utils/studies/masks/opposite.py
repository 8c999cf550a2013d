"""The opposite mask: the weights of largest against those of smallest gradient, each moved as SalUn
moves them, and each redrawn as MSG redraws them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isclose
from typing import Any

import pandas as pd

from ...metrics import Verdict, bootstrap_interval, compare_with
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...shown import amount
from ..claims import Claim, word
from ..common import NONE_RECORDED
from ..yardstick import note
from .compared import Gaps

MOST, LEAST, RANDOM = "most salient", "least salient", "random"
MOVED, REDRAWN = "moved, as by SalUn", "redrawn, as by MSG"
MASKS = {"saliency": MOST, "inverted": LEAST, "random": RANDOM}
WHICH = {"largest": MOST, "smallest": LEAST, "random": RANDOM}
Ways = dict[str, dict[str, Gaps]]  # way -> weights -> seed -> average gap
SHARED = 3  # seeds that two sides must have in common


def load(scenario: str, rate: float, *, tier: str = "cpu") -> Ways:
    """The recorded runs on `fashion-mini`, at the tuned settings of SalUn and of MSG.

    Parameters
    ----------
    rate : SalUn's tuned learning rate; its runs at others are left out.
    """
    setting: dict[str, Any] = {"dataset": "fashion-mini", "arch": "small-cnn", "tier": tier}
    redrawn = load_records(study="opposite", scenario=scenario, **setting)
    moved = load_records(study="masks", scenario=scenario, method="salun", keep=0.5, **setting)
    return ways([*(r for r in moved if isclose(r.spec["params"]["lr"], rate)), *redrawn])


def ways(records: Iterable[Record]) -> Ways:
    """Records by what was done to which weights; those of other kinds are left out."""
    found: Ways = {}
    for record in records:
        spec, method = record.spec, record.spec.get("method")
        if method == "salun":
            side = MASKS.get(str(spec.get("mask")))
        elif method == "msg":
            side = WHICH.get(str(spec.get("params", {}).get("which", "smallest")))
        else:
            continue
        if side is not None:
            way = found.setdefault(MOVED if method == "salun" else REDRAWN, {})
            gaps = dict(way.get(side, {}))
            gaps[record.seeds["unlearning"]] = record.gap["average"]
            way[side] = gaps
    return found


def opposite_table(found: Ways, caption: str = "", floor: float | None = None) -> Table:
    """A row a way, a column for each choice of weights: mean average gap and its interval.

    Parameters
    ----------
    floor : gap of another Retrain on that task, where it is recorded.
    """
    rows: dict[str, dict[str, Cell | str | None]] = {
        way: {
            **{side: _cell(sides.get(side)) for side in (MOST, LEAST, RANDOM)},
            "nearer to Retrain": _said(sides),
        }
        for way, sides in found.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("the weights are")
    counts = sorted({len(gaps) for sides in found.values() for gaps in sides.values()})
    said = f"Average gap, points; {' to '.join(map(str, counts[:1] + counts[1:][-1:]))} seeds."
    said += f"\n{small}" if (small := note({"": floor}, {"": _ends(found)})) else ""
    return table(frame, caption=caption, note=said if rows else NONE_RECORDED)


def _ends(found: Ways) -> dict[str, float]:
    """way -> difference of the mean gaps of its two ends."""
    means = {
        way: {side: sum(gaps.values()) / len(gaps) for side, gaps in sides.items()}
        for way, sides in found.items()
    }
    return {way: m[MOST] - m[LEAST] for way, m in means.items() if {MOST, LEAST} <= set(m)}


def _cell(gaps: Gaps | None) -> Cell | None:
    if not gaps:
        return None
    values = list(gaps.values())
    return Cell(amount(sum(values) / len(values), 2), between(*bootstrap_interval(values)))


def verdict(sides: dict[str, Gaps], better: str) -> Verdict | None:
    """Is `better`, of `MOST` and `LEAST`, nearer to Retrain than its opposite?"""
    pair = {side: sides[side] for side in (MOST, LEAST) if side in sides}
    if len(pair) < 2 or len(set(pair[MOST]) & set(pair[LEAST])) < SHARED:
        return None
    return compare_with(pair, better)[LEAST if better == MOST else MOST]


def _said(sides: dict[str, Gaps]) -> str | None:
    for side in (MOST, LEAST):
        found = verdict(sides, side)
        if found is None:
            return None
        if found.answer == "yes":
            return side
    return word(found)


def claims(found: Ways) -> list[Claim]:
    """That MSG, on a random tenth, redraws the right end."""
    text = (
        "MSG, random 10 %: redrawing the smallest gradients is nearer to Retrain than redrawing the"
        " largest"
    )
    return [Claim(text, verdict(found.get(REDRAWN, {}), LEAST))]
