"""Ten masks of one network: which weights they take, what they let through, SalUn under each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...data.images import Images
from ...errors import InputError
from ...plots.tables import Table, table
from ...runs import Record, RunSpec, Task, prepare, run_with_result
from ...runs.summary import MEASURES
from ...runs.task import with_spec
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ...unlearning import random_labels, unlearn
from ..claims import Claim
from . import compared

MASKS = (
    "none",
    "saliency",
    "per-layer",
    "fisher",
    "gradient-ratio",
    "wanda",
    "magnitude",
    "last-layers",
    "random",
    "inverted",
)
FEW = ("none", "saliency", "random", "inverted")  # those that run at other learning rates
UA, RA = "change of UA, points", "change of RA, points"
NEAR = 2.0  # points within which two runs count as alike


def called(mask: str) -> str:
    """What a mask is called in prose."""
    return "no mask" if mask == "none" else mask


@dataclass(frozen=True)
class Masked:
    """One task, SalUn's settings on it, and the runs made so far.

    Attributes
    ----------
    records : (mask, learning rate) -> record. distances : the same -> how far the weights went.
        built : rule -> its mask.
    """

    names: Mapping[str, Any]
    spec: RunSpec
    task: Task
    records: dict[tuple[str, float], Record] = field(default_factory=dict)
    distances: dict[tuple[str, float], float] = field(default_factory=dict)
    built: dict[str, SaliencyMask] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Mapping[str, Any], **changed: Any) -> Masked:
        """What a notebook's parameters describe, but for those given: ``Masked.of(globals())``."""
        names = {**names, **changed}
        plain = {k: v for k, v in names.items() if isinstance(v, str | int | float | None)}
        spec = RunSpec.of(names, method="salun", params={})
        return cls(plain, spec, prepare(spec))

    def mask(self, rule: str) -> SaliencyMask:
        """The mask of a rule, which is the one that runs under it hold: made when first asked for,
        or read from the cache.
        """
        if rule not in self.built:
            found, _ = with_spec(self.task, self.spec.but(mask=rule)).mask()
            if found is None:
                raise InputError(f"{rule} stands for no mask")
            self.built[rule] = found
        return self.built[rule]

    @property
    def masks(self) -> dict[str, SaliencyMask]:
        """Every mask but none."""
        return {rule: self.mask(rule) for rule in MASKS[1:]}

    @cached_property
    def gradients(self) -> dict[str, dict[str, Tensor]]:
        """Absolute gradients at the original: of the loss on D_f, on D_r, and of SalUn's loss."""
        original, split = self.task.original, self.task.split
        draws = generator(self.names["seed"], "chapter 15")
        labels = random_labels(split.forget.labels, len(split.classes), draws)
        both = Images.concat([split.forget.with_labels(labels), split.retain])
        return {
            "loss on D_f": saliency_scores(original, split.forget),
            "loss on D_r": saliency_scores(original, split.retain),
            "SalUn's loss": saliency_scores(original, both),
        }

    @cached_property
    def through(self) -> pd.DataFrame:
        """Share of each squared gradient inside each mask, per cent."""
        return pd.DataFrame(
            {
                name: {m: 100 * compared.let_through(mask, g) for m, mask in self.masks.items()}
                for name, g in self.gradients.items()
            }
        )

    def under(self, mask: str, rate: float) -> Record:
        """SalUn under a mask at a learning rate; each is run once."""
        if (mask, rate) not in self.records:
            params = {"epochs": self.names["epochs"], "lr": rate}
            spec = self.spec.but(mask=mask, params=params)
            record, result = run_with_result(spec, task=self.task)
            self.records[mask, rate] = record
            self.distances[mask, rate] = compared.travelled(result.model, self.task.original)
        return self.records[mask, rate]

    @cached_property
    def live(self) -> pd.DataFrame:
        """One row a mask at the page's learning rate: the measures, gap and distance."""
        lr = self.names["lr"]
        return pd.DataFrame({mask: self._row(mask, lr) for mask in MASKS}).T

    def _row(self, mask: str, rate: float) -> dict[str, float]:
        record = self.under(mask, rate)
        scores = {m: record.scores[m] for m in MEASURES}
        return {**scores, "gap": record.gap["average"], "distance": self.distances[mask, rate]}

    @cached_property
    def swept(self) -> pd.DataFrame:
        """`FEW` masks at half, once and twice the learning rate: columns mask, distance and the
        changes of UA and RA.
        """
        lr, before = self.names["lr"], self.task.original_scores
        rows = [
            {"mask": mask, **self._row(mask, rate)} for mask in FEW for rate in (lr / 2, lr, 2 * lr)
        ]
        found = pd.DataFrame(rows)
        return found.assign(**{UA: found.ua - before.ua, RA: found.ra - before.ra})

    def read_off(self, mask: str, across: str, up: str, at: float) -> float:
        """A column of `swept` where another has a value, on straight lines."""
        part = self.swept[self.swept["mask"] == mask].sort_values(across)
        return float(np.interp(at, part[across], part[up]))

    @cached_property
    def rises(self) -> dict[str, float]:
        """mask -> rise of UA at the distance that is travelled without a mask, points."""
        far = self.live.distance["none"]
        return {mask: self.read_off(mask, "distance", UA, far) for mask in FEW}

    @cached_property
    def prices(self) -> dict[str, float]:
        """mask -> change of RA where UA has risen as under the random half at its largest rate."""
        reached = self.swept[self.swept["mask"] == "random"][UA].max()
        return {mask: self.read_off(mask, UA, RA, reached) for mask in FEW[:3]}

    @cached_property
    def wrong_pictures(self) -> dict[str, float]:
        """SalUn under the saliency mask of as many retained pictures: its average gap and that with
        the right ones, the overlap of the two masks, and the largest difference of a measure.
        """
        names, task = self.names, self.task
        forget, retain = task.split.forget, task.split.retain
        order = torch.randperm(len(retain), generator=generator(names["seed"], "wrong pictures"))
        scores = saliency_scores(task.original, retain.subset(order[: len(forget)]))
        mask = SaliencyMask.top(scores, keep=names["keep"])
        given = {k: names[k] for k in ("seed", "epochs", "lr")}
        model = unlearn("salun", task.original, task.split, mask=mask, **given).model
        wrong, right = task.scores(model), self.under("saliency", names["lr"])
        apart = max(abs(getattr(wrong, m) - right.scores[m]) for m in MEASURES)
        gaps = {"wrong": wrong.gap(task.retrained_scores).average, "right": right.gap["average"]}
        return {**gaps, "overlap": self.mask("saliency").overlap(mask), "apart": apart}


