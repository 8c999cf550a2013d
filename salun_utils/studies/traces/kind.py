"""One look at what is left as a kind of run."""

from __future__ import annotations

from ...runs.kinds import Kind, has, register
from .study import Plan

register(Kind("traces", has("methods", "counts", "steps", "bits"), Plan.of))
