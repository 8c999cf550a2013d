"""All recorded runs of classification as one table: places where the intervals allow them, and
published figures beside measured ones.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...runs import Record
from ...runs.records.alike import facts
from ...runs.records.standing import standing
from ...runs.summary import AGAIN, MEASURES
from ..common import NONE_RECORDED
from .page import HEAD, cells, page_table, title
from .published import published_rows
from .rows import TRAINING, Group, Row, row_of

LEAST_SEEDS = 3  # with fewer there is no interval to go by, and no place
RECIPE = ("width", *TRAINING, "protocol")


@dataclass(frozen=True)
class Board:
    """The leaderboard: an HTML table in a notebook or on the page, plain text elsewhere. `left_out`
    counts records of other kinds; `standing` says how those that are shown stand.
    """

    rows: tuple[Row, ...]
    left_out: int = 0
    standing: str = ""
    groups: tuple[Group, ...] = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "groups", tuple(dict.fromkeys(row.group for row in self.rows)))

    def of(self, group: Group, *kinds: str) -> list[Row]:
        """Rows of one group, of all kinds unless some are named."""
        return [row for row in self.rows if row.group == group and (not kinds or row.kind in kinds)]

    def _repr_html_(self) -> str:
        return page_table(self.rows, self.standing)

    def __repr__(self) -> str:
        tables = [as_text(group, self.of(group)) for group in self.groups]
        return "\n\n".join([*tables, *filter(None, [self.standing])]) or (NONE_RECORDED)


def leaderboard(records: Iterable[Record], *, with_published: bool = True) -> Board:
    """The board of all records that hold UA, RA, TA, MIA and a gap; others are counted and left
    out.

    Seeds of one configuration make one row; a seed that was run twice counts once, with its latest
    record. Runs of other data, of another behaviour of the code or on another number of threads are
    rows of their own.
    """
    records = sorted(records, key=lambda r: r.created)
    scored = [r for r in records if all(m in r.scores for m in MEASURES) and "average" in r.gap]
    configurations: dict[tuple[str, str], dict[int, Record]] = {}
    for record in scored:
        seed = record.seeds.get("unlearning", record.spec.get("seed", 0))
        configurations.setdefault((_group_key(record), _settings(record)), {})[seed] = record
    groups = _named(
        {key: next(iter(found.values())) for (key, _), found in reversed(configurations.items())}
    )
    rows = [row_of(groups[key], found) for (key, _), found in configurations.items()]
    rows = [
        r
        for group in dict.fromkeys(groups.values())
        for r in placed(_older_are_variants([r for r in rows if r.group == group]))
    ]
    rows += published_rows() if with_published else []
    measured = {group[1:4] for group in groups.values()}

    def order(row: Row) -> tuple:
        """Measured groups first, each followed by what is published on the same task; within a
        group Retrain, then by the gap.
        """
        task = row.group[1:4]
        return (
            task not in measured,
            [_natural(t) for t in task],
            row.kind == "published",
            row.group,
            row.method not in ("retrain", AGAIN),
            _last(row.gap),
            row.method,
            row.mask,
        )

    stands = standing(r for row in rows for r in row.records) if scored else ""
    return Board(tuple(sorted(rows, key=order)), len(records) - len(scored), stands)


def placed(rows: Sequence[Row]) -> list[Row]:
    """The rows of one group with `best` and `worst` filled in.

    Methods with at least three seeds have places, where there are two or more of them; variants,
    references and published rows have none. A row is behind another for certain only if its whole
    interval lies above the other's: `best` is one more than the number of such others, `worst`
    leaves out those that are behind it for certain. Overlapping intervals share places.
    """
    racing = [
        r
        for r in rows
        if r.kind == "method" and len(r.seeds) >= LEAST_SEEDS and not math.isnan(r.low)
    ]
    found = {}
    for r in racing if len(racing) > 1 else ():
        ahead, behind = sum(o.high < r.low for o in racing), sum(o.low > r.high for o in racing)
        found[id(r)] = (1 + ahead, len(racing) - behind)
    return [
        replace(r, best=found[id(r)][0], worst=found[id(r)][1]) if id(r) in found else r
        for r in rows
    ]


def as_text(group: Group, rows: Sequence[Row]) -> str:
    """One group as a plain table."""
    lines = [HEAD, *(cells(row) for row in rows)]
    wide = [max(len(line[k]) for line in lines) for k in range(len(HEAD))]
    aligned = [
        [
            text.ljust(w) if 0 < k < 3 else text.rjust(w)
            for k, (text, w) in enumerate(zip(line, wide))
        ]
        for line in lines
    ]
    return "\n".join([title(group), *("  ".join(line).rstrip() for line in aligned)])


def _older_are_variants(rows: Sequence[Row]) -> list[Row]:
    """Of one method with several settings only the latest runs for places; the others stay as
    variants.
    """
    newest: dict[str, str] = {}
    for row in rows:
        if row.kind == "method":
            newest[row.method] = max(newest.get(row.method, ""), _created(row))

    def older(row):
        return row.kind == "method" and _created(row) < newest[row.method]

    return [
        (
            replace(row, kind="variant", mask=f"{row.mask} (earlier settings)".strip())
            if older(row)
            else row
        )
        for row in rows
    ]


def _created(row: Row) -> str:
    return max(r.created for r in row.records)


def _group_key(record: Record) -> str:
    row = record.row()
    recipe = {name: record.spec.get(name) for name in RECIPE}
    return json.dumps(
        [
            record.tier,
            row["dataset"],
            row["arch"],
            row["scenario"],
            record.data.get("fingerprint", ""),
            recipe,
        ],
        default=str,
    )


def _settings(record: Record) -> str:
    return json.dumps(facts(record), sort_keys=True, default=str)


def _named(sample: dict[str, Record]) -> dict[str, Group]:
    """A name for each group; where two would have the same one, what sets their recipes apart is
    added.
    """
    plain = {}
    for key, r in sample.items():
        row = r.row()
        plain[key] = Group(
            r.tier,
            row["dataset"],
            row["arch"],
            row["scenario"],
            r.spec.get("data_note") or r.data.get("note", ""),
        )
    named = {}
    for key, group in plain.items():
        alike = [sample[k].spec for k, g in plain.items() if g[:4] == group[:4]]
        differing = [n for n in RECIPE if len({str(spec.get(n)) for spec in alike}) > 1]
        named[key] = group._replace(
            apart=", ".join(f"{n} {_plain(sample[key].spec.get(n))}" for n in differing)
        )
    return named


def _plain(value: Any) -> str:
    return "none" if value is None else str(value)


def _natural(text: str | None) -> list:
    """A key by which random-5 comes before random-10."""
    parts = re.split(r"(\d+)", text or "")
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _last(value: float) -> float:
    return math.inf if math.isnan(value) else value
