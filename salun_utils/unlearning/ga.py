"""GA: gradient ascent on the pictures to forget."""

from __future__ import annotations

from torch import nn

from ..units import numerics
from .job import TRAINED, Job
from .registry import Range, method


@method(
    "ga",
    summary="ascend the loss of the pictures to forget",
    paper="Thudi et al., EuroS&P 2022; settings of Fan et al., ICLR 2024",
    search={"lr": Range(1e-6, 1e-2, log=True)},
    defaults_from="paper",
    stronger={"lr": "raise", "epochs": "raise"},
)
@numerics(1, uses=TRAINED)
def ga(job: Job, *, epochs: int = 5, lr: float = 1e-4) -> nn.Module:
    """max CE(theta; D_f) from theta_o.

    Does not depart from the paper, whose rates lie between 1e-4 and 1e-3.
    """
    job.fit(job.split.forget.with_weights(-1.0), epochs=epochs, lr=lr)
    return job.model
