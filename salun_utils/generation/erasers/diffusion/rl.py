"""Random labelling on a diffusion model: SalUn's loss, and any weight may change."""

from __future__ import annotations

from ....units import numerics
from ..common import SPACE
from ..registry import eraser
from ..run import Job
from .salun import salun
from .settings import KINDS, STEER, of_every_kind


@eraser(
    "rl",
    kinds=KINDS,
    summary="steer the concept to another class, changing any weight",
    paper="Fan et al., ICLR 2024 (random labelling)",
    defaults=of_every_kind(STEER | {"mask": "none", "keep": 1.0}),
    search=SPACE,
)
@numerics(1, uses=("eraser/ddpm/salun",))
def rl(job: Job, **options):
    """SalUn without a mask. Departs from the paper as SalUn does, whose loss it takes as it is."""
    return salun(job, **options)
