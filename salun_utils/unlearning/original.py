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
    takes_mask=False,
)
@numerics(1)
def original(job: Job) -> nn.Module:
    return job.model
