"""All recorded runs of classification as one table: places where the intervals allow them, and
published figures beside measured ones.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...metrics import bootstrap_interval
from ...runs import Record, records_folder
from ...runs.readings import ATTACKS, READINGS, gap_of_means, mean_of_gaps
from ...runs.records.alike import facts
from ...runs.records.standing import standing
from ...runs.summary import AGAIN, MEASURES, cost
from ...runs.tuning import entry_name, read_tuned
from ...unlearning import METHODS
from ..common import NONE_RECORDED
from .page import HEAD, cells, page_table, title
from .published import RANDOM, published
from .rows import AVERAGES, Group, Row, mostly_blind

LEAST_SEEDS = 3  # with fewer there is no interval to go by, and no place
RECIPE = (
    "width",
    "train_images",
    "train_classes",
    "train_epochs",
    "train_lr",
    "train_schedule",
    "train_batch_size",
    "train_recipe",
    "augment",
    "protocol",
)


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
    rows = [_row(groups[key], found) for (key, _), found in configurations.items()]
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


def published_rows() -> list[Row]:
    """Figures of other people, as rows without seeds, interval or place."""
    nan, rows = math.nan, []
    for scenario in (*RANDOM, "class"):
        table = published(scenario)
        retrain = table.loc["retrain"]
        note = (
            "published: Fan et al., ICLR 2024, ten trials"
            if scenario in RANDOM
            else "published, second-hand"
        )
        for method, line in table.iterrows():
            means = {m: float(line[m]) for m in MEASURES if m in line}
            gaps = {m: v - float(retrain[m]) for m, v in means.items()}
            spent = line["minutes"] / retrain["minutes"] if "minutes" in line else nan
            group = Group("published", "cifar10", "resnet18", scenario, note)
            rows.append(
                Row(
                    group,
                    method,
                    "",
                    "published",
                    (),
                    means,
                    gaps,
                    float(line.get("avg_gap", nan)),
                    nan,
                    nan,
                    float(spent),
                )
            )
    return rows


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


def _row(group: Group, found: dict[int, Record]) -> Row:
    records = [found[seed] for seed in sorted(found)]

    def mean(values):
        return sum(values) / len(values)

    spec, told = records[0].spec, tuple(r.can_tell for r in records)
    gaps = _gaps(records, blind=mostly_blind(told))
    method, rule = records[0].row()["method"], spec.get("mask") or "none"
    own = METHODS[method].mask or "none" if method in METHODS else "none"
    plain = rule == own and (rule == "none" or spec.get("keep", 0.5) == 0.5)
    own_place = "method" if plain else "variant"
    kind = "reference" if method in ("retrain", "original", AGAIN) else own_place
    mask = (
        ""
        if rule == "none"
        else rule
        if spec.get("keep", 0.5) == 0.5
        else f"{rule}, {100 * spec['keep']:g} %"
    )
    low, high = bootstrap_interval(gaps) if method != "retrain" else (math.nan, math.nan)
    means, signed = (
        {m: mean([getattr(r, part)[m] for r in records]) for m in MEASURES}
        for part in ("scores", "gap")
    )
    spent = mean([cost(r) for r in records])
    return Row(
        group,
        method,
        mask,
        kind,
        tuple(sorted(found)),
        means,
        signed,
        mean(gaps),
        low,
        high,
        spent,
        tuple(records),
        readings=_readings(records),
        search=_search(group, records[0]),
        told=told,
        worth=_worth(records),
    )


def _gaps(records: Sequence[Record], *, blind: bool) -> list[float]:
    """The average gap of each seed, of one kind for all: without MIA where the row is `blind`."""
    if not blind:
        return [r.gap["average"] for r in records]
    return [gap for r in records if (gap := r.gap_without_mia) is not None]


def _worth(records: Sequence[Record]) -> float:
    """Mean balanced accuracy of the attack where it was measured; NaN where it nowhere was."""
    found = [a["balanced_accuracy"] for r in records if (a := r.scores.get("attack"))]
    return sum(found) / len(found) if found else math.nan


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
