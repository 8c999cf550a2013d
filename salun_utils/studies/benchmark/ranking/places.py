"""What the places of the leaderboard say of each task, in one table and one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import kendalltau

from ....plots.tables import Table, table
from ....runs.summary import label
from ....shown import amount
from ...claims import Claim
from ...common import NONE_RECORDED, Answer
from ..leaderboard import Board
from ..rows import Group, Row

LEAST_METHODS = 4  # that have a place, before a task is a race
MANY = 6  # methods in common, before two orders are compared
SHOWN = 3  # tasks that the answer looks at, those with most methods
ALIKE = 0.5  # Kendall's tau from which two orders are called much alike


@dataclass(frozen=True)
class Race:
    """One task on which several methods have places, best first."""

    group: Group
    rows: tuple[Row, ...]
    nothing: Row | None  # the original network, where it has an interval

    @property
    def name(self) -> str:
        """Such as "fashion-mini, small-cnn, random-10"."""
        return f"{self.group.data}, {self.group.model}, {self.group.scenario}"

    @property
    def first(self) -> list[str]:
        """Methods whose intervals leave the first place open."""
        return [label(row.method) for row in self.rows if row.best == 1]

    @property
    def salun(self) -> Row | None:
        """SalUn's row."""
        return next((row for row in self.rows if row.method == "salun"), None)

    @property
    def better(self) -> int | None:
        """Methods whose whole interval lies below that of doing nothing."""
        if self.nothing is None:
            return None
        return sum(row.high < self.nothing.low for row in self.rows)


def races(board: Board) -> list[Race]:
    """Tasks on which at least `LEAST_METHODS` methods have a place, most methods first."""
    found = []
    for group in board.groups:
        rows = [row for row in board.of(group) if row.best is not None]
        if group.tier == "published" or len(rows) < LEAST_METHODS:
            continue
        originals = [r for r in board.of(group, "reference") if r.method == "original"]
        nothing = next((r for r in originals if r.low == r.low), None)
        found.append(Race(group, tuple(rows), nothing))
    return sorted(found, key=lambda race: -len(race.rows))


def answer(found: Sequence[Race]) -> Answer:
    """On how many tasks one method is first alone, and SalUn may be; and how few methods are better
    than doing nothing on the hardest of the tasks that most were tried on.
    """
    if not found:
        return Answer((NONE_RECORDED,))
    alone = sum(len(race.first) == 1 for race in found)
    may = sum(race.salun is not None and race.salun.best == 1 for race in found)
    said = [
        f"On {alone} of {len(found)} tasks the interval of one method lies below those of all"
        f" others; on {may} of {len(found)} SalUn may be first. That goes by intervals of few"
        f" seeds, not by the paired test."
    ]
    asked = [race for race in found if race.better is not None]
    if asked:
        hard = min(asked[:SHOWN], key=lambda race: (race.better or 0) / len(race.rows))
        none = sum(race.better == 0 for race in asked if race is not hard)
        also = f"; on {none} other task{'s' * (none > 1)} no method is" if none else ""
        said.append(
            f"On {hard.name}, {hard.better} of {len(hard.rows)} methods are nearer to Retrain than"
            f" doing nothing by their intervals{also}."
        )
    return Answer(tuple(said))


def race_table(found: Sequence[Race]) -> Table:
    """One row a task: who may be first, SalUn's place, and how many are better than nothing, by
    their intervals.
    """
    rows = {}
    for race in found:
        counts = sorted({len(row.seeds) for row in race.rows})
        rows[race.name] = {
            "methods": len(race.rows),
            "seeds": str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}",
            "may be first": ", ".join(race.first),
            "SalUn's place": race.salun.place if race.salun else None,
            "better than nothing": None if race.better is None else f"{race.better}",
        }
    columns = ["methods", "seeds", "may be first", "SalUn's place", "better than nothing"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("task")
    return table(frame, note="" if rows else NONE_RECORDED)


def place_rows(
    found: Sequence[Race], *, scenario: str = "random-10", most: int = 2
) -> pd.DataFrame:
    """Places of the first `most` tasks of that scenario, for `stability_pictures.place_ranges`."""
    shown = [race for race in found if race.group.scenario == scenario]
    rows = [
        {
            "panel": f"{race.group.data}, {race.group.scenario}",
            "name": label(row.method),
            "best": row.best,
            "worst": row.worst,
            "gap": row.gap,
            "marked": row.method == "salun",
        }
        for race in shown[:most]
        for row in race.rows
    ]
    return pd.DataFrame(rows)


def beside_published(
    board: Board, scenario: str, *, least: int
) -> tuple[pd.DataFrame, dict[str, tuple[float, int]]]:
    """Average gaps of the paper beside those measured on the same kind of task.

    Parameters
    ----------
    least : seeds of a row that counts.

    Returns
    -------
    One row a published method, one column a source; and for each measured one Kendall's tau with
    the published order, and the methods it is over, where these are `MANY` or more.
    """
    groups = [group for group in board.groups if group.scenario == scenario]
    theirs = {
        row.method: row.gap
        for group in groups
        if group.tier == "published"
        for row in board.of(group)
        if row.method not in ("retrain", "original")
    }
    columns, order = {"published": theirs}, {}
    for group in groups:
        ours = {
            row.method: row.gap
            for row in board.of(group, "method")
            if row.method in theirs and len(row.seeds) >= least
        }
        if group.tier == "published" or not ours:
            continue
        name = f"{group.data}, {group.model}"
        columns[name] = ours
        if len(ours) >= MANY:
            both = [theirs[m] for m in ours], list(ours.values())
            order[name] = (float(kendalltau(*both).statistic), len(ours))
    frame = pd.DataFrame(columns).sort_values("published").rename(index=label)
    return frame, order


def published_table(board: Board, scenario: str, *, least: int) -> Table:
    """`beside_published` as a table, Kendall's tau below it."""
    frame, order = beside_published(board, scenario, least=least)
    said = [f"{name} {_over(*found)}" for name, found in order.items()]
    note = f"Kendall's tau with the published order: {'; '.join(said)}." if said else ""
    caption = f"{scenario}: average gap, points"
    best = [name for name in ("SalUn",) if name in frame.index]
    return table(frame, digits=2, best=best, caption=caption, note=note)


def _over(correlation: float, methods: int) -> str:
    return f"{amount(correlation, 2, signed=True)} over {methods} methods"


def place_claims(board: Board, found: Sequence[Race], *, least: int) -> list[Claim]:
    """What the page on places asks its readers to believe; counts and places alone, no tests."""
    may = [race.name for race in found if race.salun is not None and race.salun.best == 1]
    count = sum(race.salun is not None for race in found)
    claims = [
        Claim(
            "SalUn may be first on every task that it has a place on (intervals)",
            None if not count else len(may) == count,
            f"{len(may)} of {count}",
        )
    ]
    for race in (race for race in found if race.better is not None):
        text = f"{race.name}: every method is nearer to Retrain than doing nothing (intervals)"
        claims.append(
            Claim(text, race.better == len(race.rows), f"{race.better} of {len(race.rows)}")
        )
    for scenario in ("random-10", "random-50"):
        for name, (tau, number) in beside_published(board, scenario, least=least)[1].items():
            text = f"{scenario}, {name}: the order is much like the published one (tau ≥ {ALIKE})"
            claims.append(Claim(text, tau >= ALIKE, _over(tau, number)))
    return claims[:8]
