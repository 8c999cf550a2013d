"""The recorded sweeps over densities: sentences, tables, claims."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ...metrics import Verdict, compare_pairs
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...shown import amount
from ..claims import Claim
from ..common import NONE_RECORDED, Answer
from . import recorded as sweeps
from .recorded import AUTOMATIC, CHOICES, HALF, TOGETHER

LEAST = 3  # seeds behind a figure that a picture or a claim rests on
TASKS = (
    "fashion-mini, random-10",
    "fashion-mini, class-3",
    "fashion-mini, random-50",
    "cifar10_jpeg, random-10",
)
TENTH = TASKS[0]
RULES = {"per-layer": "a threshold for each layer", "random": "weights drawn at random"}
NAMES = {"saliency": "global", "per-layer": "per layer", "random": "random"}
GAPS = ("ua", "ra", "ta", "mia")


@dataclass(frozen=True)
class Sweeps:
    """Rows of `recorded.sweep_rows` by task, of tasks with enough seeds."""

    of: dict[str, pd.DataFrame]

    @classmethod
    def load(cls, tier: str = "cpu") -> Sweeps:
        """From the folder of records."""
        return cls.from_rows(sweeps.sweep_rows(load_records(tier=tier, study="sparsity")))

    @classmethod
    def from_rows(cls, rows: pd.DataFrame) -> Sweeps:
        """From these rows."""
        parts = {t: rows[rows.task == t] for t in TASKS} if len(rows) else {}
        return cls(
            {
                t: part
                for t, part in parts.items()
                if sweeps.densities(part).size and part.seed.nunique() >= LEAST
            }
        )

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All of them."""
        return pd.concat(self.of.values()) if self.of else pd.DataFrame()

    def means(self, task: str, mask: str = "saliency") -> pd.DataFrame:
        """Means over seeds by density."""
        part = self.of[task]
        return sweeps.by_density(part[part["mask"] == mask])

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

    def fixed(self) -> dict[float, Verdict]:
        """density -> is 50 % nearer to Retrain than it, by the mean over all tasks? p by Holm over
        the densities.
        """
        by_task = {t: sweeps.densities(part) for t, part in self.of.items()}
        if not by_task or any(HALF not in one for one in by_task.values()):
            return {}
        common = sorted(set.intersection(*(set(one.columns) for one in by_task.values())))
        mean = {
            k: sweeps.mean_of_tasks({t: one[k].to_dict() for t, one in by_task.items()})
            for k in common
        }
        pairs = {f"{k}": (mean[HALF], mean[k]) for k in common if k != HALF}
        return {float(k): verdict for k, verdict in compare_pairs(pairs).items()}


def load_rows(records: list[Record]) -> pd.DataFrame:
    """Rows of runs of the page, with the guessed gap."""
    return sweeps.sweep_rows(records)


def _per_cent(keep: float) -> str:
    return f"{100 * keep:g} %"


def answer(found: Sweeps) -> Answer:
    """Where saliency helps, and how many weights are enough."""
    beside, fixed = found.paired(TENTH, "random"), found.fixed()
    if not len(beside) or not fixed:
        return Answer((NONE_RECORDED,))
    listed = "; ".join(
        f"{_per_cent(float(k))} {row.saliency:.2f} against {row.random:.2f}"
        for k, row in beside.iterrows()
    )
    worse = [k for k, v in fixed.items() if k < HALF and v.test.difference < 0]
    rest = [v.test.difference for k, v in fixed.items() if k > HALF]
    return Answer(
        (
            f"Saliency pays when few weights are kept and costs at half. A random tenth forgotten,"
            f" average gap with the salient weights and with as many drawn at random: {listed}.",
            f"Over {len(found.of)} tasks every density below 50 % that was tried"
            f" ({', '.join(map(_per_cent, worse))}) is farther from Retrain on average; from 50 to"
            f" 100 % the mean changes by no more than {max(map(abs, rest)):.2f} points.",
        )
    )


def density_table(found: Sweeps, task: str) -> Table:
    """Means by density: signed gaps, the average gap with its interval, the cost."""
    if task not in found.of:
        return table(pd.DataFrame(), caption=task, note=NONE_RECORDED)
    means = found.means(task)
    rows = {
        _per_cent(float(keep)): {
            "seeds": int(row.seeds),
            **{f"{m.upper()} gap": amount(float(row[f"gap_{m}"]), signed=True) for m in GAPS},
            "average gap": Cell(f"{row.avg_gap:.2f}", between(row.avg_gap_low, row.avg_gap_high)),
            "cost, %": amount(100 * float(row.cost), 0),
        }
        for keep, row in means.iterrows()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, caption=task, best=[_per_cent(HALF)] if _per_cent(HALF) in rows else [])


