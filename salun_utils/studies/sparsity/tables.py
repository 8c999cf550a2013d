"""The recorded sweeps over densities: sentences, tables, claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from ...metrics import Verdict, compare_pairs
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...shown import amount
from ..claims import Claim, word
from ..common import NONE_RECORDED, Answer
from ..yardstick import NAME, Row, beside, in_words, load, note, with_row, yardstick
from . import recorded as sweeps
from .recorded import AUTOMATIC, CHOICES, HALF

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
GAPS = ("ua", "ra", "ta", "mia")


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
        rows = sweeps.sweep_rows(load_records(tier=tier, study="sparsity"))
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
                if sweeps.densities(part).size and part.seed.nunique() >= LEAST
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
        return sweeps.by_density(part[part["mask"] == mask])

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
        found = sweeps.paired(self.of[task], mask)
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
            drawn[t] = {NAMES[m]: sweeps.by_density(same[same["mask"] == m]) for m in masks}
        return drawn

    @cached_property
    def judged(self) -> dict[str, dict[str, Verdict]]:
        """choice -> task -> does it beat 50 %?"""
        return sweeps.judge(self.rows) if self.of else {}

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
        by_task = {t: sweeps.densities(part) for t, part in self.of.items()}
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


def load_rows(records: list[Record]) -> pd.DataFrame:
    """Rows of runs of the page, with the guessed gap."""
    return sweeps.sweep_rows(records)


def _per_cent(keep: float) -> str:
    return f"{100 * keep:g} %"


def short(task: str) -> str:
    """A task as a heading: the data set is named where it isn't fashion-mini."""
    return task.removeprefix(SMALL).replace("cifar10_jpeg, random-10", "CIFAR-10 copy")


def _said(verdicts: list[Verdict]) -> str:
    """What tests of one table say together."""
    if all(v.answer == "too few" for v in verdicts):
        return f"with {_span([v.test.n for v in verdicts])} seeds no test can decide it"
    decided = sum(v.answer in ("yes", "no") for v in verdicts)
    return f"the tests decide {decided} of {len(verdicts)}"


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def answer(found: Sweeps) -> Answer:
    """Where saliency is nearer than random weights, and which density is best, by the means."""
    paired, verdicts = found.paired(TENTH, "random"), found.nearer(TENTH, "random")
    if not len(paired) or not found.fixed:
        return Answer((NONE_RECORDED,))
    listed = "; ".join(
        f"{_per_cent(float(k))} {row.saliency:.2f} against {row.random:.2f}"
        for k, row in paired.iterrows()
    )
    listed += f"; {again}" if (again := in_words(found.floor(TENTH))) else ""
    sides: dict[str, list[str]] = {"nearer": [], "farther": []}
    for k, v in verdicts.items():
        sides["nearer" if v.test.difference < 0 else "farther"].append(_per_cent(k))
    where = ", ".join(f"{side} at {' and '.join(ks)}" for side, ks in sides.items() if ks)
    best = "; ".join(f"{short(t)} {_per_cent(k)}" for t, k in found.best.items())
    return Answer(
        (
            f"A random tenth forgotten: beside as many weights drawn at random, the salient ones"
            f" end {where} of the weights, by the means; {_said(list(verdicts.values()))}."
            f" Average gaps: {listed}.",
            f"The density of the smallest mean gap differs from task to task: {best}.",
        )
    )


