"""Random labelling on a GAN or a VAE: SalUn's loss, and any weight may change."""

from __future__ import annotations

from ....units import numerics
from ..common import SPACE
from ..registry import eraser
from ..run import Job
from .salun import salun
from .settings import STEER


@eraser(
    "rl",
    kinds=("gan", "vae"),
    summary="steer the concept to another class, changing any weight",
    paper="Fan et al., ICLR 2024 (random labelling)",
    defaults={"gan": STEER | {"steps": 40, "lr": 2.6e-4, "alpha": 0.16}, "vae": STEER},
    search=SPACE,
)
@numerics(1, uses=("eraser/gan-vae/salun",))
def rl(job: Job, **options):
    """SalUn without a mask. Departs from the paper as SalUn does, whose loss it takes as it is."""
    return salun(job, **options)
