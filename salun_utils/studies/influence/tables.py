"""The recorded studies of gradient and influence: sentences, tables, claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ...metrics import Verdict, compare_pairs
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records, over_seeds
from ...shown import amount
from ..claims import Claim, in_words, word
from ..common import NONE_RECORDED, Answer
from . import summary
from .watching import by_chance

LEAST = 3  # seeds behind a figure that a picture or a claim rests on
RANKINGS = ("gradient", "influence", "magnitude")
WORDED = {"class-3": "one class", "random-10": "a random tenth"}
RANKS = {"rank_forget": "forget loss", "rank_retain": "retain loss", "rank_selective": "selective"}
SHOWN = {"zero": "zero", "equal noise": "equal noise", "undo": "undone"}
OVERLAPS = {"jaccard_50": "half kept", "jaccard_10": "tenth kept", "rank": "rank correlation"}


@dataclass(frozen=True)
class Studies:
    """Records by scenario, of scenarios with enough seeds."""

    runs: dict[str, list[Record]]

    @classmethod
    def load(cls, tier: str = "cpu") -> Studies:
        """From the folder of records."""
        found = summary.studies(
            load_records(
                tier=tier,
                method="influence",
                dataset="fashion-mini",
                arch="small-cnn",
                train_images=None,
            )
        )
        return cls({where: runs for where, runs in found.items() if len(runs) >= LEAST})

    def measured(self, *path: str) -> pd.DataFrame:
        """Figures under one branch of the measurements."""
        return summary.measured(self.runs, *path)

    def by_seed(self, where: str, column: str, *path: str) -> dict[int, float]:
        """One figure of one scenario, by seed."""
        rows = self.measured(*path).set_index(["scenario", "seed"])
        return rows[column][where].to_dict()

    @cached_property
    def deciles(self) -> pd.DataFrame:
        """`summary.decile_figures` of all scenarios."""
        return summary.decile_figures(summary.decile_rows(self.runs))

    def orderings(self, where: str) -> pd.DataFrame:
        """Means over seeds by (scoring, change)."""
        rows = self.deciles[self.deciles.scenario == where]
        return over_seeds(rows, ["scoring", "change"], [*RANKS, "top", "upper"])


LITTLE = 0.05  # of the squared move: a difference below it hardly matters


def answer(studies: Studies) -> Answer:
    """What the gradient tells of the move that retraining makes, and whose weights it finds."""
    if not studies.runs:
        return Answer((NONE_RECORDED,))
    head = over_seeds(studies.measured("head"), ["scenario"], _head())
    said = []
    for where, row in head.iterrows():
        added = row.set_half_by_influence - row.set_half_by_gradient
        said.append(
            f"{WORDED.get(str(where), str(where)).capitalize()} left out of the last layer: the"
            f" gradient ranks the weights that retraining moves at {row.set_by_gradient:.2f},"
            f" influence at {row.set_by_influence:.2f}. Of the squared move the upper half by"
            f" gradient holds {100 * row.set_half_by_gradient:.0f} %, by influence"
            f" {100 * row.set_half_by_influence:.0f} %: for a mask of half of the weights the"
            f" curvature {'hardly matters' if added < LITTLE else 'matters less than for ranks'}."
        )
    return Answer(tuple(said))


def _head() -> list[str]:
    return [f"set_{half}by_{k}" for half in ("", "half_") for k in RANKINGS]


def _cell(
    row: pd.Series, name: str, times: float = 1.0, digits: int = 2, ends: int | None = None
) -> Cell:
    low, high = times * row[f"{name}_low"], times * row[f"{name}_high"]
    interval = between(low, high, digits if ends is None else ends)
    return Cell(amount(float(times * row[name]), digits), interval)


def head_table(studies: Studies) -> Table:
    """The last layer: how well each ranking tells which weights retraining moves."""
    if not studies.runs:
        return table(pd.DataFrame(), note=NONE_RECORDED)
    head = over_seeds(studies.measured("head"), ["scenario"], _head())
    rows = {
        f"{where}, by {k}": {
            "rank correlation": _cell(row, f"set_by_{k}"),
            "squared move in its upper half, %": _cell(row, f"set_half_by_{k}", 100, 0),
        }
        for where, row in head.iterrows()
        for k in RANKINGS
    }
    return table(pd.DataFrame.from_dict(rows, orient="index"))


def single_table(studies: Studies) -> Table:
    """Pictures left out one at a time: which change of the loss on test pictures, and on the
    picture itself, is larger?
    """
    heads = {
        "one_test": "influence, test",
        "one_own": "influence, own",
        "one_test_by_gradient_norm": "gradient, test",
        "one_own_by_gradient_norm": "gradient, own",
    }
    return _means(studies, heads, "head")


def _means(studies: Studies, heads: Mapping[str, str], *path: str) -> Table:
    if not studies.runs:
        return table(pd.DataFrame(columns=list(heads.values())), note=NONE_RECORDED)
    found = over_seeds(studies.measured(*path), ["scenario"], list(heads))
    rows = {
        str(where): {"seeds": int(row.seeds), **{h: _cell(row, c) for c, h in heads.items()}}
        for where, row in found.iterrows()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index"))


def ordering_table(studies: Studies, where: str) -> Table:
    """Four orderings of the weights: how the change of the losses goes with the decile, and how
    much of the change on D_f the highest decile holds.
    """
    if where not in studies.runs:
        return table(pd.DataFrame(), caption=where, note=NONE_RECORDED)
    rows = {
        f"{str(scoring).removesuffix(' gradient')}, {SHOWN[str(change)]}": {
            **{head: _cell(row, name, ends=1) for name, head in RANKS.items()},
            "decile 10, %": _cell(row, "top", 100, 0),
            "6 to 10, %": amount(100 * float(row.upper), 0),
        }
        for (scoring, change), row in studies.orderings(where).iterrows()
        if change in SHOWN
    }
    best = [name for name in rows if name.startswith("saliency")]
    return table(pd.DataFrame.from_dict(rows, orient="index"), best=best, caption=where)


def beside_table(studies: Studies) -> Table:
    """Rank correlation of saliency, weight by weight, with other orderings."""
    heads = {
        "retain gradient": "gradient on D_r",
        "magnitude": "magnitude",
        "moved": "moved by RL",
        "random": "random",
    }
    return _means(studies, heads, "deciles", "rank")


def drift_levels(studies: Studies) -> dict[str, dict[str, float]]:
    """Scenario -> overlaps to compare the drift with."""
    halves = studies.measured("drift", "halves").groupby("scenario").jaccard_50.mean()
    chance = by_chance(0.5)
    return {w: {"halves of the forget set": halves[w], "by chance": chance} for w in studies.runs}


def overlap_table(studies: Studies) -> Table:
    """Two masks compared: at the start and after unlearning, of halves of D_f, of D_f and D_r."""
    if not studies.runs:
        return table(pd.DataFrame(), note=NONE_RECORDED)
    paths = summary.drift_rows(studies.runs)
    last = int(paths.epoch.max())
    kinds = {
        f"after {last} epoch{'s' if last != 1 else ''}": paths[paths.epoch == last],
        "halves of D_f": studies.measured("drift", "halves"),
        "D_f and D_r": studies.measured("drift", "retain"),
    }
    rows = {
        f"{where}, {kind}": {head: _cell(row, name) for name, head in OVERLAPS.items()}
        for kind, figures in kinds.items()
        for where, row in over_seeds(figures, ["scenario"], list(OVERLAPS)).iterrows()
    }
    note = (
        f"By chance: {by_chance(0.5):.2f} with half of the weights kept,"
        f" {by_chance(0.1):.2f} with a tenth."
    )
    return table(pd.DataFrame.from_dict(rows, orient="index"), note=note)


def anew(studies: Studies) -> dict[str, Verdict]:
    """Is a mask taken anew before each epoch nearer to Retrain than one taken once?"""
    pairs = {
        where: tuple(
            studies.by_seed(where, "average_gap", "masks", way) for way in ("anew", "once")
        )
        for where in studies.runs
    }
    return compare_pairs(pairs)  # type: ignore[arg-type]


def anew_table(studies: Studies) -> Table:
    """SalUn's average gap with its mask taken once, and anew before each epoch."""
    rows = {}
    for where, verdict in anew(studies).items():
        once, new = (
            studies.by_seed(where, "average_gap", "masks", way) for way in ("once", "anew")
        )
        test = verdict.test
        rows[where] = {
            "seeds": test.n,
            "taken once": f"{sum(once.values()) / len(once):.2f}",
            "taken anew": f"{sum(new.values()) / len(new):.2f}",
            "difference": Cell(amount(test.difference, 2, signed=True), between(*test.interval)),
            "p (Holm)": f"{verdict.p:.3f}",
            "anew is nearer": word(verdict),
        }
    return table(pd.DataFrame.from_dict(rows, orient="index"), note="" if rows else NONE_RECORDED)