def density_table(found: Sweeps, task: str) -> Table:
    """Means by density: signed gaps, the average gap with its interval, the cost; another Retrain
    last.
    """
    if task not in found.of:
        return table(pd.DataFrame(), caption=task, note=NONE_RECORDED)
    means = with_row(found.means(task).rename(index=_per_cent), found.again.get(task))
    rows = {
        str(name): {
            "seeds": int(row.seeds),
            **{f"{m.upper()} gap": amount(float(row[f"gap_{m}"]), signed=True) for m in GAPS},
            "average gap": Cell(f"{row.avg_gap:.2f}", between(row.avg_gap_low, row.avg_gap_high)),
            "cost, %": amount(100 * float(row.cost), 0),
        }
        for name, row in means.iterrows()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    best, named = ([n] if n in rows else [] for n in (_per_cent(HALF), NAME))
    return table(frame, caption=task, best=best, reference=named)


def beside_table(found: Sweeps, mask: str) -> Table:
    """Another mask beside saliency at equal density, in every task that has both."""
    rows, apart = {}, dict[str, dict[str, float]]()
    for task in found.of:
        verdicts = found.nearer(task, mask)
        apart[task] = {
            f"{short(task)} {_per_cent(k)}": v.test.difference for k, v in verdicts.items()
        }
        for keep, row in found.paired(task, mask).iterrows():
            verdict = verdicts[float(keep)]
            rows[f"{task}, {_per_cent(float(keep))}"] = {
                "seeds": int(row.seeds),
                "saliency": f"{row.saliency:.2f}",
                NAMES[mask]: f"{row[mask]:.2f}",
                "saliency minus it": Cell(
                    amount(-float(row.difference), 2, signed=True), between(-row.high, -row.low)
                ),
                "saliency is nearer": word(verdict),
            }
    said = found.note({task: one for task, one in apart.items() if one}) if rows else NONE_RECORDED
    return table(pd.DataFrame.from_dict(rows, orient="index"), note=said)


def choice_table(found: Sweeps) -> Table:
    """Each choice of the density against 50 %, task by task: the difference of the mean gaps, a
    star where the test decides.
    """
    rows: dict[str, dict[str, Cell]] = {}
    for choice, verdicts in found.judged.items():
        kept = 100 * pd.concat([sweeps.choose(found.of[t], choice) for t in verdicts]).density
        name = CHOICES[choice] if choice in AUTOMATIC else f"{CHOICES[choice]} (a bound)"
        rows[name] = {
            "kept, %": Cell(f"{kept.mean():.0f}", f"({kept.min():.0f} to {kept.max():.0f})"),
            **{short(t): _against(v, choice in AUTOMATIC) for t, v in verdicts.items()},
        }
    automatic = [v for c, vs in found.judged.items() if c in AUTOMATIC for v in vs.values()]
    small = found.note(
        {
            t: {
                f"{short(t)} {CHOICES[c]}": vs[t].test.difference
                for c, vs in found.judged.items()
                if t in vs
            }
            for t in found.of
        }
    )
    return _differences(rows, automatic, ["kept, %", *map(short, found.of)], small)


def _against(verdict: Verdict, tested: bool = True, sign: int = 1) -> Cell:
    star = "*" if tested and verdict.answer in ("yes", "no") else ""
    return Cell(amount(sign * verdict.test.difference, 2, signed=True), star)


def _differences(rows: dict, verdicts: list[Verdict], columns: list[str], small: str = "") -> Table:
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    if not rows:
        return table(frame, note=NONE_RECORDED)
    note = (
        f"A star: decided, p below 0.05 after Holm's correction for {len(verdicts)} comparisons.\n"
        f"{_said(verdicts).capitalize()}." + (f"\n{small}" if small else "")
    )
    caption = "average gap minus that with 50 %, points"
    return table(frame.astype(object).where(frame.notna(), None), caption=caption, note=note)


def choice_ends(found: Sweeps) -> dict[str, dict[str, tuple[float, float, float]]]:
    """task -> choice -> difference to 50 % with its interval, for a picture."""
    ends = {
        t: {
            CHOICES[c]: (v[t].test.difference, *v[t].test.interval)
            for c, v in found.judged.items()
            if t in v
        }
        for t in found.of
    }
    return {t: one for t, one in ends.items() if one}


def fixed_table(found: Sweeps) -> Table:
    """Every density of the sweep beside 50 %, task by task: as `choice_table`."""
    rows: dict[str, dict[str, Cell]] = {}
    for k in sorted({k for verdicts in found.fixed.values() for k in verdicts}):
        rows[_per_cent(k)] = {
            short(t): _against(v[k], sign=-1) for t, v in found.fixed.items() if k in v
        }
    verdicts = [v for one in found.fixed.values() for v in one.values()]
    small = found.note(
        {
            t: {f"{short(t)} {_per_cent(k)}": v.test.difference for k, v in one.items()}
            for t, one in found.fixed.items()
        }
    )
    return _differences(rows, verdicts, [short(t) for t in found.fixed], small)


def claims(found: Sweeps) -> list[Claim]:
    """Saliency at few weights and at half; 50 % against others; automatic choices."""
    random, layers = found.nearer(TENTH, "random"), found.nearer(TENTH, "per-layer")
    fixed, best = found.fixed, found.best
    at_half = sum(keep == HALF for keep in best.values())
    listed = "; ".join(f"{short(t)} {_per_cent(k)}" for t, k in best.items())
    where, tenth = short(TENTH), found.floor(TENTH)
    nearer = [
        Claim(
            f"{where}: with 1 % of the weights saliency is nearer to Retrain than a random choice",
            random.get(0.01),
        ),
        Claim(f"{where}: with half of them it is, too", random.get(HALF)),
        Claim(f"{where}: half of all weights is nearer than half of each layer", layers.get(HALF)),
    ]
    than_all = {
        t: Claim(f"{short(t)}: half of the weights is nearer than all", fixed.get(t, {}).get(1.0))
        for t in TASKS[2:]
    }
    said = [
        *(beside(claim, tenth) for claim in nearer),
        *(beside(claim, found.floor(t)) for t, claim in than_all.items()),
        Claim(
            "50 % has the smallest average gap in every task (means)",
            at_half == len(best) if best else None,
            f"in {at_half} of {len(best)}: {listed}" if best else "",
        ),
    ]
    texts = {
        "knee": "the density at the knee beats 50 % in every task (means)",
        "guess": "the density of the smallest guessed gap does, too (means)",
    }
    return [*said, *(_beats(text, found.judged.get(c, {})) for c, text in texts.items())]


def _beats(text: str, verdicts: dict[str, Verdict]) -> Claim:
    if not verdicts:
        return Claim(text, None)
    won = sum(v.test.difference < 0 for v in verdicts.values())
    return Claim(text, won == len(verdicts), f"in {won} of {len(verdicts)}")
