"""Pictures of the benchmark: many methods at once, with intervals. Each function returns a figure
and its text alternative."""

from __future__ import annotations

from ....plots.methods import COLOUR_OF, KINDS, MARKER_OF, RETRAIN, kind
from .classes import answers
from .gaps import cost_against_gap, gap_intervals, paths, trade_off, tuning_gain
from .masks import mask_gaps
from .quick import changes, garments

__all__ = [
    "COLOUR_OF",
    "KINDS",
    "MARKER_OF",
    "RETRAIN",
    "answers",
    "changes",
    "cost_against_gap",
    "gap_intervals",
    "garments",
    "kind",
    "mask_gaps",
    "paths",
    "trade_off",
    "tuning_gain",
]
