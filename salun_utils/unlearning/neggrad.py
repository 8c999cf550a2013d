"""NegGrad+: each step goes down the loss of retained pictures and up that of those to forget."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..units import numerics
from .job import TRAINED, Job, check_number
from .registry import Range, method


@method(
    "neggrad+",
    summary="descend on retained and ascend on forgotten pictures in one step",
    paper="Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023",
    search={"lr": Range(1e-4, 0.1, log=True), "beta": Range(0.8, 0.999)},
)
@numerics(1, uses=TRAINED)
def neggrad_plus(job: Job, *, epochs: int = 5, lr: float = 0.01, beta: float = 0.95) -> nn.Module:
    """min beta CE(theta; D_r) - (1 - beta) CE(theta; D_f), one batch of each a step; an epoch is
    one pass over D_r.

    Parameters
    ----------
    beta : from 0 (ascent only) to 1 (fine-tuning only).
    """
    check_number("beta", beta, 0, 1)
    forget = endless(
        job.split.forget,
        job.settings["batch_size"],
        job.draws("forget batches"),
        job.settings["augment"],
    )

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        x_f, y_f = (t.to(x.device) for t in next(forget))
        logits = model(torch.cat([x, x_f]))  # together, so that batch normalisation sees both
        kept = nn.functional.cross_entropy(logits[: len(x)], y)
        forgotten = nn.functional.cross_entropy(logits[len(x) :], y_f)
        return beta * kept - (1 - beta) * forgotten

    job.fit(job.split.retain, epochs=epochs, lr=lr, loss=loss)
    return job.model


def endless(
    images: Images, size: int, generator: torch.Generator, augment: str | bool | None = None
) -> Iterator[tuple[Tensor, ...]]:
    """Shuffled batches for ever."""
    while True:
        yield from images.batches(size, generator=generator, augment=augment)
