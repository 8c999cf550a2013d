"""The recorded networks: sentences, tables, claims. Networks are compared split by split, since all
of them were given the same ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ...metrics import Verdict, compare_with
from ...runs import Record, load_records
from ...shown import amount
from ..claims import Claim, word
from ..common import NONE_RECORDED, Answer
from . import measure, study, tables
from .anatomy import by_depth, by_kind

SALUN, MASKED = "SalUn", "SalUn, random mask"
RIVALS = ("RL", MASKED, "FT", "GA", "original")
SCENARIO = "random-10"
NAMES = {"original": "doing nothing", MASKED: "a random mask"}
SAME, OTHER = "same network", "two networks"
ON_ONE, ON_TWO = "on the same split", "on two splits"
ALIKE = 0.5  # a rank correlation above which two orders are called alike


@dataclass(frozen=True)
class Networks:
    """Rows of `study.rows_of`, and records of where masks sit."""

    every: pd.DataFrame
    looks: tuple[Record, ...] = field(default=(), repr=False)

    @classmethod
    def load(cls, tier: str = "cpu") -> Networks:
        """From the folder of records."""
        looks = load_records(tier=tier, method=measure.NAME)
        return cls(study.rows_of(load_records(tier=tier, study=study.NAME)), tuple(looks))

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Reported runs of random forgetting, of networks with enough splits."""
        kept = study.reported(self.every)
        kept = kept[kept.scenario == SCENARIO]
        ours = kept[kept.variant == SALUN].groupby("network").seed.nunique()
        return kept[kept.network.isin(ours.index[ours >= study.LEAST])]

    @cached_property
    def pilots(self) -> pd.DataFrame:
        """Runs on the pilot seed."""
        pilot = self.every.pilot.astype(bool)
        return self.every[pilot & (self.every.scenario == SCENARIO)]

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """`study.choices` by network and variant, of the networks that are reported."""
        found = study.choices(self.every)
        found = found[found.index.get_level_values("scenario") == SCENARIO].droplevel("scenario")
        return found[found.index.get_level_values("network").isin(set(self.rows.network))]

    @cached_property
    def means(self) -> pd.DataFrame:
        """`study.means`."""
        return study.means(self.rows)

    @cached_property
    def facts(self) -> pd.DataFrame:
        """`tables.networks_of`."""
        return tables.networks_of(self.rows)

    def differences(self, rival: str) -> pd.DataFrame:
        """Average gap of SalUn minus that of another: network by split, points."""
        sides = [self.rows[self.rows.variant == v] for v in (SALUN, rival)]
        mine, other = (
            part.pivot_table(index="network", columns="seed", values="avg_gap", sort=False)
            for part in sides
        )
        return (mine - other).dropna()

    @cached_property
    def by_split(self) -> dict[str, dict[int, float]]:
        """variant -> split -> mean average gap over the networks that have all variants there."""
        wide = self.rows.pivot_table(
            index=["network", "seed"], columns="variant", values="avg_gap", sort=False
        )
        if not {SALUN, *RIVALS} <= set(wide):
            return {}
        means = wide[[SALUN, *RIVALS]].dropna().groupby("seed").mean()
        return {str(variant): means[variant].to_dict() for variant in means}

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """rival -> is SalUn nearer to Retrain? Each split is one pair, the mean over networks."""
        return compare_with(self.by_split, SALUN) if self.by_split else {}

    @cached_property
    def places(self) -> pd.DataFrame:
        """Place of each method (rows) on each network by its mean average gap."""
        return study.order_of(self.rows).rank(method="min").astype(int)

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """`agreement_of_runs`."""
        return agreement_of_runs(self.rows)

    @cached_property
    def sites(self) -> dict[str, pd.DataFrame]:
        """network -> `anatomy` of its masks on record, all seeds."""
        found = measure.tables_of(self.looks)
        part = found[found.scenario == SCENARIO]
        return {str(name): rows for name, rows in part.groupby("network", sort=False)}


