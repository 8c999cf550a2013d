"""FT: fine-tune on the retained pictures and trust that the rest fades."""

from __future__ import annotations

from torch import nn

from ..units import numerics
from .job import TRAINED, Job
from .registry import Range, method


@method(
    "ft",
    summary="fine-tune on the retained pictures",
    paper="Warnecke et al., NDSS 2023; settings of Fan et al., ICLR 2024",
    search={"lr": Range(1e-3, 0.3, log=True)},
    defaults_from="paper",
    stronger={"lr": "raise", "epochs": "raise"},
)
@numerics(1, uses=TRAINED)
def ft(job: Job, *, epochs: int = 10, lr: float = 0.01) -> nn.Module:
    """min CE(theta; D_r) from theta_o.

    Does not depart from the paper, whose rates lie between 0.01 and 0.04.
    """
    job.fit(job.split.retain, epochs=epochs, lr=lr)
    return job.model
