"""Gradient ascent: climb the denoising loss of the concept's pictures, with nothing that holds the
rest in place.
"""

from __future__ import annotations

from ....units import numerics
from .loop import Job, train
from .salun import denoising


@numerics(1, "eraser/pipeline/ga", uses=("eraser/pipeline", "erasing/pipeline"))
def erase(job: Job, **_: object) -> tuple[None, list[float]]:
    return None, train(job, lambda job, forget, retain, draws: -denoising(job, forget, draws))