def through_table(masked: Masked) -> Table:
    """Share of the squared gradient inside each mask."""
    said = "share of the squared gradient inside the mask, %"
    return table(masked.through, digits=0, best=["saliency"], caption=said)


def run_table(masked: Masked) -> Table:
    """SalUn under each mask, between the original and Retrain."""
    task = masked.task
    frame = masked.live.rename(index=called)
    ends = {"original": task.original_scores, "Retrain": task.retrained_scores}
    rows = {n: {m: getattr(s, m) for m in MEASURES} for n, s in ends.items()}
    frame = pd.concat([pd.DataFrame(rows).T[:1], frame, pd.DataFrame(rows).T[1:]])
    frame = frame.rename(columns={m: m.upper() for m in MEASURES} | {"gap": "average gap"})
    return table(frame, digits=2, reference=list(ends), best=["saliency"])


def wrong_table(by_scenario: Mapping[str, Masked]) -> Table:
    """The same rule from the wrong pictures, in each scenario."""
    rows = {
        where: {
            "gap, right": found.wrong_pictures["right"],
            "gap, wrong": found.wrong_pictures["wrong"],
            "overlap of the masks": found.wrong_pictures["overlap"],
            "most a score differs": found.wrong_pictures["apart"],
        }
        for where, found in by_scenario.items()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index"), digits=2)


def ruler_table(masked: Masked) -> Table:
    """What the masks forget at one distance, beside what the first step would say, and what a rise
    of UA costs.
    """
    rises, prices, through = masked.rises, masked.prices, masked.through["loss on D_f"]
    rows = {
        called(mask): {
            "rise of UA at equal distance": rises[mask],
            "of that without a mask, %": 100 * rises[mask] / rises["none"]
            if rises["none"]
            else None,
            "√s_m, %": 100.0 if mask == "none" else 10 * float(through[mask]) ** 0.5,
            "change of RA at equal UA": prices.get(mask),
        }
        for mask in FEW
    }
    heads = ("rise of UA at equal distance", "change of RA at equal UA")
    frame = pd.DataFrame.from_dict(rows, orient="index")
    whole = dict.fromkeys(frame.columns, 0) | dict.fromkeys(heads, 1)
    return table(frame, digits=whole, signed=heads)


def claims(by_scenario: Mapping[str, Masked]) -> list[Claim]:
    """Of the runs on the page, one seed: the verdict alone."""
    return [
        Claim(
            f"the saliency mask of the wrong pictures ends within {NEAR:g} points of that of the"
            " right ones in all four scores (one seed)",
            all(found.wrong_pictures["apart"] <= NEAR for found in by_scenario.values()),
        ),
    ]
