"""A round of probes as a kind of run."""

from __future__ import annotations

from ...generation.trials.kind import tuned_eraser
from ...runs.kinds import Kind, has, register
from .study import Plan

register(
    Kind(
        "probes",
        has("eraser", "concept", "probes", "search_steps"),
        Plan.of,
        data="data",
        check_present=lambda described: described.check_present(),
        tuned=tuned_eraser,
    )
)
