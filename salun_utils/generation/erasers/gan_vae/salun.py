"""SalUn on a GAN or a VAE: under the concept's label, draw what the frozen original draws of the
same code under another, changing only the most salient weights.

Departs from the authors, who have no such generators: their loss for diffusion models is carried
over, with the picture of a code in the place of the noise.
"""

from __future__ import annotations

from ....saliency import SaliencyMask
from ....units import numerics
from ..common import SPACE, choose_mask, substitutes
from ..registry import eraser
from ..run import Job
from .losses import pull, retaining, saliency_of, steering
from .settings import STEER

_MASKED = STEER | {"mask": "saliency", "keep": 0.5}


@eraser(
    "salun",
    kinds=("gan", "vae"),
    summary="steer the concept to another class, changing only the most salient weights",
    paper="Fan et al., ICLR 2024",
    defaults={"gan": _MASKED, "vae": _MASKED},
    search=SPACE,
)
@numerics(1, uses=("erasing", "erasing/gan-vae"))
def salun(
    job: Job,
    *,
    steps: int,
    lr: float,
    alpha: float,
    batch: int,
    substitute,
    mask: str | SaliencyMask = "none",
    keep: float = 1.0,
):
    others = substitutes(substitute, job.label, job.model.classes)
    held = choose_mask(mask, job.model, lambda: saliency_of(job), keep, job.seed)
    to_forget, to_retain = steering(job, others, batch), retaining(job, batch)
    return held, pull(job, (1.0, to_forget), (alpha, to_retain), steps=steps, lr=lr, mask=held)
