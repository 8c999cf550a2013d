"""`saliency_mask`: the mask of the highest scores, and no scores in memory.

A first pass over the data counts scores by the upper half of their bits, which says between which
two of 65,536 values the threshold lies. A second pass sets the bits of those above and notes the
few in between, about one in a hundred; the threshold is selected among these. Gradients are taken
from each parameter as soon as they are complete, and given back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError
from ..models.contract import check_weights
from ..saliency import (
    CrossEntropy,
    SaliencyMask,
    batch_length,
    check_keep,
    left_as_found,
    to_device,
)
from ..threshold import score_bits
from ..units import numerics

BINS = 1 << 16  # values of the upper 16 of a float's 32 bits
LOWER = np.int32(BINS - 1)
Take = Callable[[str, np.ndarray], None]


class NotRepeatableError(InputError, RuntimeError):
    """Two passes over the same data gave different gradients."""


@numerics(1, "lean/mask", uses=("saliency", "masks"))
def saliency_mask(
    model: nn.Module,
    data: Images | Iterable,
    keep: float = 0.5,
    *,
    loss: Callable[[Any, Any], Tensor] | None = None,
    batch_size: int = 256,
    parameters: Callable[[str], bool] | None = None,
    together: int | None = None,
) -> SaliencyMask:
    """The mask ``SaliencyMask.top(saliency_scores(model, data), keep)``, bit for bit, in less
    memory and twice the time.

    Beside the model there are one gradient at a time, the mask (one bit a weight) and about 1 % of
    the scores. Where the data have more than one batch, gradients must be summed: then those of all
    parameters are held, as by `saliency_scores`, or those of a group.

    Parameters
    ----------
    data, loss, batch_size, parameters : as of `saliency.saliency_scores`; the data are read twice
        for each group, and both times the loss must be the same: seed what it draws.
    keep : share kept, 0 to 1.
    together : weights in a group, at least those of one parameter; all by default. Each group takes
        passes of its own.

    Raises
    ------
    InputError : as `saliency_scores`; for data that can be read only once.
    NotRepeatableError : the gradients of the second pass are not those of the first.
    """
    named = {
        n: p
        for n, p in check_weights(model).named_parameters()
        if p.requires_grad and (parameters is None or parameters(n))
    }
    if not named:
        raise InputError("no trainable parameter is left to score")
    if isinstance(data, Iterator):
        raise InputError("the data are read more than once: give a list of batches, or Images")
    wanted = int(check_keep(keep) * sum(p.numel() for p in named.values()))
    passes = _Passes(model, data, loss, batch_size, named, together)
    counts = np.zeros(BINS, np.int64)

    def count(_: str, bits: np.ndarray) -> None:
        np.add(counts, np.bincount(bits >> 16, minlength=BINS), out=counts)

    passes.each_score(count)
    chosen = _Chosen(counts, wanted)
    passes.each_score(chosen.take)
    shapes = {n: tuple(p.shape) for n, p in named.items()}
    return SaliencyMask(chosen.packed(list(named)), shapes, f"top {keep:g}")


class _Passes:
    """Passes over the data, in which every parameter's score is seen once and forgotten."""

    def __init__(
        self,
        model: nn.Module,
        data: Images | Iterable,
        loss: Callable[[Any, Any], Tensor] | None,
        batch_size: int,
        named: Mapping[str, Tensor],
        together: int | None,
    ):
        self.model, self.named = model, named
        self.device = next(model.parameters()).device
        self.data: Images | Iterable = data.to(self.device) if isinstance(data, Images) else data
        self.measure: Callable[[Any, Any], Tensor] = loss or CrossEntropy()
        self.batch_size, self.groups = batch_size, list(_groups(named, together))
        if loss is None and len(self.groups) > 1:  # its first look is at the model as a whole
            with left_as_found(model, named), torch.enable_grad():
                for batch in self._batches():
                    given: Any = to_device(batch, self.device)
                    self.measure(model, given)
                    break

    def _batches(self) -> Iterable:
        if isinstance(self.data, Images):
            return self.data.batches(self.batch_size)
        return self.data

    def each_score(self, take: Take) -> None:
        """Call `take` with the name and the bits of the score of each parameter."""
        for group in self.groups:
            with left_as_found(self.model, group):
                self._of_group(group, take)

    def _of_group(self, group: Mapping[str, Tensor], take: Take) -> None:
        missing, seen = set(group), 0
        hooks: list[Any] = []

        def use(name: str) -> Callable[[Tensor], None]:
            def ready(p: Tensor) -> None:
                score, p.grad = p.grad, None
                missing.discard(name)
                if score is not None:
                    take(name, score_bits({name: score.abs_().div_(seen)})[name])

            return ready

        batches = self.data.batches(self.batch_size) if isinstance(self.data, Images) else self.data
        try:
            for batch, last in _with_last(batches):
                batch = to_device(batch, self.device)
                count = batch_length(batch)
                seen += count
                if last:
                    hooks += [
                        p.register_post_accumulate_grad_hook(use(n)) for n, p in group.items()
                    ]
                with torch.enable_grad(), torch.autocast(self.device.type, enabled=False):
                    value = self.measure(self.model, batch) * count
                    if value.requires_grad or len(self.groups) == 1:
                        value.backward()  # else the loss reaches nothing of this group
        finally:
            for hook in hooks:
                hook.remove()
        if not seen:
            raise InputError("there is nothing to score: the data hold no batch")
        for name in [n for n in group if n in missing]:  # no gradient in the last batch
            p = group[name]
            if p.grad is None:
                take(name, np.zeros(p.numel(), np.int32))
            else:
                use(name)(p)


