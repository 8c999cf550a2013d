"""What is on record of four methods under ten masks: rows, gaps by mask, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from ...metrics import Verdict, compare_with
from ...runs import frame, load_records
from ...runs.summary import MEASURES
from ...runs.tuning import read_tuned
from ...shown import amount
from ..yardstick import Row, load
from . import compared
from .live import MASKS

LEAST = 3  # seeds behind a mean that is shown with an interval or compared
RANDOM, CLASS = "SalUn, random 10 %", "SalUn, class 3"
GA_RANDOM, GA_CLASS = "GA, random 10 %", "GA, class 3"
PANELS = {
    ("salun", "random-10"): RANDOM,
    ("ga", "random-10"): GA_RANDOM,
    ("ft", "random-10"): "FT, random 10 %",
    ("iu", "random-10"): "IU, random 10 %",
    ("salun", "class-3"): CLASS,
    ("ga", "class-3"): GA_CLASS,
}
BEST = f"{RANDOM}, best rates"
SCENARIO = {panel: scenario for (_, scenario), panel in PANELS.items()} | {BEST: "random-10"}
TASK = {"random-10": "10 %", "class-3": "class"}
TUNED = "fashion-mini_small-cnn_random-10.yaml"
Gaps = dict[str, dict[int, float]]


@dataclass(frozen=True)
class Recorded:
    """Rows of `runs.frame` at half of the weights, with the columns panel and factor (learning rate
    over the tuned one); and what another Retrain comes to, by scenario.
    """

    rows: pd.DataFrame
    tuned: float
    again: Mapping[str, Row] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, tier: str = "cpu") -> Recorded:
        """From the folder of records; `folder` is that of chosen values."""
        chosen = read_tuned(folder / TUNED)
        tuned = chosen["salun"]["params"]["lr"] if "salun" in chosen else float("nan")
        found = load_records(
            tier=tier,
            study="masks",
            dataset="fashion-mini",
            arch="small-cnn",
            train_images=None,
            keep=0.5,
        )
        return cls.of(frame(found), tuned, load(TASK, tier=tier))

    @classmethod
    def of(
        cls, rows: pd.DataFrame, tuned: float, again: Mapping[str, Row] | None = None
    ) -> Recorded:
        """From these rows, and rows of another Retrain by scenario."""
        own = ["scenario", "method", "mask", "seed", "lr", "avg_gap", "diverged"]
        columns = [*own, *(f"gap_{m}" for m in MEASURES)]
        rows = rows if len(rows) else pd.DataFrame(columns=columns)
        pairs = zip(rows.method, rows.scenario, strict=True)
        rows = rows.assign(
            panel=[PANELS.get(pair, "") for pair in pairs],
            factor=(rows.lr.astype(float) / tuned).round(2),
        )
        return cls(rows.sort_values("mask", key=_place, kind="stable"), tuned, again or {})

    @property
    def swept(self) -> pd.DataFrame:
        """SalUn's runs on random forgetting, at all learning rates."""
        return self.rows[self.rows.panel == RANDOM]

    @property
    def at_tuned(self) -> pd.DataFrame:
        """All runs with the tuned settings."""
        rows = self.rows
        return rows[(rows.panel != "") & ((rows.panel != RANDOM) | (rows.factor == 1))]

    @property
    def best(self) -> pd.DataFrame:
        """SalUn's runs on random forgetting, each seed at the rate that was best on the others."""
        found = compared.at_best_setting(self.swept)
        return found.assign(panel=BEST).sort_values("mask", key=_place, kind="stable")

    @cached_property
    def gaps(self) -> dict[str, Gaps]:
        """panel -> mask -> seed -> average gap, of panels with no mask and saliency."""
        found = {p: self._of(self.at_tuned[self.at_tuned.panel == p]) for p in PANELS.values()}
        if self.swept.factor.nunique() > 1:
            # they differ in their learning rate, and are meant to
            found[BEST] = self._of(self.best[["mask", "seed", "avg_gap"]])
        return {p: g for p, g in found.items() if {"none", "saliency"} <= set(g)}

    @staticmethod
    def _of(rows: pd.DataFrame) -> Gaps:
        found = compared.gaps_by_mask(rows) if len(rows) else {}
        return {mask: values for mask, values in found.items() if len(values) >= LEAST}

    def dots(self, panels: tuple[str, ...], masks: tuple[str, ...] = MASKS) -> pd.DataFrame:
        """Rows for a picture."""
        every = pd.concat([self.at_tuned, self.best]) if BEST in self.gaps else self.at_tuned
        parts = [every[(every.panel == p) & every["mask"].isin(masks)] for p in panels]
        return pd.concat([part for part in parts if part.panel.isin(self.gaps).all()])

    def floor(self, panel: str) -> float | None:
        """The gap of another Retrain on the task of a panel, where it is recorded."""
        row = self.again.get(SCENARIO[panel])
        return None if row is None else float(row.avg_gap)

    @property
    def floors(self) -> dict[str, float]:
        """panel -> `floor`, of those that have one."""
        found = {panel: self.floor(panel) for panel in self.gaps}
        return {panel: floor for panel, floor in found.items() if floor is not None}

    def mean(self, panel: str, mask: str) -> str:
        """A mean average gap, as a page writes it."""
        values = self.gaps[panel][mask].values()
        return amount(sum(values) / len(values), 2)

    def verdict(self, panel: str, other: str) -> Verdict | None:
        """Is saliency nearer to Retrain than another mask? p by Holm over all other masks."""
        return self.verdicts.get(panel, {}).get(other)

    @cached_property
    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """panel -> mask -> is saliency nearer?"""
        return {panel: compare_with(gaps, "saliency") for panel, gaps in self.gaps.items()}


def _place(masks: pd.Series) -> pd.Series:
    return masks.map({name: k for k, name in enumerate(MASKS)})
