"""One look at gradient and influence as a kind of run."""

from __future__ import annotations

from ...runs import Record
from ...runs.kinds import Kind, has, register
from .study import Study, units_of_influence


def units_of(record: Record) -> list[str]:
    """Units that one look touched; what it watches is a method."""
    return units_of_influence(record.spec | {"method": record.spec["watched"]})


register(
    Kind(
        "influence",
        has("judged", "noise", "draws", "head_images", "left_out"),
        Study.of,
        notebooks=("00_influence",),
        units=units_of,
    )
)
