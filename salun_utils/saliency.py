"""Weight saliency: how strongly the forgetting loss pulls at each weight, and the mask of the
strongest.

Fan et al., SalUn, ICLR 2024, section 4: ``m_S = 1(|grad of l_f(theta; D_f) at theta_o| >= gamma)``,
gamma being the median, so that half of all weights, ranked over all layers together, may change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .bits import WRAPPERS, BitMask, bare_name
from .data.images import Images
from .errors import InputError
from .models.contract import check_gradients, check_weights, checked_logits, logits_of
from .seeds import generator
from .threshold import score_bits, size, threshold
from .units import numerics

__all__ = ["WRAPPERS", "SaliencyMask", "bare_name", "check_keep", "saliency_scores"]


@numerics(1, "saliency", uses=("data",))
def saliency_scores(
    model: nn.Module,
    data: Images | Iterable,
    *,
    loss: Callable[[Any, Any], Tensor] | None = None,
    batch_size: int = 256,
    parameters: Callable[[str], bool] | None = None,
) -> dict[str, Tensor]:
    """Absolute gradient of the mean loss over the whole of `data`, for every trainable weight.

    The gradient is summed over all pictures first and its absolute value taken after, so batch size
    and a short last batch don't change it (but for rounding). The model runs in evaluation mode and
    float32, on un-augmented pictures, and is left as it was found: weights, gradients, buffers and
    modes.

    Parameters
    ----------
    data : `Images`, or any iterable of batches. The size of a batch is the length of its first (or
        only) tensor.
    loss : ``loss(model, batch)`` -> mean over the batch; cross-entropy with the true labels by
        default. Its sign is irrelevant.
    parameters : takes a parameter's name, says whether it is scored; all trainable ones by default.

    Returns
    -------
    dict of float32 tensors >= 0, named and shaped like the parameters, on the model's device.

    Raises
    ------
    InputError : for weights that are not float32 (see `models.contract.check_weights`), no batch,
        a loss that is no single number of the weights, or, where it is cross-entropy, a model that
        gives no logits or a label below 0.

    Source: Fan et al., ICLR 2024, equation for m_S.
    """
    device = next(check_weights(model).parameters(), torch.zeros(())).device
    measure: Callable[[Any, Any], Tensor] = loss or CrossEntropy()
    named = {
        n: p
        for n, p in model.named_parameters()
        if p.requires_grad and (parameters is None or parameters(n))
    }
    if not named:
        raise InputError("no trainable parameter is left to score")
    batches = data.to(device).batches(batch_size) if isinstance(data, Images) else data
    with left_as_found(model, named):
        seen = 0
        for batch in batches:
            batch = to_device(batch, device)
            count = batch_length(batch)
            with torch.enable_grad(), torch.autocast(device.type, enabled=False):
                # .grad accumulates: no second buffer is needed
                (check_loss(measure(model, batch)) * count).backward()
            seen += count
        if not seen:
            raise InputError("there is nothing to score: the data hold no batch")
        return {
            n: torch.zeros_like(p) if p.grad is None else p.grad.abs_().div_(seen)
            for n, p in named.items()
        }


@contextlib.contextmanager
def left_as_found(model: nn.Module, named: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, the model is in evaluation mode, has no gradients, and only the `named` parameters
    get any; afterwards modes, gradients and what is trained are as before.
    """
    modes = {module: module.training for module in model.modules()}
    before = {p: p.grad for p in model.parameters()}
    frozen = [p for n, p in model.named_parameters() if p.requires_grad and n not in named]
    try:
        model.eval()
        for p in before:
            p.grad = None
        for p in frozen:
            p.requires_grad_(False)
        yield
    finally:
        for p, grad in before.items():
            p.grad = grad
        for p in frozen:
            p.requires_grad_(True)
        for module, training in modes.items():
            module.training = training


def check_loss(value: object) -> Tensor:
    """Return what a loss gave, or raise `InputError` unless it is a single number that depends on
    the weights.
    """
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.is_floating_point():
        shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
        raise InputError(
            "a loss must give a tensor of one number, the mean over the batch, not"
            f" {type(value).__name__}{shape}"
        )
    if not value.requires_grad:
        raise InputError("the loss doesn't lead back to the weights (is it detached?)")
    return value.reshape(()) if value.ndim else value


def check_labels(labels: Tensor) -> None:
    """Raise `InputError` for a label below 0, which is that of no class."""
    if labels.numel() and (lowest := int(labels.min())) < 0:
        raise InputError(f"labels must be at least 0, not {lowest}")


