"""Weights rounded to a few bits, as before a model is shipped: does what was forgotten survive the
rounding, or come back with it?
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ...errors import check_whole


def quantised(model: nn.Module, *, bits: int = 8) -> nn.Module:
    """A copy with every weight matrix and kernel rounded to `bits`; biases, normalisation layers
    and activations stay in float32.

    Each output channel has a scale of its own, s = max|w| / (2^(bits - 1) - 1), and w becomes s *
    round(w / s): symmetric, per channel, nearest value. The answers are those of integer weights
    with float32 activations.
    """
    check_bits(bits)
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for p in rounded_parameters(copied).values():
            scale = scales(p, bits)
            p.copy_((p / scale).round() * scale)
    return copied


def codes_changed(original: nn.Module, unlearned: nn.Module, *, bits: int = 8) -> float:
    """Share of the rounded weights, 0 to 1, whose integer is another after unlearning, both on the
    scales of the original.

    Where it is small, rounding undoes most of what unlearning did.
    """
    check_bits(bits)
    changed = total = 0
    for (_, a), (_, b) in zip(
        rounded_parameters(original).items(), rounded_parameters(unlearned).items(), strict=True
    ):
        scale = scales(a, bits)
        changed += int(((a / scale).round() != (b / scale).round()).sum())
        total += a.numel()
    return changed / total


def rounded_parameters(model: nn.Module) -> dict[str, Tensor]:
    """The weights that `quantised` rounds: parameters of two or more dimensions."""
    return {n: p.detach() for n, p in model.named_parameters() if p.ndim >= 2}


def scales(weight: Tensor, bits: int) -> Tensor:
    """Size of one step of the rounding for each output channel, shaped to divide `weight`; 1 where
    a channel is all zero.
    """
    largest = weight.abs().flatten(1).amax(1)
    step = torch.where(largest > 0, largest / (2 ** (bits - 1) - 1), torch.ones_like(largest))
    return step.view(-1, *[1] * (weight.ndim - 1))


def check_bits(bits: int) -> None:
    """Whole, 2 to 16."""
    check_whole("bits", bits, 2, 16)
