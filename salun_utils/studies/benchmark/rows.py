"""Rows of the leaderboard, and the groups of runs that are compared with each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...metrics import CANT_TELL
from ...runs import Record

AVERAGES = ("mean of gaps", "gap of means")  # over seeds; see `runs.readings`


def mostly_blind(told: Sequence[bool | None]) -> bool:
    """Whether the attack can't tell on more than half of the seeds."""
    return 2 * list(told).count(False) > len(told)


class Group(NamedTuple):
    """What is compared with each other: one tier, data set, network and scenario. `apart` names a
    recipe where two would look alike.
    """

    tier: str
    data: str
    model: str
    scenario: str
    note: str = ""
    apart: str = ""


@dataclass(frozen=True)
class Row:
    """One configuration over its seeds.

    Attributes
    ----------
    kind : "method"; "variant" (another mask or share than the method's own, or settings of an
        earlier run); "reference" (Retrain and the original); "published".
    means, gaps : UA, RA, TA, MIA (per cent) and their signed gaps to Retrain (points), as far as
        known.
    gap, low, high : mean of the average gap and its bootstrap 95 % interval (NaN where there is
        none). cost : share of Retrain's time.
    best, worst : the places that the intervals leave open, or None.
    readings : (reading of `runs.readings`, "mean of gaps" or "gap of means") -> average gap, as far
        as the records hold the attacks.
    search : what tuning tried and gained, where the row has the values that it chose.
    told : seed by seed whether the membership attack tells members from non-members, on the network
        and on its Retrain; None where that was not measured. worth : its balanced accuracy on the
        network, mean over the seeds where it was measured, per cent.
    """

    group: Group
    method: str
    mask: str
    kind: str
    seeds: tuple[int, ...]
    means: dict[str, float]
    gaps: dict[str, float]
    gap: float
    low: float
    high: float
    cost: float
    records: tuple[Record, ...] = ()
    best: int | None = None
    worst: int | None = None
    readings: Mapping[tuple[str, str], float] = field(default_factory=dict)
    search: str = ""
    told: tuple[bool | None, ...] = ()
    worth: float = math.nan

    @property
    def blind(self) -> bool:
        """Whether the attack can't tell on most of the seeds. Then MIA is no figure, and `gap`,
        `low` and `high` are those without it.
        """
        return mostly_blind(self.told)

    @property
    def attack(self) -> str:
        """What the attack is worth, in words; "" where that was not measured."""
        if math.isnan(self.worth):
            return ""
        if self.blind:
            return CANT_TELL
        coin = self.told.count(False)
        seeds = f" ({coin} of {len(self.told)} {CANT_TELL})" if coin else ""
        return f"{self.worth:.1f}{seeds}"

    @property
    def place(self) -> str:
        """ "3", "2–5" where intervals overlap, "" where it has none."""
        if self.best is None:
            return ""
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"
