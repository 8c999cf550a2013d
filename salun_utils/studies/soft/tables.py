"""The recorded runs of hard, soft and annealed masks as tables and claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ...metrics import PairedTest, Verdict, bootstrap_interval, compare_pairs, compare_with
from ...plots.tables import Cell, Table, between, table
from ...runs import load_records, over_seeds
from ...runs.summary import label, one_a_seed, plain
from ...runs.tuning import read_tuned
from ...shown import amount
from ...unlearning.salun_soft import SCHEDULES
from ..claims import Claim, word
from ..common import NONE_RECORDED, Answer
from ..yardstick import NAME, Row, beside, in_words, load, note, with_row, yardstick
from . import recorded
from .recorded import by_seed

LEAST = 3  # seeds behind a figure that a picture or a claim rests on
WHERE: dict[str, Any] = {"dataset": "fashion-mini", "arch": "small-cnn", "train_images": None}
TUNED = {
    "random-10": "fashion-mini_small-cnn_random-10.yaml",
    "class-3": "fashion-mini_small-cnn_class.yaml",
}
METHODS = ("rl", "salun", "salun-soft", "salun-annealed")
HALF = {"SalUn, half": ("SalUn", 0.5), "annealed, half": ("SalUn-annealed", 0.5)}
HEADS = {"gap_ua": "UA gap", "gap_ra": "RA gap", "gap_ta": "TA gap", "gap_mia": "MIA gap"}
Groups = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Study:
    """Rows by scenario, where chosen values lie, and what another Retrain comes to by scenario."""

    rows: Groups
    tuned: Path
    fifty: dict[str, dict[int, float]]
    again: Mapping[str, Row] = field(default_factory=dict)

    @classmethod
    def load(cls, tuned: Path, tier: str = "cpu") -> Study:
        """From the folder of records; gaps of MIA at 50 % come from the benchmark's runs."""
        rows = recorded.study(load_records(tier=tier, study="soft", **WHERE))
        runs = load_records(tier=tier, scenario="random-50", where=plain, **WHERE)
        fifty = {
            label(m): {
                seed: r.gap["mia"]
                for seed, r in one_a_seed(r for r in runs if r.spec["method"] == m).items()
            }
            for m in METHODS
        }
        again = load((*rows, "random-50"), tier=tier)
        return cls(rows, tuned, {name: gaps for name, gaps in fifty.items() if gaps}, again)

    @cached_property
    def equal(self) -> Groups:
        """Scenario -> runs that differ only in how weights are held back."""
        found = {where: recorded.alike(rows) for where, rows in self.rows.items()}
        return {w: rows for w, rows in found.items() if rows.seed.nunique() >= LEAST}

    @cached_property
    def own(self) -> dict[str, Groups]:
        """Scenario -> method -> runs with the values tuned for it."""
        found = {
            where: recorded.tuned_rows(rows, read_tuned(self.tuned / TUNED[where]))
            for where, rows in self.rows.items()
            if where in TUNED
        }
        kept = {
            where: {n: rows for n, rows in groups.items() if rows.seed.nunique() >= LEAST}
            for where, groups in found.items()
        }
        return {where: groups for where, groups in kept.items() if len(groups) > 1}

    def path(self, where: str) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
        """Gaps along the falling penalty, and those of the two masks and of another Retrain to
        compare with.
        """
        shares = recorded.by_density(self.equal[where])
        levels = {n: shares.loc[k] for n, k in HALF.items()}
        levels |= {NAME: self.again[where]} if where in self.again else {}
        return recorded.path(self.equal[where]), levels

    def floor(self, where: str) -> float | None:
        """The gap of another Retrain on a scenario."""
        return yardstick(self.again.get(where))

    @property
    def floors(self) -> dict[str, float]:
        """Scenario -> gap of another Retrain, where it is recorded."""
        return {where: float(row.avg_gap) for where, row in self.again.items()}

    def densities(self) -> dict[str, pd.DataFrame]:
        """Scenario -> gaps of the hard and the annealed mask by share."""
        return {where: recorded.by_density(rows) for where, rows in self.equal.items()}

    def means(self, where: str) -> pd.DataFrame:
        """Means by method, each with its own values."""
        groups = [rows.assign(name=name) for name, rows in self.own[where].items()]
        return over_seeds(pd.concat(groups), ["name"], list(recorded.GAPS))

    def against(self, where: str, ours: str = "SalUn-annealed") -> dict[str, Verdict]:
        """Is `ours` nearer to Retrain than the others, each with its own values?"""
        gaps = {name: by_seed(rows) for name, rows in self.own.get(where, {}).items()}
        return compare_with(gaps, ours) if ours in gaps and len(gaps) > 1 else {}

    def mia(self) -> dict[str, dict[str, dict[int, float]]]:
        """Scenario -> method -> seed -> gap of MIA."""
        ten = {n: by_seed(r, "gap_mia") for n, r in self.own.get("random-10", {}).items()}
        found = {"random-10": ten, "random-50": self.fifty}
        return {
            where: {n: g for n, g in groups.items() if len(g) >= LEAST}
            for where, groups in found.items()
        }


