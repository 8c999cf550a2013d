"""Several networks of one page: what each learned, where its salient weights sit, and what a layer
on another scale does to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ...metrics import accuracy, predict_logits
from ...models import count_weights
from ...plots.tables import Table, table
from ...runs import RunSpec, Task, prepare
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ...shown import amount
from ..claims import Claim
from .anatomy import anatomy, by_kind, idle
from .measure import specs
from .study import label

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
ALIKE = 1e-3  # largest difference of logits between networks that answer alike


def chance(keep: float) -> float:
    """Overlap (Jaccard index) of two masks of that density that have nothing to do with each
    other.
    """
    return keep / (2 - keep)


@dataclass(frozen=True)
class Several:
    """Networks that were trained on one split, by name."""

    tasks: Mapping[str, Task]
    keep: float
    seed: int

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Several:
        """What a notebook's parameters describe: ``Several.of(globals())``."""
        found = specs(names["networks"], RunSpec.of(names))
        tasks = {label(spec.arch, spec.width): prepare(spec) for spec in found}
        return cls(tasks, names["keep"], names["seed"])

    @property
    def split(self):
        """The one that all share."""
        return next(iter(self.tasks.values())).split

    @cached_property
    def originals(self) -> dict[str, nn.Module]:
        """Trained here, or read from the cache."""
        return {name: task.original for name, task in self.tasks.items()}

    def named(self, arch: str) -> str:
        """What the network of that kind is called here."""
        return next(name for name, task in self.tasks.items() if task.spec.arch == arch)

    @cached_property
    def scores(self) -> dict[str, dict[str, Tensor]]:
        """Saliency on D_f."""
        return {n: saliency_scores(m, self.split.forget) for n, m in self.originals.items()}

    @cached_property
    def masks(self) -> dict[str, SaliencyMask]:
        """Of the highest scores."""
        return {name: SaliencyMask.top(s, self.keep) for name, s in self.scores.items()}

    @cached_property
    def sheets(self) -> dict[str, pd.DataFrame]:
        """`anatomy` of each."""
        return {name: anatomy(self.originals[name], mask) for name, mask in self.masks.items()}

    @cached_property
    def overlaps(self) -> dict[str, float]:
        """Overlap of each mask with one from as many retained pictures."""
        retain, count = self.split.retain, len(self.split.forget)
        draws = generator(self.seed, "retained, as many")
        some = retain.subset(torch.randperm(len(retain), generator=draws)[:count])
        found = {n: saliency_scores(model, some) for n, model in self.originals.items()}
        return {n: self.masks[n].overlap(SaliencyMask.top(s, self.keep)) for n, s in found.items()}


def trained_table(here: Several) -> Table:
    """Weights, and what each network gets right."""
    split = here.split
    rows = {
        name: {
            "weights": f"{count_weights(model):,}",
            "right on D_f, %": _right(model, split.forget),
            "right on the test set, %": _right(model, split.test),
        }
        for name, model in here.originals.items()
    }
    note = f"{split.name}: {len(split.forget)} pictures to forget, {len(split.retain)} to retain."
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    return table(frame, note=note)


def _right(model: nn.Module, images: Any) -> float:
    return accuracy(predict_logits(model, images), images.labels.cpu())


def kind_table(here: Several) -> Table:
    """Of each kind of layer the share of all weights that it holds."""
    parts = {name: 100 * by_kind(sheet).part for name, sheet in here.sheets.items()}
    frame = pd.DataFrame(parts).reindex(_kinds(here.sheets.values()))
    note = "Per cent of a network's weights, salient or not."
    return table(frame.rename_axis("kind of layer"), note=note)


def _kinds(sheets: Iterable[pd.DataFrame]) -> list[str]:
    return list(dict.fromkeys(kind for sheet in sheets for kind in by_kind(sheet).index))


def idle_rows(here: Several) -> pd.DataFrame:
    """Parameters with weights of next to no gradient: network, parameter (numbers of blocks left
    out), idle, of.
    """
    rows = [
        (name, re.sub(r"(?<=\.)\d+|(?<=layer)\d", "n", parameter), count, s[parameter].numel())
        for name, s in here.scores.items()
        for parameter, count in idle(s).items()
    ]
    frame = pd.DataFrame(rows, columns=["network", "parameter", "idle", "of"])
    found = frame.groupby(["network", "parameter"], sort=False, as_index=False).sum()
    return found[found.idle > 0]


def idle_table(here: Several, most: int = 8) -> Table:
    """`idle_rows`, those with most idle weights first."""
    found = idle_rows(here).sort_values("idle", ascending=False, kind="stable")
    rows = {
        f"{row.network}: {row.parameter}": {"idle": int(row.idle), "of": int(row.of)}
        for row in found.head(most).itertuples()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["idle", "of"])
    left = f"{len(found) - most} more rows have fewer." if len(found) > most else ""
    note = f"n stands for the number of a block. {left}".strip()
    return table(frame.rename_axis("parameter"), note=note)


def overlap_table(here: Several) -> Table:
    """Overlap of the mask of D_f with that of as many retained pictures, beside chance."""
    rows = {name: {"overlap": amount(value, 2)} for name, value in here.overlaps.items()}
    rows["by chance"] = {"overlap": amount(chance(here.keep), 2)}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    return table(frame, reference=["by chance"])


def over_factors(
    here: Several,
    arch: str,
    stage: str,
    rescaled: Callable[[nn.Module, str, float], nn.Module],
    factors: Iterable[float] = FACTORS,
) -> pd.DataFrame:
    """One row a factor: the largest difference of a logit on test pictures, the share of salient
    weights (per cent) in the convolutions of the stage and elsewhere, and the overlap with the
    mask of the network as it was.

    Parameters
    ----------
    rescaled : (network, stage, factor) -> a twin whose convolutions in that stage are multiplied.
    """
    name = here.named(arch)
    before = predict_logits(here.originals[name], here.split.test)
    rows = {}
    for factor in factors:
        twin = rescaled(here.originals[name], stage, factor)
        mask = SaliencyMask.top(saliency_scores(twin, here.split.forget), here.keep)
        sheet = anatomy(twin, mask)
        inside = sheet.parameter.str.match(rf"{stage}\.\d+\.conv")
        rows[factor] = {
            "apart": float((predict_logits(twin, here.split.test) - before).abs().max()),
            "inside": _share(sheet[inside]),
            "elsewhere": _share(sheet[~inside]),
            "overlap": mask.overlap(here.masks[name]),
        }
    return pd.DataFrame(rows).T.rename_axis("c")


def _share(sheet: pd.DataFrame) -> float:
    return float(100 * sheet.kept.sum() / sheet.weights.sum())


def claims(factors: pd.DataFrame) -> list[Claim]:
    """What the page's own networks show, from `over_factors`; of one seed, with a verdict alone."""
    alike = bool((factors.apart < ALIKE).all())
    share = factors.inside
    falls = bool(share.is_monotonic_decreasing and share.iloc[0] > share.iloc[-1])
    text = "networks that answer alike have other masks: the larger a layer's weights are made, the"
    return [Claim(f"this run: {text} fewer of them are salient", alike and falls)]
