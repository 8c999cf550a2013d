"""Gradient ascent on the denoising loss of the class; α > 0 adds descent on the others."""

from __future__ import annotations

from torch import Tensor

from ....units import numerics
from ...models.diffusion.training import best_precision, denoising_loss
from ..common import SPACE, descend, draw, stream
from ..registry import eraser
from ..run import Job
from .salun import drop_labels
from .settings import KINDS, TRAIN, of_every_kind


@eraser(
    "ga",
    kinds=KINDS,
    summary="gradient ascent on the class's own training loss",
    paper="Thudi et al., EuroS&P 2022",
    defaults=of_every_kind(TRAIN | {"steps": 20, "lr": 1e-4, "alpha": 0.0}),
    search={k: SPACE[k] for k in ("lr", "steps")},
)
@numerics(1, uses=("erasing", "generator/ddpm/loss"))
def ga(
    job: Job,
    *,
    steps: int,
    lr: float,
    alpha: float,
    batch: int,
    clip: float,
    label_dropout: float,
):
    """max of the denoising loss at the class's own label, and descent on the others at weight α.

    Departs from the paper, which knows classifiers only: the loss is a generator's, and `steps` and
    `lr` are ours, as few as leave pictures of the other classes.
    """
    model, seed = job.model, job.seed
    rng, precision = stream(seed, "noise"), best_precision(model.device)
    to_forget = draw(job.forget, batch, stream(seed, "forget"))
    to_retain = draw(job.retain, batch, stream(seed, "retain"))

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return denoising_loss(model, model.encode(x), y, rng=rng, precision=precision)

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        parts = {"forget": (-1.0, loss(*next(to_forget)))}
        if alpha:
            x, y = next(to_retain)
            y = drop_labels(y, model.config.null, label_dropout, rng)
            parts["retain"] = (alpha, loss(x, y))
        return parts

    return None, descend(model, losses, steps=steps, lr=lr, clip=clip)
