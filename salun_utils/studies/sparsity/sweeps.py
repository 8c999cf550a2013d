"""The recorded sweeps over densities, task by task: means, differences, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from ...metrics import Verdict, compare_pairs
from ...runs import load_records
from ..yardstick import Row, load, note, yardstick
from . import recorded
from .recorded import HALF

SMALL = "fashion-mini, "  # the data whose tasks have the yardstick
LEAST = 3  # seeds behind a figure that a picture or a claim rests on
TASKS = (
    "fashion-mini, random-10",
    "fashion-mini, class-3",
    "fashion-mini, random-50",
    "cifar10_jpeg, random-10",
)
TENTH = TASKS[0]
NAMES = {"saliency": "global", "per-layer": "per layer", "random": "random"}


@dataclass(frozen=True)
class Sweeps:
    """Rows of `recorded.sweep_rows` by task, of tasks with enough seeds; and what another Retrain
    comes to on a task, where it is recorded.
    """

    of: dict[str, pd.DataFrame]
    again: Mapping[str, Row] = field(default_factory=dict)

    @classmethod
    def load(cls, tier: str = "cpu") -> Sweeps:
        """From the folder of records."""
        rows = recorded.sweep_rows(load_records(tier=tier, study="sparsity"))
        small = [t.removeprefix(SMALL) for t in TASKS if t.startswith(SMALL)]
        return cls.from_rows(rows, {SMALL + s: row for s, row in load(small, tier=tier).items()})

    @classmethod
    def from_rows(cls, rows: pd.DataFrame, again: Mapping[str, Row] | None = None) -> Sweeps:
        """From these rows, and rows of another Retrain by task."""
        parts = {t: rows[rows.task == t] for t in TASKS} if len(rows) else {}
        return cls(
            {
                t: part
                for t, part in parts.items()
                if recorded.densities(part).size and part.seed.nunique() >= LEAST
            },
            again or {},
        )

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All of them."""
        return pd.concat(self.of.values()) if self.of else pd.DataFrame()

    def means(self, task: str, mask: str = "saliency") -> pd.DataFrame:
        """Means over seeds by density."""
        part = self.of[task]
        return recorded.by_density(part[part["mask"] == mask])

    def floor(self, task: str) -> float | None:
        """The gap of another Retrain on a task."""
        return yardstick(self.again.get(task))

    @property
    def floors(self) -> dict[str, float]:
        """task -> gap of another Retrain, where it is recorded."""
        return {t: float(self.again[t].avg_gap) for t in self.of if t in self.again}

    def note(self, differences: Mapping[str, Mapping[str, float]]) -> str:
        """`yardstick.note` of differences by task and name."""
        found = {short(t): one for t, one in differences.items()}
        return note({short(t): floor for t, floor in self.floors.items()}, found)

    def knees(self) -> dict[str, float]:
        """task -> mean density at the knee."""
        found = {t: part[part["mask"] == "knee"].density for t, part in self.of.items()}
        return {t: float(kept.mean()) for t, kept in found.items() if len(kept)}

    def paired(self, task: str, mask: str) -> pd.DataFrame:
        """A mask beside saliency at equal density, where enough seeds have both."""
        if task not in self.of:
            return pd.DataFrame()
        found = recorded.paired(self.of[task], mask)
        return found[found.seeds >= LEAST] if len(found) else found

    def lines(self, tasks: tuple[str, ...] = TASKS) -> dict[str, dict[str, pd.DataFrame]]:
        """task -> name of a mask -> means by density, on the seeds that all masks have."""
        drawn = {}
        for t in (t for t in tasks if t in self.of):
            masks = [m for m in NAMES if m == "saliency" or len(self.paired(t, m))]
            if len(masks) < 2:
                continue
            part = self.of[t]
            seeds = set.intersection(*(set(part[part["mask"] == m].seed) for m in masks))
            same = part[part.seed.isin(seeds)]
            drawn[t] = {NAMES[m]: recorded.by_density(same[same["mask"] == m]) for m in masks}
        return drawn

    @cached_property
    def judged(self) -> dict[str, dict[str, Verdict]]:
        """choice -> task -> does it beat 50 %?"""
        return recorded.judge(self.rows) if self.of else {}

    def nearer(self, task: str, mask: str) -> dict[float, Verdict]:
        """density -> is the saliency mask nearer to Retrain than another? p by Holm over the
        densities.
        """
        part = self.of.get(task, pd.DataFrame())
        if not len(part):
            return {}
        pairs = {}
        for keep in self.paired(task, mask).index:
            mine, other = (
                part[(part["mask"] == m) & (part.keep == keep)].set_index("seed").avg_gap.to_dict()
                for m in ("saliency", mask)
            )
            pairs[f"{keep}"] = (mine, other)
        found = compare_pairs(pairs)
        return {float(keep): verdict for keep, verdict in found.items()}

    @cached_property
    def fixed(self) -> dict[str, dict[float, Verdict]]:
        """task -> density -> is 50 % nearer to Retrain than it? p by Holm over all densities of all
        tasks, since they stand in one table.
        """
        by_task = {t: recorded.densities(part) for t, part in self.of.items()}
        places = {
            f"{t}: {k}": (t, k)
            for t, gaps in by_task.items()
            if HALF in gaps
            for k in gaps.columns
            if k != HALF
        }
        pairs = {
            name: (by_task[t][HALF].to_dict(), by_task[t][k].to_dict())
            for name, (t, k) in places.items()
        }
        found: dict[str, dict[float, Verdict]] = {}
        for name, verdict in compare_pairs(pairs).items():
            t, k = places[name]
            found.setdefault(t, {})[float(k)] = verdict
        return found

    @property
    def best(self) -> dict[str, float]:
        """task -> density of the smallest mean gap."""
        return {t: float(self.means(t).avg_gap.astype(float).idxmin()) for t in self.of}


def short(task: str) -> str:
    """A task as a heading: the data set is named where it isn't fashion-mini."""
    return task.removeprefix(SMALL).replace("cifar10_jpeg, random-10", "CIFAR-10 copy")
