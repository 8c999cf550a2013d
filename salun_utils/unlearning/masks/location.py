"""By where a weight lies: the last layers only, or the highest gradients within each layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...data.splits import ForgetSplit
from ...saliency import SaliencyMask, saliency_scores
from ...units import numerics
from . import rule


@rule("last-layers")
@numerics(1, uses=("masks",))
def last_layers(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The weights nearest to the output: parameters from the last one backwards, the one at the
    border by its first elements.
    """
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    depth = {n: torch.full(p.shape, float(i)) for i, (n, p) in enumerate(named.items())}
    return SaliencyMask.top(depth, keep).named(f"last-layers {keep:g}")


@rule("per-layer")
@numerics(1, uses=("saliency", "masks"))
def per_layer(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The highest gradients of every parameter tensor for itself, so that each gives the same
    share; exactly ``int(keep * n)`` in all.
    """
    return SaliencyMask.top(rank_within(saliency_scores(model, split.forget)), keep).named(
        f"per-layer {keep:g}"
    )


def rank_within(scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each score's rank in its own tensor, as a share in (0, 1]: 1 for the highest. Ties go to the
    earlier element.
    """
    ranks = {}
    for name, values in scores.items():
        flat = values.detach().cpu().flatten()
        order = flat.argsort(descending=True, stable=True)
        share = torch.empty(len(flat), dtype=torch.float64)
        share[order] = 1 - torch.arange(len(flat), dtype=torch.float64) / max(len(flat), 1)
        ranks[name] = share.float().reshape(values.shape)
    return ranks
