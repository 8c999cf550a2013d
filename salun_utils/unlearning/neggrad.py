"""NegGrad+: each step goes down the loss of retained pictures and up that of those to forget."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import unknown
from ..fitting.ranks import undivided
from ..units import numerics
from .job import TRAINED, Job, check_number, endless
from .registry import Range, method

BATCHNORM = ("frozen", "apart", "together")


@method(
    "neggrad+",
    summary="descend on retained and ascend on forgotten pictures in one step",
    paper="Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023",
    search={"lr": Range(1e-4, 0.1, log=True), "beta": Range(0.8, 0.9999)},
    defaults_from="paper",
    stronger={"lr": "raise", "epochs": "raise", "beta": "lower"},
    retains=("beta",),
)
@numerics(2, uses=TRAINED)
def neggrad_plus(
    job: Job,
    *,
    epochs: int = 10,
    lr: float = 0.01,
    beta: float = 0.95,
    batchnorm: str = "frozen",
) -> nn.Module:
    """min beta CE(theta; D_r) - (1 - beta) CE(theta; D_f), one batch of each a step; an epoch is
    one pass over D_r.

    Each batch has a forward pass of its own. Defaults are those of the authors' notebooks on small
    CIFAR; their large ones have beta 0.9999 and train "apart".

    Departs from the authors in its optimizer, momentum 0.9 and weight decay as for all methods
    here, where theirs has none and a pull towards theta_o instead.

    Parameters
    ----------
    beta : from 0 (ascent only) to 1 (fine-tuning only).
    batchnorm : which statistics normalise. "frozen" keeps the network in evaluation mode, dropout
        included, as the authors' notebook on small CIFAR does: running statistics are used and
        stay. "apart" is training mode, as in their function for large sets: each batch by its own
        statistics, and the running ones follow both. "together" sends both through in one pass, so
        that they are normalised by common statistics. All three are one without such layers.
    """
    check_number("beta", beta, 0, 1)
    if batchnorm not in BATCHNORM:
        raise unknown("batchnorm", batchnorm, BATCHNORM)
    forget = endless(
        job.split.forget,
        job.settings["batch_size"],
        job.draws("forget batches"),
        job.settings["augment"],
    )

    @undivided  # its forgotten pictures are no part of the batch that could be shared
    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        x_f, y_f = (t.to(x.device) for t in next(forget))
        if batchnorm == "frozen":
            model.eval()
        if batchnorm == "together":
            answers, answers_f = model(torch.cat([x, x_f])).split([len(x), len(x_f)])
        else:
            answers, answers_f = model(x), model(x_f)
        kept = nn.functional.cross_entropy(answers, y)
        return beta * kept - (1 - beta) * nn.functional.cross_entropy(answers_f, y_f)

    job.fit(job.split.retain, epochs=epochs, lr=lr, loss=loss)
    return job.model
