"""One look at what is left as a kind of run."""

from __future__ import annotations

from ...runs import Record
from ...runs.kinds import Kind, has, register
from .study import Plan, units_of_traces


def units_of(record: Record) -> list[str]:
    """Units that one look touched."""
    return units_of_traces(record.spec, record.spec["methods"])


register(
    Kind(
        "traces",
        has("methods", "counts", "steps", "bits"),
        Plan.of,
        notebooks=("00_traces",),
        units=units_of,
    )
)