def answer(study: Study, where: str = "random-10") -> Answer:
    """Which way is nearest to Retrain, each tuned on its own."""
    if where not in study.own:
        return Answer((NONE_RECORDED,))
    gaps = study.means(where).avg_gap.sort_values()
    best = str(gaps.index[0])
    listed = [f"{n} {amount(float(g), 2)}" for n, g in gaps.items()]
    rest = ", ".join(filter(None, [*listed, in_words(study.floor(where))]))
    verdict = study.against(where, best).get("SalUn")
    words = {
        "too few": f"there are too few seeds for a test to tell {best} from SalUn",
        "undecided": f"the test can't tell {best} from SalUn",
    }
    said = "" if verdict is None else words.get(verdict.answer, "the test decides against SalUn")
    first = f"Each tuned on its own, {best} has the smallest average gap at 10 %: {rest}"
    return Answer((f"{first}; {said}." if said else f"{first}.",))


def own_table(study: Study, where: str) -> Table:
    """The methods on a scenario, each with its own values, and another Retrain."""
    means = study.means(where) if where in study.own else pd.DataFrame()
    return gap_table(with_row(means, study.again.get(where)), caption=where)


def gap_table(found: pd.DataFrame, *, caption: str = "", index: str = "") -> Table:
    """Rows of `over_seeds`: the average gap with its interval, and the signed gaps."""
    if not len(found):
        return table(pd.DataFrame(), caption=caption, note=NONE_RECORDED)
    rows = {
        str(name): {
            "seeds": int(row.seeds),
            "average gap": Cell(
                amount(float(row.avg_gap), 2), between(row.avg_gap_low, row.avg_gap_high)
            ),
            **{h: amount(float(row[c]), signed=True) for c, h in HEADS.items()},
        }
        for name, row in found.iterrows()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis(index)
    best, named = ([n] if n in frame.index else [] for n in ("SalUn", NAME))
    return table(frame, caption=caption, best=best, reference=named)


def schedule_table(study: Study, where: str) -> Table:
    """The same penalty under three schedules, at the penalties that all were run with."""
    if where not in study.equal:
        return table(pd.DataFrame(), note=NONE_RECORDED)
    rows = study.equal[where]
    paths = {s: recorded.path(rows[rows.method == "salun-soft"], s) for s in SCHEDULES}
    common = sorted(set.intersection(*(set(t.index) for t in paths.values())))
    names = {"linear": "falling"}
    found = {f"{b:g}, {names.get(s, s)}": paths[s].loc[b] for b in common for s in SCHEDULES}
    every = with_row(pd.DataFrame(found).T, study.again.get(where))
    return gap_table(every, caption=where, index="β, schedule")


def share_verdicts(study: Study, where: str) -> dict[str, Verdict]:
    """Is the annealed mask nearer to Retrain than the hard one, at each share of weights?"""
    if where not in study.equal:
        return {}
    rows = study.equal[where]
    hard, soft = rows[rows.method == "salun"], rows[rows.method == "salun-annealed"]
    return compare_pairs(
        {
            f"{100 * k:g} %": (by_seed(soft[soft.final_keep == k]), by_seed(hard[hard.keep == k]))
            for k in sorted(hard.keep.unique())
        }
    )


def verdict_table(
    found: Mapping[str, Verdict], *, what: str, caption: str = "", floor: float | None = None
) -> Table:
    """Paired tests: the difference of average gaps with its interval, p by Holm, the answer.

    Parameters
    ----------
    what : what the answer is to. floor : gap of another Retrain on that scenario.
    """
    rows = {
        name: {**_of_test(v.test), "p (Holm)": f"{v.p:.3f}", what: word(v)}
        for name, v in found.items()
    }
    columns = ["difference", "smaller in", "p (Holm)", what]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    said = note({"": floor}, {"": {name: v.test.difference for name, v in found.items()}})
    return table(frame, caption=caption, note=said if rows else NONE_RECORDED)


def _of_test(test: PairedTest) -> dict[str, object]:
    worded = Cell(amount(test.difference, 2, signed=True), between(*test.interval))
    return {"difference": worded, "smaller in": f"{test.n - test.wins} of {test.n}"}


def mia_rows(study: Study, published: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Index (scenario, method): columns seeds, measured, low, high, published.

    Parameters
    ----------
    published : scenario -> method -> its published gap of MIA.
    """
    rows = {}
    for where, groups in study.mia().items():
        by_name = {label(m): gap for m, gap in published.get(where, {}).items()}
        for name, gaps in groups.items():
            low, high = bootstrap_interval(list(gaps.values()))
            rows[where, name] = {
                "seeds": len(gaps),
                "measured": sum(gaps.values()) / len(gaps),
                "low": low,
                "high": high,
                "published": by_name.get(name, float("nan")),
            }
        if groups and (again := study.again.get(where)) is not None:
            rows[where, NAME] = {
                "seeds": again.seeds,
                "measured": again.gap_mia,
                "low": again.gap_mia_low,
                "high": again.gap_mia_high,
                "published": float("nan"),
            }
    return pd.DataFrame(rows).T


def mia_table(found: pd.DataFrame) -> Table:
    """`mia_rows` as a table."""
    if not len(found):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    rows = {
        f"{where}, {name}": {
            "seeds": int(row.seeds),
            "measured": Cell(amount(row.measured, 2, signed=True), between(row.low, row.high)),
            "published": amount(row.published, 2, signed=True),
        }
        for (where, name), row in found.iterrows()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index"), caption="MIA gap, points")


def claims(study: Study, mia: pd.DataFrame) -> list[Claim]:
    """Does annealed beat hard, and does the soft one over-forget as published?"""
    said = []
    for where in ("random-10", "class-3"):
        found = study.against(where).get("SalUn")
        text = f"{where}, each tuned: SalUn-annealed is nearer to Retrain than SalUn"
        said.append(beside(Claim(text, found), study.floor(where)))
    for where in ("random-10", "random-50"):
        text = f"{where}: SalUn-soft's MIA gap is larger than SalUn's, as published"
        groups = study.mia().get(where, {})
        if not {"SalUn", "SalUn-soft"} <= set(groups):
            said.append(Claim(text, None))
            continue
        pair = {"": (groups["SalUn-soft"], groups["SalUn"])}
        worded = ", ".join(
            f"{n} {amount(float(mia.measured[where, n]), 1, signed=True)}"
            for n in ("SalUn-soft", "SalUn")
        )
        verdict = compare_pairs(pair, better="higher")[""]
        said.append(Claim(text, verdict, f"{worded}, p = {verdict.p:.3f}, {verdict.test.n} pairs"))
    return said
