"""Original: do nothing. The baseline every method has to beat."""

from __future__ import annotations

from torch import nn

from ..units import numerics
from .job import Job
from .registry import method


@method(
    "original",
    summary="do nothing: the model as it was trained",
    paper="baseline, not a method",
    search={},
    defaults_from="ours: there are none",
    takes_mask=False,
)
@numerics(1)
def original(job: Job) -> nn.Module:
    """theta_u = theta_o. Has no authors to depart from."""
    return job.model