class CrossEntropy:
    """The loss of `saliency_scores`, with the true labels; looks closely at what the model gives
    for the first batch.
    """

    classes = 0

    def __call__(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y, *_ = batch
        check_labels(y)
        if self.classes:
            return nn.functional.cross_entropy(logits_of(model(x), self.classes), y)
        self.classes = int(y.max()) + 1
        logits = checked_logits(model, x, self.classes)
        check_gradients(model, logits)
        return nn.functional.cross_entropy(logits, y)


def to_device(batch: object, device: torch.device) -> object:
    """A batch with all its tensors on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {k: to_device(v, device) for k, v in batch.items()}
    if isinstance(batch, tuple | list):
        moved = [to_device(v, device) for v in batch]
        # a named tuple takes its fields one by one
        kind: Any = type(batch)
        return kind(*moved) if hasattr(batch, "_fields") else kind(moved)
    return batch


def batch_length(batch: object) -> int:
    """Examples in a batch: the length of its first tensor."""
    parts = (
        list(batch.values())
        if isinstance(batch, Mapping)
        else list(batch)
        if isinstance(batch, tuple | list)
        else [batch]
    )
    for part in parts:
        if isinstance(part, Tensor) and part.ndim:
            return len(part)
    raise InputError(
        "a batch must be a tensor, or hold one, whose first dimension counts its examples"
    )


@numerics(1, "masks")
class SaliencyMask(BitMask):
    """Which weights may change: one bit a weight, named like the parameters of the model.

    Build one with `top`, `random`, `magnitude` or `from_bools`; ``mask["conv1.weight"]`` is a bool
    tensor. How it is read, fitted onto a model and saved stands in `bits.BitMask`.
    """

    @classmethod
    def top(cls, scores: Mapping[str, Tensor], keep: float = 0.5) -> SaliencyMask:
        """Keep exactly ``int(keep * n)`` of all n weights: the highest scores over all tensors
        together.

        Ties are broken by position (earlier tensors, then earlier elements, are kept). The
        threshold is found by counting, chunk by chunk, how many scores lie above a guess: the
        weights are neither sorted nor joined. It is exact, and the same on every device.

        Parameters
        ----------
        scores : named tensors, all >= 0 and without NaN.
        keep : share kept, 0 to 1.
        """
        bits = score_bits(_named_scores(scores))
        return cls._highest(
            bits,
            int(check_keep(keep) * size(bits)),
            {n: tuple(s.shape) for n, s in scores.items()},
            f"top {keep:g}",
        )

    @classmethod
    def lowest(cls, scores: Mapping[str, Tensor], keep: float = 0.5) -> SaliencyMask:
        """Keep exactly ``int(keep * n)`` weights, those of lowest score: as many as `top` keeps,
        from the other end.
        """
        bits = score_bits(_named_scores(scores))
        dropped = size(bits) - int(check_keep(keep) * size(bits))
        return (
            cls._highest(bits, dropped, {n: tuple(s.shape) for n, s in scores.items()})
            .inverted()
            .named(f"lowest {keep:g}")
        )

    @classmethod
    def _highest(
        cls,
        bits: dict[str, np.ndarray],
        wanted: int,
        shapes: dict[str, tuple[int, ...]],
        rule: str = "",
    ) -> SaliencyMask:
        limit, ties = threshold(list(bits.values()), wanted)
        packed = {}
        for name, row in bits.items():
            chosen = row > limit
            if ties:
                equal = np.flatnonzero(row == limit)[:ties]
                chosen[equal] = True
                ties -= len(equal)
            packed[name] = np.packbits(chosen)
        return cls(packed, shapes, rule)

    @classmethod
    def random(cls, scores: Mapping[str, Tensor], keep: float = 0.5, seed: int = 0) -> SaliencyMask:
        """Keep exactly ``int(keep * n)`` weights drawn at random; `scores` gives names and shapes
        only.
        """
        draws = generator(seed, "random mask")
        named = _named_scores(scores)
        noise = {n: torch.rand(s.shape, generator=draws) for n, s in named.items()}
        return cls.top(noise, keep).named(f"random {keep:g}")

    @classmethod
    def magnitude(cls, model: nn.Module, keep: float = 0.5) -> SaliencyMask:
        """Keep the weights of greatest absolute value."""
        return cls.top(
            {n: p.detach().abs() for n, p in model.named_parameters() if p.requires_grad}, keep
        ).named(f"magnitude {keep:g}")

    def overlap(self, other: BitMask) -> float:
        """Weights that both masks keep over weights that at least one keeps, see `BitMask.overlap`;
        `InputError` for what is no mask.
        """
        if not isinstance(other, BitMask):
            raise InputError(f"a mask overlaps with another mask, not with {type(other).__name__}")
        return super().overlap(other)


def _named_scores(scores: object) -> Mapping[str, Tensor]:
    if not isinstance(scores, Mapping):
        raise InputError(
            "scores must be a dictionary from names of parameters to tensors, not"
            f" {type(scores).__name__}"
        )
    return scores


def check_keep(keep: object) -> float:
    """Return a share in [0, 1], else raise `InputError`."""
    # NaN fails the comparison
    if isinstance(keep, bool) or not isinstance(keep, Real) or not 0 <= float(keep) <= 1:
        raise InputError(f"keep must be a number from 0 to 1, not {keep!r}")
    return float(keep)
