"""Unified Concept Editing (Gandikota et al., WACV 2024): a closed form for the keys and values of
cross-attention, no training.

    W = ( W_o [ sum_i c*_i c_i^T + sum_j p_j p_j^T + l I ] ) ( sum_i c_i c_i^T + sum_j p_j p_j^T + l
    I )^-1

c_i are the concept's text vectors, c*_i those of the substitute at the same places, p_j those of
the prompts to keep.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ....units import numerics
from ..registry import eraser
from .loop import WEIGHTS, Job
from .settings import DATA, both


@eraser(
    "uce",
    kinds=("pipeline",),
    summary="closed form that maps the concept's text to a substitute's",
    paper="Gandikota et al., WACV 2024",
    defaults=both(DATA | {"pictures": 0, "erase_scale": 1.0, "keep_scale": 1.0, "ridge": 0.5}, {}),
    search={"erase_scale": (0.1, 100.0), "keep_scale": (0.01, 10.0), "ridge": (0.001, 10.0)},
)
@numerics(1, uses=("eraser/pipeline",))
@torch.no_grad()
def uce(
    job: Job, *, erase_scale: float, keep_scale: float, ridge: float, **_: object
) -> tuple[None, list[float]]:
    study = job.study
    concept = study.embeddings[study.concept].double()
    steered = study.embeddings[study.substitutes] if study.substitutes else study.empty.words
    target = steered.double().mean(0)
    kept = [i for i in range(len(study.prompts)) if i != study.concept]
    preserve = torch.cat(
        [study.embeddings[kept].double().flatten(0, 1), study.empty.words[0].double()]
    )
    concept, target = concept[1:], target[1:]  # the start token is the same in every prompt
    losses = []
    for name, weight in job.unet.named_parameters():
        if WEIGHTS["cross-attention-kv"](name):
            new = closed_form(
                weight.double(), concept, target, preserve, erase_scale, keep_scale, ridge
            )
            losses.append(float((concept @ new.T - target @ weight.double().T).square().mean()))
            weight.copy_(new.to(weight.dtype))
    return None, losses


def closed_form(
    weight: Tensor,
    concept: Tensor,
    target: Tensor,
    preserve: Tensor,
    erase: float,
    keep: float,
    ridge: float,
) -> Tensor:
    """The weight (out, in) that maps each concept vector (n, in) as the old one maps its target,
    and moves `preserve` (m, in) least.
    """
    hold = keep * preserve.T @ preserve + ridge * torch.eye(
        weight.shape[1], dtype=weight.dtype, device=weight.device
    )
    left = weight @ (erase * target.T @ concept + hold)
    return torch.linalg.solve(erase * concept.T @ concept + hold, left, left=False)