def agreement_of_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean rank correlation of the order of methods between two single runs of each: of the same
    network or of two (rows), on the same split or on two (columns); NaN where there is no pair.
    """
    wide = rows[rows.variant != "original"].pivot_table(
        index="variant", columns=["network", "seed"], values="avg_gap", sort=False
    )
    wide = wide.dropna(axis="columns")
    found: dict[tuple[str, str], list[float]] = {}
    for one, two in itertools.combinations(wide, 2):
        key = (SAME if one[0] == two[0] else OTHER, ON_ONE if one[1] == two[1] else ON_TWO)
        found.setdefault(key, []).append(float(spearmanr(wide[one], wide[two]).statistic))
    means = {
        row: {column: np.mean(found.get((row, column), [np.nan])) for column in (ON_ONE, ON_TWO)}
        for row in (SAME, OTHER)
    }
    return pd.DataFrame.from_dict(means, orient="index")


def _splits(count: int) -> str:
    return f"{count} splits" if count != 1 else "one split"


def answer(found: Networks) -> Answer:
    """Whether the salient half is nearer than a random one, over networks and over splits."""
    gaps = found.differences(MASKED) if len(found.rows) else pd.DataFrame()
    if not len(gaps):
        return Answer((NONE_RECORDED,))
    worse, by_split = int((gaps.mean(axis=1) > 0).sum()), gaps.mean()
    verdict, first = found.verdicts[MASKED], int((found.places.loc[SALUN] == 1).sum())
    listed = ", ".join(amount(float(d), 2, signed=True) for d in by_split)
    return Answer(
        (
            f"On {worse} of {len(gaps)} networks a random half of the weights ends nearer to"
            f" Retrain than the salient half, on average by {amount(float(by_split.mean()), 2)}"
            f" points; SalUn is the nearest of five methods on {first or 'none'}.",
            f"All networks were given the same {_splits(len(by_split))}, so they are no"
            f" independent witnesses. Split by split the mean difference is {listed}:"
            f" {word(verdict)} for a test to decide."
            if verdict.answer == "too few"
            else f"Split by split the mean difference is {listed}: {word(verdict)}.",
        )
    )


def claims(found: Networks) -> list[Claim]:
    """Those that rest on the records."""
    made = [_first(found)]
    for rival in (MASKED, "RL", "original"):
        text = f"SalUn ends nearer to Retrain than {NAMES.get(rival, rival)}, paired by split"
        made.append(Claim(text, found.verdicts.get(rival)))
    return [*made, _agrees(found), *_sited(found)]


def _first(found: Networks) -> Claim:
    text = "SalUn is the nearest of five methods on every network (means)"
    if SALUN not in found.places.index:
        return Claim(text, None)
    places = found.places.loc[SALUN]
    return Claim(text, bool((places == 1).all()), f"on {(places == 1).sum()} of {len(places)}")


def _agrees(found: Networks) -> Claim:
    text = f"two networks agree about the order of methods: rank correlation above {ALIKE}"
    networks, splits = found.agreement.loc[OTHER, ON_ONE], found.agreement.loc[SAME, ON_TWO]
    if not (np.isfinite(networks) and np.isfinite(splits)):
        return Claim(text, None)
    one, two = (amount(float(value), 2, signed=True) for value in (networks, splits))
    said = f"{one} {ON_ONE}; one network on two splits {two}"
    return Claim(f"{text} (single runs)", bool(networks > ALIKE), said)


def _sited(found: Networks) -> list[Claim]:
    if not found.sites:
        return []
    lowest = _least(found.sites, ("normalisation", "classifier"))
    ends = [by_depth(rows).iloc[[0, -1]].tolist() for rows in found.sites.values()]
    falls = sum(first > last for first, last in ends)
    return [
        Claim(
            "in every network normalisation and classifier are salient more often than the rest",
            bool(lowest > 50),
            f"lowest {lowest:.0f} %",
        ),
        Claim(
            "in every network the first tenth of the weights is more salient than the last",
            falls == len(ends),
            f"in {falls} of {len(ends)}",
        ),
    ]


def _least(sites: dict[str, pd.DataFrame], kinds: Sequence[str]) -> float:
    """The smallest share of salient weights of these kinds in any network, per cent."""
    return min(
        100 * float(by_kind(rows).share[k]) for rows in sites.values() for k in _in(rows, kinds)
    )


def _in(rows: pd.DataFrame, kinds: Iterable[str]) -> list[str]:
    return [k for k in kinds if (rows.kind == k).any()]
