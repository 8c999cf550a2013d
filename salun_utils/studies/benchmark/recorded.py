"""What the records say of methods and masks: the runs of one data set and network, in tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from ...metrics import CANT_TELL, Scores
from ...metrics.significance import Verdict
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...runs.summary import (
    AGAIN,
    MEASURES,
    gap_by_seed,
    label,
    of_a_method,
    plain,
    summarise,
)
from ...shown import amount
from ...unlearning import METHODS
from ..claims import difference, paired, word
from ..common import NONE_RECORDED, REMEMBERS
from ..yardstick import NAME, note, of_records
from .published import published

LEAST = 3  # seeds behind a figure that a picture or a claim rests on
REFERENCES = ("retrain", AGAIN, "original")  # rows to compare with; no method among methods
NO_MASK = "no mask (RL)"
Groups = dict[str, list[Record]]


@dataclass(frozen=True)
class Kind:
    """What the network of a benchmark is called: `name` in a sentence, `short` in a title and in a
    row, behind what is to be forgotten.
    """

    name: str
    short: str


USUAL = Kind("one that half remembers them", "")  # the book's own, which titles needn't name
REMEMBERING = Kind("a network that remembers all of its pictures", "all remembered")


@dataclass(frozen=True)
class Benchmark:
    """The recorded runs of one data set and network."""

    records: tuple[Record, ...]
    train_images: int | None = None
    kind: Kind = USUAL

    @classmethod
    def load(
        cls,
        *,
        tier: str = "cpu",
        dataset: str = "fashion-mini",
        arch: str = "small-cnn",
        train_images: int | None = None,
    ) -> Benchmark:
        """All runs of methods on a training set of that size, from the folder of records; None is
        all of it. Forget sets of a kind of their own are no part of the benchmark.

        Parameters
        ----------
        dataset : the name that the data gave themselves, which for a folder isn't its path.
        """
        found = load_records(tier=tier, arch=arch, train_images=train_images, where=of_a_method)
        return cls(tuple(r for r in found if r.row()["dataset"] == dataset), train_images)

    @classmethod
    def remembering(cls, *, tier: str = "cpu") -> Benchmark:
        """The runs on the network that remembers its training pictures, see `common.REMEMBERS`."""
        found = cls.load(tier=tier, **REMEMBERS)
        return replace(found, kind=REMEMBERING)

    @cached_property
    def plain(self) -> list[Record]:
        """Runs of a method as it is meant: under its own mask rule, at half of the weights."""
        return [r for r in self.records if plain(r, train_images=self.train_images)]

    def methods(self, scenario: str, *, least: int = 1) -> pd.DataFrame:
        """Means by method, as `runs.summary.summarise` gives them, of at least that many seeds."""
        runs = [r for r in self.plain if r.row()["scenario"] == scenario]
        part = summarise(runs, by=("method",))
        return part[part.seeds >= least]

    def by_method(self, scenario: str) -> Groups:
        """Method, as prose calls it -> its runs; of methods and the original, not of Retrain."""
        groups: Groups = {}
        for record in self.plain:
            row = record.row()
            if row["scenario"] == scenario and row["method"] not in ("retrain", AGAIN):
                groups.setdefault(label(row["method"]), []).append(record)
        return groups

    def again(self, scenario: str) -> list[Record]:
        """Runs of another Retrain, the yardstick of that scenario."""
        own = (r for r in self.plain if r.is_another_retrain)
        return [r for r in own if r.row()["scenario"] == scenario]

    def yardstick(self, scenario: str) -> float | None:
        """The mean gap of another Retrain, below which no difference is called one."""
        found = of_records(self.again(scenario))
        return None if found is None else float(found.avg_gap)

    def beside(self, groups: Groups, scenario: str) -> Groups:
        """Groups of runs with those of another Retrain as one more, where there are any."""
        again = self.again(scenario) if groups else []
        return {**groups, NAME: again} if again else groups

    def masks(self, scenario: str) -> Groups:
        """Mask rule -> runs of SalUn under it, at half of the weights; and of RL, without one."""
        groups: Groups = {}
        for record in self.records:
            row = record.row()
            if row["scenario"] != scenario or record.spec.get("keep") != 0.5:
                continue
            if row["method"] == "salun":
                groups.setdefault(row["mask"], []).append(record)
            elif row["method"] == "rl" and plain(record, train_images=self.train_images):
                groups.setdefault(NO_MASK, []).append(record)
        return groups

    def with_masks(self, scenario: str) -> pd.DataFrame:
        """Means by method; a method under another mask than its own is a row "SalUn, random"."""
        runs = [
            r
            for r in self.records
            if r.row()["scenario"] == scenario and r.spec.get("keep", 0.5) == 0.5
        ]
        part = summarise(runs, by=("method", "mask"))
        part.index = pd.Index([_under(method, mask) for method, mask in part.index])
        return part

    def under_masks(self, scenario: str, methods: Sequence[str] = ("ga", "iu")) -> Groups:
        """ "GA, random mask" -> runs; of methods that are recorded with and without a mask."""
        groups: Groups = {}
        for method in methods:
            own = [
                r
                for r in self.records
                if r.row()["scenario"] == scenario
                and r.row()["method"] == method
                and r.spec.get("keep") == 0.5
            ]
            rules = sorted({r.row()["mask"] for r in own}, key=lambda rule: rule != "none")
            for rule in rules if len(rules) > 1 else ():
                name = f"{label(method)}, {'no mask' if rule == 'none' else f'{rule} mask'}"
                groups[name] = [r for r in own if r.row()["mask"] == rule]
        return groups


def means(groups: Mapping[str, Iterable[Record]]) -> pd.DataFrame:
    """One row a group, smallest average gap first, with the columns of `summarise`."""
    rows = {name: summarise(runs).iloc[0] for name, runs in groups.items()}
    return pd.DataFrame(rows).T.sort_values("avg_gap") if rows else pd.DataFrame()


def method_table(part: pd.DataFrame, *, caption: str = "", best: Sequence[str] = ()) -> Table:
    """Rows of `summarise` by method, smallest average gap first; behind each score its signed gap
    to Retrain.

    Parameters
    ----------
    part : indexed by method, or by any other name. best : names of rows to mark, as shown.
    """
    if part.empty:
        return table(pd.DataFrame(columns=[*_HEAD]), caption=caption, note=NONE_RECORDED)
    ranked = part.sort_values("avg_gap", kind="stable")
    frame = pd.DataFrame({_name(str(name)): _row(row) for name, row in ranked.iterrows()}).T
    frame.columns = pd.Index(_HEAD)
    best = [name for name in best if name in frame.index]
    named = [label(n) for n in REFERENCES if n in part.index or label(n) in part.index]
    return table(
        frame, best=best, reference=named, caption=caption, note=part.attrs.get("note", "")
    )


BLIND = (
    "Can't tell: on this network or on Retrain the attack behind MIA is no better than a coin on"
    " pictures that it was not fitted on; the average gap is taken without it."
)
_HEAD = ("seeds", *(m.upper() for m in MEASURES), "average gap", "cost, %")


def _under(method: str, mask: str) -> str:
    own = METHODS[method].mask if method in METHODS else None
    return method if mask in (own, own or "none") else f"{label(method)}, {mask}"


def _name(name: str) -> str:
    return label(name) if name in METHODS or name in REFERENCES else name


def _row(row: pd.Series) -> list[object]:
    enough = row.seeds >= LEAST
    interval = between(row.avg_gap_low, row.avg_gap_high) if enough else ""
    return [
        int(row.seeds),
        *(_scored(row[m], row[f"gap_{m}"]) for m in MEASURES),
        Cell(amount(float(row.avg_gap), 2), interval),
        amount(100 * float(row.cost), 0),
    ]


def _scored(score: float, gap: float) -> Cell:
    return Cell(amount(float(score)), amount(float(gap), signed=True) if gap else "")


def live_table(scores: Mapping[str, Scores], retrained: Scores) -> Table:
    """Scores of models of one run, by method or by any other name, each with its signed gap to
    Retrain behind it.
    """
    every = {**scores, "retrain": retrained}
    rows = {_name(m): _live(s, retrained) for m, s in every.items()}
    if any(s.test_forgotten is not None for s in scores.values()):
        head = [*_HEAD[1:6], "test, this class"]
    else:
        head, rows = [*_HEAD[1:6]], {name: row[:-1] for name, row in rows.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=head)
    named = [label(name) for name in ("original", "retrain") if label(name) in rows]
    blind = any(s.gap(retrained).can_tell is False for s in every.values())
    return table(frame, reference=named, note=BLIND if blind else "")


def _live(scores: Scores, retrained: Scores) -> list[object]:
    gap = scores.gap(retrained)
    scored = {m: _scored(getattr(scores, m), getattr(gap, m)) for m in MEASURES}
    average = Cell(amount(gap.average_told, 2))
    if gap.can_tell is False:
        scored["mia"], average = Cell(CANT_TELL), Cell(average.text, "without MIA")
    return [*scored.values(), average, amount(scores.test_forgotten)]


def verdicts(groups: Groups, ours: str) -> dict[str, Verdict]:
    """Paired tests of the average gap of `ours` against each other group with `LEAST` seeds in
    common, p corrected by Holm for their number; empty where there are none. Another Retrain is no
    rival.
    """
    gaps = {name: gap_by_seed(runs) for name, runs in groups.items() if name != NAME}
    return paired(gaps, ours, least=LEAST)


def closer_in(groups: Groups, ours: str, other: str) -> tuple[int, int]:
    """Seeds in which `ours` is nearer to Retrain than `other`, and seeds that both have."""
    mine, theirs = (gap_by_seed(groups[name]) for name in (ours, other))
    common = sorted(set(mine) & set(theirs))
    return sum(mine[seed] < theirs[seed] for seed in common), len(common)


def published_table(scenario: str) -> Table:
    """The paper's figures, which were not measured here."""
    part = published(scenario)
    frame = part[list(MEASURES)].rename(columns=str.upper)
    frame["average gap"] = [amount(float(gap), 2) for gap in part.avg_gap]
    frame.index = pd.Index([label(m) for m in part.index])
    said = f"PUBLISHED, {scenario}: not measured here"
    return table(frame, digits=2, reference=["Retrain"], best=["SalUn"], caption=said)


def verdict_table(groups: Groups, ours: str, *, caption: str = "") -> Table:
    """The tests of `verdicts`, smallest difference first: a negative one is in favour of `ours`.
    Below it stands which are smaller than the gap of another Retrain, where the groups have it.
    """
    found = verdicts(groups, ours)
    again = of_records(groups.get(NAME, ()))
    floors = {"": None if again is None else float(again.avg_gap)}
    said = note(floors, {"": {name: v.test.difference for name, v in found.items()}})
    rows = {
        name: {
            "difference": difference(v),
            "closer in": "{} of {}".format(*closer_in(groups, ours, name)),
            "p (Holm)": amount(v.p, 3),
            f"{ours} is nearer": word(v),
        }
        for name, v in sorted(found.items(), key=lambda pair: pair[1].test.difference)
    }
    columns = ["difference", "closer in", "p (Holm)", f"{ours} is nearer"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table(frame, caption=caption, note=said if rows else NONE_RECORDED)
