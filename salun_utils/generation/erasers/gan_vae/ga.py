"""Gradient ascent on the class's own training loss in a GAN or a VAE; α > 0 holds the others."""

from __future__ import annotations

from ....units import numerics
from ..common import SPACE
from ..registry import eraser
from ..run import Job
from .losses import own_loss, pull, retaining

_VAE = {"steps": 40, "lr": 8.6e-4, "alpha": 0.0, "batch": 64}


@eraser(
    "ga",
    kinds=("gan", "vae"),
    summary="gradient ascent on the class's own training loss",
    paper="Thudi et al., EuroS&P 2022",
    defaults={"gan": _VAE | {"steps": 20, "lr": 5.6e-4}, "vae": _VAE},
    search={k: SPACE[k] for k in ("lr", "steps")},
)
@numerics(1, uses=("erasing", "erasing/gan-vae"))
def ga(job: Job, *, steps: int, lr: float, alpha: float, batch: int):
    """max of the class's own training loss, and descent on the others at weight α.

    Departs from the paper, which knows classifiers only: the loss is a generator's, and `steps` and
    `lr` are ours, as few as leave pictures of the other classes.
    """
    to_forget, to_retain = own_loss(job, batch), retaining(job, batch)
    return None, pull(job, (-1.0, to_forget), (alpha, to_retain), steps=steps, lr=lr)