def beside_table(found: Sweeps, mask: str) -> Table:
    """Another mask beside saliency at equal density, in every task that has both."""
    rows = {}
    for task in found.of:
        verdicts = found.nearer(task, mask)
        for keep, row in found.paired(task, mask).iterrows():
            verdict = verdicts[float(keep)]
            rows[f"{task}, {_per_cent(float(keep))}"] = {
                "seeds": int(row.seeds),
                "saliency": f"{row.saliency:.2f}",
                RULES[mask]: f"{row[mask]:.2f}",
                "saliency minus it": Cell(
                    amount(-float(row.difference), 2, signed=True), between(-row.high, -row.low)
                ),
                "saliency is nearer": verdict.answer,
            }
    return table(pd.DataFrame.from_dict(rows, orient="index"), note="" if rows else NONE_RECORDED)


def choice_table(found: Sweeps, task: str = TOGETHER) -> Table:
    """Each choice of the density against 50 %."""
    parts = [part for name, part in found.of.items() if task in (name, TOGETHER)]
    rows = {}
    for choice, verdicts in found.judged.items():
        if task not in verdicts:
            continue
        v = verdicts[task]
        kept = 100 * pd.concat([sweeps.choose(part, choice) for part in parts]).density
        automatic = choice in AUTOMATIC
        rows[CHOICES[choice]] = {
            "kept, %": Cell(f"{kept.mean():.0f}", f"({kept.min():.0f} to {kept.max():.0f})"),
            "minus 50 %": Cell(
                amount(v.test.difference, 2, signed=True), between(*v.test.interval)
            ),
            "p (Holm)": f"{v.p:.3f}" if automatic else None,
            "beats 50 %": v.answer if automatic else "a bound",
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, caption=task, note="" if rows else NONE_RECORDED)


def choice_ends(found: Sweeps) -> dict[str, dict[str, tuple[float, float, float]]]:
    """task -> choice -> difference to 50 % with its interval, for a picture."""
    ends = {
        t: {
            CHOICES[c]: (v[t].test.difference, *v[t].test.interval)
            for c, v in found.judged.items()
            if t in v
        }
        for t in (*found.of, TOGETHER)
    }
    return {t: one for t, one in ends.items() if one}


def fixed_table(found: Sweeps) -> Table:
    """Every density of the sweep beside 50 %, mean over all tasks."""
    rows = {
        _per_cent(keep): {
            "minus 50 %": Cell(
                amount(-v.test.difference, 2, signed=True),
                between(-v.test.interval.high, -v.test.interval.low),
            ),
            "pairs": v.test.n,
            "p (Holm)": f"{v.p:.3f}",
            "50 % is nearer": v.answer,
        }
        for keep, v in found.fixed().items()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index"), note="" if rows else NONE_RECORDED)


def claims(found: Sweeps) -> list[Claim]:
    """Saliency at few weights and at half; 50 % against others; automatic choices."""
    random, layers = found.nearer(TENTH, "random"), found.nearer(TENTH, "per-layer")
    fixed, judged = found.fixed(), found.judged
    best = {t: float(found.means(t).avg_gap.astype(float).idxmin()) for t in found.of}
    at_half = sum(keep == HALF for keep in best.values())
    listed = "; ".join(
        f"{t.removeprefix('fashion-mini, ')} {_per_cent(k)}" for t, k in best.items()
    )
    where = "random-10"
    return [
        Claim(
            f"{where}: with 1 % of the weights saliency is nearer to Retrain than a random choice",
            random.get(0.01),
        ),
        Claim(f"{where}: with half of them it is, too", random.get(HALF)),
        Claim(f"{where}: half of all weights is nearer than half of each layer", layers.get(HALF)),
        Claim("mean of all tasks: 50 % is nearer to Retrain than 1 %", fixed.get(0.01)),
        Claim("mean of all tasks: 50 % is nearer than all weights", fixed.get(1.0)),
        Claim(
            "50 % has the smallest average gap in every task (means)",
            at_half == len(best) if best else None,
            f"in {at_half} of {len(best)}: {listed}" if best else "",
        ),
        Claim(
            "mean of all tasks: the density at the knee beats 50 %",
            judged.get("knee", {}).get(TOGETHER),
        ),
        Claim(
            "mean of all tasks: that of the smallest guessed gap does",
            judged.get("guess", {}).get(TOGETHER),
        ),
    ]
