"""Masks that decide their own density: at the knee of the cumulated gradient on the forget set
against that on the retain set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...data.splits import ForgetSplit
from ...saliency import SaliencyMask, saliency_scores
from ...units import numerics
from . import rule

# rules that choose the density themselves; `keep` is an upper limit of it
DECIDES = ("knee", "ratio-knee")
NO_KNEE = 1e-6  # a lead below it is rounding: the two curves are one


@dataclass(frozen=True)
class Knee:
    """Where the curve of cumulated forget gradient over cumulated retain gradient is farthest above
    its diagonal.

    Attributes
    ----------
    kept : weights up to there, of `numel`. forget, retain : shares of all forget and of all retain
        gradient that they hold, 0 to 1.
    """

    kept: int
    numel: int
    forget: float
    retain: float

    @property
    def density(self) -> float:
        """Share of the weights."""
        return self.kept / self.numel

    @property
    def lead(self) -> float:
        """How far above the diagonal, 0 to 1."""
        return self.forget - self.retain


@rule("knee")
@numerics(1, uses=("saliency", "masks"))
def at_knee(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The highest gradients on the forget set, as many as hold most of it and least of the retain
    set's.
    """
    forget, retain = saliency_scores(model, split.forget), saliency_scores(model, split.retain)
    return cut(forget, find_knee(forget, forget, retain), keep, "knee")


@rule("ratio-knee")
@numerics(1, uses=("saliency", "masks"))
def at_ratio_knee(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The weights whose share of the forget set's gradient is larger than their share of the retain
    set's.
    """
    forget, retain = saliency_scores(model, split.forget), saliency_scores(model, split.retain)
    order = quotient(forget, retain)
    return cut(order, find_knee(order, forget, retain), keep, "ratio-knee")


def cut(order: Mapping[str, Tensor], knee: Knee, keep: float, name: str) -> SaliencyMask:
    """The mask of the highest in `order` up to the knee, and of ``int(keep * n)`` weights at most
    or where there is no knee.
    """
    wanted = int(keep * knee.numel)
    wanted = wanted if knee.lead < NO_KNEE else min(wanted, knee.kept)
    return SaliencyMask.top(order, min(1.0, (wanted + 0.5) / knee.numel)).named(f"{name} {keep:g}")


def find_knee(
    order: Mapping[str, Tensor], forget: Mapping[str, Tensor], retain: Mapping[str, Tensor]
) -> Knee:
    """Sort the weights by `order`, the highest first, and find where F - R is largest (the first
    such place).

    F and R are the sums of `forget` and `retain` over the weights so far, divided by the sums over
    all. Ordered by the quotient of the two, F - R is the largest difference that any set of weights
    can have (Neyman and Pearson), and the knee is where a weight's share of F falls below its share
    of R.

    Parameters
    ----------
    order, forget, retain : scores >= 0 of the same names and shapes. All are sorted once, in
        float64 on the CPU: 8 bytes a weight each.
    """
    f, r = cumulated(order, forget, retain)
    place = int((f - r).argmax())
    return Knee(place, len(f) - 1, float(f[place]), float(r[place]))


def cumulated(order: Mapping[str, Tensor], *scores: Mapping[str, Tensor]) -> list[np.ndarray]:
    """Running sums of each of `scores` in falling `order`, as shares of the whole: float64 (n + 1,)
    from 0 to 1 (to 0 if all are 0).

    Ties in `order` go to the earlier weight, as in `SaliencyMask.top`.
    """
    places = np.argsort(-_row(order), kind="stable")
    sums = [
        np.concatenate([[0.0], np.cumsum(_row({n: s[n] for n in order})[places])]) for s in scores
    ]
    return [row / row[-1] if row[-1] > 0 else row for row in sums]


def quotient(forget: Mapping[str, Tensor], retain: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Forget over retain gradient of each weight. A thousandth of the mean retain gradient is added
    below, so that 0 / 0 is 0.
    """
    floor = (
        1e-3
        * sum(float(r.sum()) for r in retain.values())
        / sum(r.numel() for r in retain.values())
        + 1e-30
    )
    return {n: f / (retain[n] + floor) for n, f in forget.items()}


def _row(scores: Mapping[str, Tensor]) -> np.ndarray:
    return torch.cat([s.detach().flatten().cpu().double() for s in scores.values()]).numpy()
