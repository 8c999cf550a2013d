"""A row of requests as a kind of run."""

from __future__ import annotations

from ...runs import Record
from ...runs.kinds import Kind, has, register
from .study import Plan, units_of_requests


def units_of(record: Record) -> list[str]:
    """Units that one row touched."""
    return units_of_requests(record.spec, record.spec["methods"])


register(
    Kind(
        "requests", has("methods", "requests"), Plan.of, notebooks=("00_requests",), units=units_of
    )
)
