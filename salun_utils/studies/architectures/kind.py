"""One look at where saliency sits in several networks as a kind of run."""

from __future__ import annotations

from ...runs import Record
from ...runs.kinds import Kind, Parameters, has, register
from ...runs.spec import RunSpec
from .measure import specs, units_of_anatomy


def networks_of(parameters: Parameters) -> list[RunSpec]:
    """The networks that the parameters name, each with the settings that all share."""
    return specs(str(parameters["networks"]), RunSpec.of(parameters))


def units_of(record: Record) -> list[str]:
    """Units that the masks of one look touched; each has its network and scenario."""
    found = [record.spec | one for one in record.measurements["masks"]]
    return units_of_anatomy(one | {"scenario": one["scenario"].split("-")[0]} for one in found)


register(Kind("anatomy", has("networks"), networks_of, notebooks=("00_anatomy",), units=units_of))