class _Chosen:
    """The bits of weights above the bin of the threshold, and what lies in it, by parameter.

    Parameters
    ----------
    counts : scores by the upper half of their bits. wanted : how many weights are kept.
    """

    def __init__(self, counts: np.ndarray, wanted: int):
        at_least = counts[::-1].cumsum()[::-1]  # scores in this bin or above
        self.bin = int(np.flatnonzero(at_least >= wanted)[-1]) if wanted else BINS
        inside = int(counts[self.bin]) if wanted else 0
        self.above = int(at_least[self.bin]) - inside if wanted else 0
        self.wanted, self.expected = wanted, (self.above, inside)
        self.bits: dict[str, np.ndarray] = {}
        self.near: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # places, lower halves

    def take(self, name: str, bits: np.ndarray) -> None:
        """Note what is above the threshold's bin, and what is in it."""
        upper = bits >> 16
        self.bits[name] = np.packbits(upper > self.bin)
        places = np.flatnonzero(upper == self.bin)
        lower = (bits[places] & LOWER).astype(np.uint16)
        self.near[name] = (places.astype(np.uint32 if len(bits) < 2**32 else np.int64), lower)

    def packed(self, names: list[str]) -> dict[str, np.ndarray]:
        """Packed bits in the order of the names; ties are kept in that order, too."""
        self._check(names)
        left = self.wanted - self.above
        if not left:
            return {n: self.bits[n] for n in names}
        lower = np.concatenate([self.near[n][1] for n in names])
        limit = np.partition(lower, len(lower) - left)[len(lower) - left]
        ties = left - int(np.count_nonzero(lower > limit))
        for name in names:
            places, lower = self.near[name]
            chosen = lower > limit
            equal = np.flatnonzero(lower == limit)[:ties]
            chosen[equal] = True
            ties -= len(equal)
            kept = places[chosen]
            np.bitwise_or.at(self.bits[name], kept >> 3, (128 >> (kept & 7)).astype(np.uint8))
        return {n: self.bits[n] for n in names}

    def _check(self, names: list[str]) -> None:
        above = sum(int(np.unpackbits(self.bits[n]).sum()) for n in names)
        inside = sum(len(self.near[n][0]) for n in names)
        if (above, inside) != self.expected:
            raise NotRepeatableError(
                "the loss gave other gradients when the data were read again: seed what it draws,"
                " and keep to one number of threads"
            )


def _groups(named: Mapping[str, Tensor], together: int | None) -> Iterator[dict[str, Tensor]]:
    group: dict[str, Tensor] = {}
    held = 0
    for name, p in named.items():
        if group and together is not None and held + p.numel() > together:
            yield group
            group, held = {}, 0
        group[name], held = p, held + p.numel()
    yield group


def _with_last(batches: Iterable) -> Iterator[tuple[Any, bool]]:
    """Each batch, and whether it is the last."""
    waiting = list[Any]()
    for batch in batches:
        if waiting:
            yield waiting.pop(), False
        waiting.append(batch)
    if waiting:
        yield waiting.pop(), True
