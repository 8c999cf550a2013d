"""Rows of the leaderboard, and the groups of runs that are compared with each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ...runs import Record

AVERAGES = ("mean of gaps", "gap of means")  # over seeds; see `runs.readings`


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

    @property
    def place(self) -> str:
        """ "3", "2–5" where intervals overlap, "" where it has none."""
        if self.best is None:
            return ""
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"
