"""Gradient ascent: climb the denoising loss of the concept's pictures, with nothing that holds the
rest in place.

Departs from the paper, which knows classifiers only: the loss is the denoising loss at the
concept's prompts, and `epochs` and `lr` are ours.
"""

from __future__ import annotations

from ....units import numerics
from ..registry import eraser
from .loop import Job, train
from .salun import denoising
from .settings import LR, SMALL, TRAIN, both


@eraser(
    "ga",
    kinds=("pipeline",),
    summary="gradient ascent on the concept's pictures",
    paper="Thudi et al., EuroS&P 2022",
    defaults=both(TRAIN | {"epochs": 1}, SMALL | {"lr": 3e-5}),
    search=LR | {"epochs": [1, 2, 3]},
)
@numerics(1, uses=("eraser/pipeline", "erasing/pipeline"))
def ga(job: Job, **_: object) -> tuple[None, list[float]]:
    return None, train(job, lambda job, forget, retain, draws: -denoising(job, forget, draws))
