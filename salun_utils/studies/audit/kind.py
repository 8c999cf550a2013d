"""One audit as a kind of run."""

from __future__ import annotations

from ...runs.kinds import Kind, has, register
from .shadows import Plan

register(Kind("audit", has("models", "targets", "watched"), Plan.of))
