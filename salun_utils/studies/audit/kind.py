"""One audit as a kind of run."""

from __future__ import annotations

from ...runs import Record
from ...runs.kinds import Kind, has, register
from .shadows import Plan
from .study import units_of_audit


def units_of(record: Record) -> list[str]:
    """Units that one audit touched; what it audits is a method."""
    return units_of_audit(record.spec | {"method": record.spec["audited"]})


register(
    Kind(
        "audit",
        has("models", "targets", "watched"),
        Plan.of,
        notebooks=("00_audit",),
        units=units_of,
    )
)