def claims(studies: Studies) -> list[Claim]:
    """Paired tests over both scenarios, corrected for their number; a mean."""
    texts = {
        "influence": "{}: influence tells which weights of the last layer retraining moves better"
        " than the gradient",
        "deciles": "{}: the gradient on D_f orders the deciles set to zero better than that on D_r",
    }
    pairs = {}
    for where in studies.runs:
        pairs[texts["influence"].format(where)] = (
            studies.by_seed(where, "set_by_influence", "head"),
            studies.by_seed(where, "set_by_gradient", "head"),
        )
        rows = studies.deciles[
            (studies.deciles.scenario == where) & (studies.deciles.change == "zero")
        ].set_index("seed")
        pairs[texts["deciles"].format(where)] = tuple(
            rows[rows.scoring == scoring].rank_forget.to_dict()
            for scoring in ("saliency", "retain gradient")
        )
    found = compare_pairs(pairs, better="higher")  # type: ignore[arg-type]
    said = [_correlations(text, verdict) for text, verdict in found.items()]
    for where in studies.runs:
        top = studies.orderings(where).loc[("saliency", "undo")].top
        text = f"{where}: most of the forgetting is in the most salient tenth (means)"
        said.append(Claim(text, bool(top > 0.5), f"{100 * top:.0f} % of what undoing changes"))
    return said or [Claim(text.format("recorded"), None) for text in texts.values()]


def _correlations(text: str, verdict: Verdict) -> Claim:
    return Claim(text, verdict, in_words(verdict, unit=""))
