"""Concept ablation (Kumari et al., ICCV 2023, model-based): on pictures of an anchor, the concept's
prompt must act as the anchor's.

    min  E || e_u(x_t | c) - sg[e_u(x_t | c*)] ||^2 + l_MSE(pictures of the anchor),   x from
    pictures of the anchor c*

By default only the keys and values of cross-attention change. Departs from the authors: the
anchor's pictures are those of the data, where theirs are drawn by the model from many prompts.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ....units import numerics
from ..registry import eraser
from .loop import Job, train
from .salun import denoising
from .settings import LR, SMALL, TRAIN, both


@eraser(
    "concept-ablation",
    kinds=("pipeline",),
    summary="make the concept's prompt act as an anchor's on the anchor's pictures",
    paper="Kumari et al., ICCV 2023",
    defaults=both(
        TRAIN | {"epochs": 2, "alpha": 1.0, "lr": 2e-6, "weights": "cross-attention-kv"},
        SMALL | {"epochs": 8, "lr": 3e-4},
    ),
    search=LR | {"alpha": (0.1, 10.0)},
)
@numerics(1, uses=("eraser/pipeline", "erasing/pipeline"))
def concept_ablation(job: Job, **_: object) -> tuple[None, list[float]]:
    return None, train(job, loss)


def loss(job: Job, forget: Tensor, retain: Tensor, draws: torch.Generator) -> Tensor:
    pool = torch.cat([job.study.of(c) for c in job.study.substitutes])
    anchors = pool[torch.randint(len(pool), (len(forget),), generator=draws)]
    x, t, _ = job.noised(anchors, draws)
    with torch.no_grad():
        target = job.predict(job.unet, x, t, job.text(job.study.labels[anchors]))
    concept = torch.full_like(anchors, job.study.concept)
    steered = mse_loss(job.predict(job.unet, x, t, job.text(concept)).float(), target.float())
    return steered + job.options["alpha"] * denoising(job, anchors, draws)
