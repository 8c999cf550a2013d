"""ℓ1-sparse: fine-tune on what is retained under a sparsity penalty that fades out."""

from __future__ import annotations

import math

from torch import nn

from ..units import numerics
from .job import TRAINED, Job, check_count, check_number
from .registry import Range, method


@method(
    "l1-sparse",
    summary="fine-tune on the retained pictures with a fading ℓ1 penalty",
    paper=(
        "Jia et al., Model Sparsity Can Simplify Machine Unlearning, NeurIPS 2023; settings of Fan"
        " et al., ICLR 2024"
    ),
    search={"lr": Range(1e-3, 0.3, log=True), "gamma": Range(1e-6, 3e-3, log=True)},
    defaults_from="ours: gamma (the public default of 0.2 destroys a network); epochs and lr are"
    " the paper's",
    stronger={"lr": "raise", "epochs": "raise", "gamma": "raise"},
)
@numerics(1, uses=TRAINED)
def l1_sparse(job: Job, *, epochs: int = 10, lr: float = 0.01, gamma: float = 5e-4) -> nn.Module:
    """min CE(theta; D_r) + gamma_t ||theta||_1, gamma_t falling in a straight line from `gamma` to
    0 over the steps.

    Does not depart from the authors but in the default of gamma.

    Parameters
    ----------
    gamma : weight of the penalty at the first step. The public default of 0.2 destroys a network;
        5e-4 leaves one working.
    """
    check_number("gamma", gamma)
    steps = check_count("epochs", epochs) * math.ceil(
        len(job.split.retain) / job.settings["batch_size"]
    )
    taken = 0

    def add_penalty(model: nn.Module) -> None:
        nonlocal taken
        weight = gamma * (1 - taken / steps)
        for p in model.parameters():
            if p.grad is not None:
                p.grad.add_(p.detach().sign(), alpha=weight)
        taken += 1

    job.fit(job.split.retain, epochs=epochs, lr=lr, before_step=add_penalty)
    return job.model
