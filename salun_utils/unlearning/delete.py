"""DELETE: what the original would say if it knew all classes but the true one, learnt from the
pictures to forget alone.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..units import numerics
from .job import TRAINED, Job
from .registry import Range, method

NEVER = -1e10  # the logit of a class that must not be answered


@method(
    "delete",
    summary="imitate the original without the true class on forgotten pictures; needs no others",
    paper=(
        "Zhou et al., Decoupled Distillation to Erase: A General Unlearning Method for Any"
        " Class-centric Tasks, CVPR 2025"
    ),
    search={"lr": Range(1e-5, 0.03, log=True)},
    defaults_from="paper",
    stronger={"lr": "raise", "epochs": "raise"},
    common={"batch_size": 128, "weight_decay": 0.0},
)
@numerics(1, uses=TRAINED)
def delete(job: Job, *, epochs: int = 20, lr: float = 1e-4) -> nn.Module:
    """min KL(target || theta) on D_f, where the target is the softmax of the original's logits with
    that of the true class at -1e10: how the other classes share the rest is kept.

    Does not depart from the authors.
    """
    original = copy.deepcopy(job.model).eval().requires_grad_(False)

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        with torch.no_grad():
            wanted = target(original(x), y)
        student = model(x).float().log_softmax(1)
        return nn.functional.kl_div(student, wanted, reduction="batchmean")

    job.fit(job.split.forget, epochs=epochs, lr=lr, loss=loss)
    return job.model


def target(logits: Tensor, labels: Tensor) -> Tensor:
    """Probabilities (B, K) that are 0 for the true class, from logits (B, K) and labels (B,)."""
    return logits.float().scatter(1, labels[:, None], NEVER).softmax(1)
