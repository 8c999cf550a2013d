"""By the gradient of the loss on the forget set: the paper's mask, and the same number of weights
from the other end.
"""

from __future__ import annotations

from torch import nn

from ...data.splits import ForgetSplit
from ...saliency import SaliencyMask, saliency_scores
from ...units import numerics
from . import rule


@rule("saliency")
@numerics(1, uses=("saliency", "masks"))
def saliency(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The highest gradients (Fan et al., ICLR 2024)."""
    return SaliencyMask.top(saliency_scores(model, split.forget), keep)


@rule("inverted")
@numerics(1, uses=("saliency", "masks"))
def inverted(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """As many weights, of the lowest gradients."""
    return SaliencyMask.lowest(saliency_scores(model, split.forget), keep).named(
        f"inverted {keep:g}"
    )
