"""Random labelling on a text-to-image pipeline: SalUn's loss, and any weight may change."""

from __future__ import annotations

from ....units import numerics
from ..registry import eraser
from .loop import Job
from .salun import salun
from .settings import LR, STEER, STEER_SMALL, both


@eraser(
    "rl",
    kinds=("pipeline",),
    summary="steer the concept to another class, changing any weight",
    paper="Fan et al., ICLR 2024 (random labelling)",
    defaults=both(STEER | {"mask": "none"}, STEER_SMALL),
    search=LR | {"alpha": (0.1, 10.0)},
)
@numerics(1, uses=("eraser/pipeline/salun",))
def rl(job: Job, **options):
    """SalUn without a mask. Departs from the paper as SalUn does, whose loss it takes as it is."""
    return salun(job, **options)
