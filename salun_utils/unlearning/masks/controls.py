"""Masks that know nothing of what is to be forgotten: drawn at random, or by the size of the
weights.
"""

from __future__ import annotations

from torch import nn

from ...data.splits import ForgetSplit
from ...saliency import SaliencyMask
from ...units import numerics
from . import rule


@rule("random")
@numerics(1, uses=("masks",))
def random(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """Drawn at random."""
    return SaliencyMask.random(
        {n: p for n, p in model.named_parameters() if p.requires_grad}, keep, seed
    )


@rule("magnitude")
@numerics(1, uses=("masks",))
def magnitude(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The weights of greatest absolute value."""
    return SaliencyMask.magnitude(model, keep)
