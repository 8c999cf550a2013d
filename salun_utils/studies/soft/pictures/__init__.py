"""Pictures of how weights are bound to where they were: which move, when, how far, and what comes
of it. Each function returns a figure and
its text alternative."""

from __future__ import annotations

from .moves import move_histograms, moved_by_layer, moved_by_penalty, moved_over_steps
from .records import MEASURES, densities, gaps_beside_published, penalty_path

__all__ = [
    "MEASURES",
    "densities",
    "gaps_beside_published",
    "move_histograms",
    "moved_by_layer",
    "moved_by_penalty",
    "moved_over_steps",
    "penalty_path",
]
