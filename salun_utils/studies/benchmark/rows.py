"""Rows of the leaderboard, made of records, and the groups of runs that are compared."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...metrics import CANT_TELL, bootstrap_interval
from ...runs import Record, records_folder
from ...runs.readings import ATTACKS, READINGS, gap_of_means, mean_of_gaps
from ...runs.summary import AGAIN, MEASURES, cost
from ...runs.tuning import entry_name, read_tuned
from ...unlearning import METHODS

TRAINING = (  # of the original and of Retrain
    "train_images",
    "train_classes",
    "train_epochs",
    "train_lr",
    "train_schedule",
    "train_batch_size",
    "train_recipe",
    "augment",
)
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


def row_of(group: Group, found: Mapping[int, Record]) -> Row:
    """The row of one configuration, from its records by seed."""
    records = [found[seed] for seed in sorted(found)]
    spec, told = records[0].spec, tuple(r.can_tell for r in records)
    gaps = _gaps(records, blind=mostly_blind(told))
    method = records[0].row()["method"]
    low, high = bootstrap_interval(gaps) if method != "retrain" else (math.nan, math.nan)
    means, signed = (
        {m: _mean([getattr(r, part)[m] for r in records]) for m in MEASURES}
        for part in ("scores", "gap")
    )
    return Row(
        group,
        method,
        _mask(spec),
        _kind(method, spec),
        tuple(sorted(found)),
        means,
        signed,
        _mean(gaps),
        low,
        high,
        _mean([cost(r) for r in records]),
        tuple(records),
        readings=_readings(records),
        search=_search(group, records[0]),
        told=told,
        worth=_worth(records),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mask(spec: Mapping[str, Any]) -> str:
    """The mask rule, with the share kept where it isn't half; "" without a mask."""
    rule = spec.get("mask") or "none"
    if rule == "none":
        return ""
    return rule if spec.get("keep", 0.5) == 0.5 else f"{rule}, {100 * spec['keep']:g} %"


def _kind(method: str, spec: Mapping[str, Any]) -> str:
    """A method under its own mask at half of the weights is a method, under any other a variant."""
    if method in ("retrain", "original", AGAIN):
        return "reference"
    rule = spec.get("mask") or "none"
    own = METHODS[method].mask or "none" if method in METHODS else "none"
    plain = rule == own and (rule == "none" or spec.get("keep", 0.5) == 0.5)
    return "method" if plain else "variant"


def _gaps(records: Sequence[Record], *, blind: bool) -> list[float]:
    """The average gap of each seed, of one kind for all: without MIA where the row is `blind`."""
    if not blind:
        return [r.gap["average"] for r in records]
    return [gap for r in records if (gap := r.gap_without_mia) is not None]


def _worth(records: Sequence[Record]) -> float:
    """Mean balanced accuracy of the attack where it was measured; NaN where it nowhere was."""
    found = [a["balanced_accuracy"] for r in records if (a := r.scores.get("attack"))]
    return _mean(found) if found else math.nan


def _readings(records: list[Record]) -> dict[tuple[str, str], float]:
    """The average gap under each attack, as both averages, where all records hold the attacks."""
    sides = [side for r in records for side in (r.scores, r.reference or {})]
    if not all(set(ATTACKS.values()) <= set(side.get("mia_variants", ())) for side in sides):
        return {}
    both = dict(zip(AVERAGES, (mean_of_gaps, gap_of_means), strict=True))
    return {(r, name): found(records, r) for r in READINGS for name, found in both.items()}


def _search(group: Group, record: Record) -> str:
    """What tuning tried and gained, if its choice is what was run."""
    method, mask = record.spec.get("method", ""), record.spec.get("mask")
    entry = _chosen(group).get(entry_name(method, mask)) if method in METHODS else None
    params = record.spec.get("params", {})
    if not entry or any(params.get(k) != v for k, v in entry["params"].items()):
        return ""
    ranges = ", ".join(
        f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in entry.get("ranges", {}).items()
    )
    seeds = ", ".join(map(str, entry.get("pilot_seeds", ())))
    return (
        f"{entry['trials']} trials on pilot seeds {seeds}"
        f"{f'; {ranges}' if ranges else ''}; average gap there {entry['default_gap']:.2f} by"
        f" default, {entry['pilot_gap']:.2f} as chosen"
    )


def _chosen(group: Group) -> dict[str, dict]:
    where = "class" if group.scenario.startswith("class") else group.scenario
    data = (group.data or "").rstrip("/").rsplit("/", 1)[-1]
    path = records_folder().parent / "tuned" / f"{data}_{group.model}_{where}.yaml"
    return _entries(path, path.stat().st_mtime_ns) if path.is_file() else {}


@functools.lru_cache(maxsize=64)
def _entries(path: Path, _changed: int) -> dict[str, dict]:
    return read_tuned(path)
