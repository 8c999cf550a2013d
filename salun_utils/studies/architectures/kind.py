"""One look at where saliency sits in several networks as a kind of run."""

from __future__ import annotations

from ...runs.kinds import Kind, Parameters, has, register
from ...runs.spec import RunSpec
from .measure import specs


def networks_of(parameters: Parameters) -> list[RunSpec]:
    """The networks that the parameters name, each with the settings that all share."""
    return specs(str(parameters["networks"]), RunSpec.of(parameters))


register(Kind("anatomy", has("networks"), networks_of))
