"""Concept ablation (Kumari et al., ICCV 2023, model-based): on pictures of an anchor, the concept's
prompt must act as the anchor's.

    min  E || e_u(x_t | c) - sg[e_u(x_t | c*)] ||^2 + l_MSE(pictures of the anchor),   x from
    pictures of the anchor c*

By default only the keys and values of cross-attention change.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ....units import numerics
from .loop import Job, train
from .salun import denoising


@numerics(1, "eraser/pipeline/concept-ablation", uses=("eraser/pipeline", "erasing/pipeline"))
def erase(job: Job, **_: object) -> tuple[None, list[float]]:
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
