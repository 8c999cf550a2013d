"""Weights in deciles of a score, and what happens to the loss when one decile at a time is changed.

Decile 10 holds the highest scores, decile 1 the lowest. Equal scores are split by position, earlier
weights counting as higher, so that the highest j deciles together are exactly
``SaliencyMask.top(scores, keep=j / 10)``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from ...data.images import Images
from ...errors import InputError, check_whole
from ...metrics.accuracy import predict_logits
from ...saliency import SaliencyMask
from ...seeds import generator
from ...threshold import score_bits

Named = Mapping[str, Tensor]  # a tensor for each parameter, by name


@dataclass(frozen=True)
class Partition:
    """Every weight in exactly one part.

    Attributes
    ----------
    number : name -> uint8, shaped like the parameter: 1 (lowest scores) to `count` (highest).
    """

    number: dict[str, Tensor]
    count: int

    def part(self, k: int) -> dict[str, Tensor]:
        """True where a weight is in part k (1 to `count`)."""
        if not 1 <= k <= self.count:
            raise InputError(f"there is no part {k!r}; allowed: 1 to {self.count}")
        return {name: number == k for name, number in self.number.items()}

    def mask(self, k: int) -> SaliencyMask:
        """Part k as a mask."""
        return SaliencyMask.from_bools(self.part(k), f"part {k} of {self.count}")

    def sizes(self) -> list[int]:
        """How many weights each part holds, from part 1 on."""
        counts = torch.zeros(self.count + 1, dtype=torch.long)
        for number in self.number.values():
            counts += torch.bincount(number.flatten().long(), minlength=self.count + 1).cpu()
        return counts[1:].tolist()


def partition(scores: Named, count: int = 10) -> Partition:
    """Cut all weights together into `count` parts of equal size by their score (sizes differ by one
    at most).

    Parameters
    ----------
    scores : named tensors, all >= 0 and without NaN, such as `saliency_scores` gives. count : 2 to
        255.
    """
    check_whole("the number of parts", count, 2, 255)
    bits = np.concatenate(list(score_bits(scores).values()))
    order = np.argsort(-bits, kind="stable")  # integers that sort as the scores do
    ends = [rank * len(bits) // count for rank in range(count + 1)]
    numbers = np.empty(len(bits), np.uint8)
    for rank, (start, end) in enumerate(itertools.pairwise(ends)):
        numbers[order[start:end]] = count - rank
    rows = torch.from_numpy(numbers).split([s.numel() for s in scores.values()])
    return Partition(
        {name: row.view(s.shape) for row, (name, s) in zip(rows, scores.items(), strict=True)},
        count,
    )


# -- changing one part -----------------------------------------------------------------


@contextmanager
def replaced(model: nn.Module, chosen: Named, values: Named) -> Iterator[nn.Module]:
    """While open, the weights of `model` where `chosen` is True have the values given; afterwards
    all are as before, bit for bit.

    Parameters
    ----------
    chosen : bool, by name. values : tensors of the same shapes; parameters that are not named keep
        their weights. Running statistics belong to no part and stay as they are.
    """
    parameters = dict(model.named_parameters())
    before = {name: parameters[name].detach().clone() for name in chosen}
    try:
        with torch.no_grad():
            for name, where in chosen.items():
                p = parameters[name]
                p.copy_(torch.where(where.to(p.device), values[name].to(p), p))
        yield model
    finally:
        with torch.no_grad():
            for name, weights in before.items():
                parameters[name].copy_(weights)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every trainable parameter, by name: what `replaced` restores a part from."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def zeros(model: nn.Module) -> dict[str, Tensor]:
    """0 for every trainable parameter."""
    return {name: torch.zeros_like(p) for name, p in weights_of(model).items()}


def noisy(model: nn.Module, *, scale: float = 1.0, seed: int = 0) -> dict[str, Tensor]:
    """Every weight plus normal noise; its deviation is `scale` times that of the weights in the
    same parameter tensor.

    A tensor of one weight has no deviation and gets no noise. The draws don't depend on the device.
    """
    draws, found = generator(seed, "noise on weights"), {}
    for name, p in weights_of(model).items():
        deviation = float(p.double().std(correction=0))
        found[name] = p + scale * deviation * torch.randn(p.shape, generator=draws).to(p)
    return found


def mean_loss(model: nn.Module, images: Images) -> float:
    """Mean cross-entropy on un-augmented pictures, in nats; logits in float32, their loss in
    float64.
    """
    logits = predict_logits(model, images).double()
    return float(nn.functional.cross_entropy(logits, images.labels.cpu()))


def effects(
    model: nn.Module,
    parts: Partition,
    values: Named,
    judged: Mapping[str, Images],
    *,
    length: float | None = None,
) -> list[dict[str, float]]:
    """Give each part alone other values, and measure how the mean loss changes.

    Parameters
    ----------
    model : left as found. values : as for `replaced`. judged : name -> pictures whose loss is
        measured.
    length : move every part by that Euclidean distance towards its values (or beyond them), so that
        no part is moved further than another; a part that `values` doesn't move stays.

    Returns
    -------
    One row a part, from part 1 on: its number as "part", the change of each mean loss under the
    name of its pictures, and "distance", the Euclidean distance that the weights were moved.
    """
    before = {name: mean_loss(model, images) for name, images in judged.items()}
    parameters, rows = weights_of(model), []
    for k in range(1, parts.count + 1):
        chosen = parts.part(k)
        given, moved = values, distance(parameters, values, chosen)
        if length is not None and moved > 0:
            given = {
                name: p + (values[name].to(p) - p) * (length / moved)
                for name, p in parameters.items()
            }
            moved = length
        with replaced(model, chosen, given):
            changes = {
                name: mean_loss(model, images) - before[name] for name, images in judged.items()
            }
        rows.append({"part": k, **changes, "distance": moved})
    return rows


def distance(a: Named, b: Named, chosen: Named) -> float:
    """Euclidean distance of two sets of weights, counted over those that are chosen."""
    squares = (
        ((a[n] - b[n].to(a[n])).double().square() * where.to(a[n].device)).sum()
        for n, where in chosen.items()
    )
    return math.sqrt(sum(float(s) for s in squares))


# -- rank correlation ------------------------------------------------------------------


def rank_correlation(a: object, b: object) -> float:
    """Spearman's rank correlation of two equally long rows of numbers, or of two sets of named
    tensors weight by weight; ties share their mean rank.

    NaN where one side is constant: it has no order.
    """
    x, y = (_row(values) for values in (a, b))
    if len(x) != len(y) or len(x) < 2:
        raise InputError(
            f"a rank correlation needs two rows of equal length, at least 2, not {len(x)} and"
            f" {len(y)}"
        )
    if (x == x[0]).all() or (y == y[0]).all():
        return math.nan
    return float(stats.spearmanr(x, y).statistic)


def _row(values: object) -> np.ndarray:
    """float64 (n,) of numbers, of a tensor, or of named tensors one after the other."""
    if isinstance(values, Mapping):
        return np.concatenate([_row(t) for t in values.values()])
    return np.asarray(
        values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64
    ).ravel()
