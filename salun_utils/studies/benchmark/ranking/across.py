"""Methods across tasks: how probable it is that one run of a method is nearer to Retrain than a run
of another, and what share of its runs is how near (Agarwal et al., 2021).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....plots.tables import Cell, Table, between, table
from ....runs.summary import label
from ....seeds import derive
from ...common import NONE_RECORDED
from .places import Race

LEAST_TASKS = 2
RESAMPLES = 2000
OURS = "salun"


@dataclass(frozen=True)
class Across:
    """The methods that have a place on every one of several tasks.

    Attributes
    ----------
    tasks : what they are called. gaps : method -> the average gaps of its runs, an array a task.
        nothing : mean average gap of the original network, by task.
    """

    tasks: tuple[str, ...]
    gaps: dict[str, list[np.ndarray]]
    nothing: tuple[float, ...]


def across(races: Sequence[Race]) -> Across | None:
    """The tasks and the methods that they share, so that tasks times methods is most; None where no
    two tasks share two methods.

    A task without the original network has no scale, and is left out.
    """
    tasks = [race for race in races if race.nothing is not None]
    methods = {id(race): {row.method for row in race.rows} for race in tasks}
    chosen, shared = list[Race](), set[str]()
    for first in tasks:
        for some, common in _grown(first, tasks, methods):
            if len(common) > 1 and len(some) * len(common) > len(chosen) * len(shared):
                chosen, shared = some, common
    if not chosen:
        return None
    rows = [{row.method: row for row in race.rows} for race in chosen]
    order = sorted(shared, key=lambda m: np.mean([by[m].gap for by in rows]))
    gaps = {m: [np.array([r.gap["average"] for r in by[m].records]) for by in rows] for m in order}
    nothing = tuple(race.nothing.gap for race in chosen if race.nothing)
    return Across(tuple(race.name for race in chosen), gaps, nothing)


def _grown(
    first: Race, tasks: Sequence[Race], methods: Mapping[int, set[str]]
) -> Iterator[tuple[list[Race], set[str]]]:
    """Tasks added one at a time, the one first that keeps most methods, and what all share."""
    some, common = [first], methods[id(first)]
    left = [race for race in tasks if race is not first]
    while left:
        following = max(left, key=lambda race: len(common & methods[id(race)]))
        left.remove(following)
        some, common = [*some, following], common & methods[id(following)]
        if len(some) >= LEAST_TASKS:
            yield [race for race in tasks if any(race is one for one in some)], common


def probability(ours: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """How probable it is that a run of ours has the smaller gap than one of the other, on a task
    drawn at random; equal gaps count half.

    Parameters
    ----------
    ours, other : gaps of the runs on each task.
    """
    each = [
        ((a[:, None] < b).mean() + (a[:, None] == b).mean() / 2)
        for a, b in zip(ours, other, strict=True)
    ]
    return float(np.mean(each))


def interval(
    ours: Sequence[np.ndarray], other: Sequence[np.ndarray], *, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of `probability`, runs drawn anew within each task (percentile bootstrap)."""
    draws = np.random.default_rng(derive(seed, "probability of improvement"))
    found = [
        probability(*([draws.choice(a, len(a)) for a in side] for side in (ours, other)))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def improvement_table(found: Across | None, ours: str = OURS) -> Table:
    """How probable it is that a run of `ours` is nearer to Retrain than one of another method."""
    rows = {}
    if found is not None and ours in found.gaps:
        for method, gaps in found.gaps.items():
            if method == ours:
                continue
            low, high = interval(found.gaps[ours], gaps)
            value = f"{100 * probability(found.gaps[ours], gaps):.0f} %"
            rows[label(method)] = {
                f"{label(ours)} is nearer in": Cell(value, between(100 * low, 100 * high, 0)),
                **{t: f"{g.mean():.2f}" for t, g in zip(found.tasks, gaps, strict=True)},
            }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("against")
    note = (
        "Pairs of runs, averaged over the tasks, with a 95 % interval over seeds; beside it the"
        " other method's mean average gap on each task."
    )
    return table(frame, note=note if rows else NONE_RECORDED)


def profiles(found: Across, levels: Sequence[float]) -> pd.DataFrame:
    """Share of a method's runs, over all tasks alike, whose gap is at most `levels` times that of
    doing nothing. One row a level, one column a method.
    """
    scaled = {
        method: [g / nothing for g, nothing in zip(gaps, found.nothing, strict=True)]
        for method, gaps in found.gaps.items()
    }
    return pd.DataFrame(
        {m: [np.mean([(g <= x).mean() for g in gs]) for x in levels] for m, gs in scaled.items()},
        index=pd.Index(levels, name="level"),
    )
