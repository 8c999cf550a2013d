"""Pictures of how far a result can be relied on: over seeds, settings and forget amounts. Each
function returns a figure and its text
alternative."""

from __future__ import annotations

from .profiles import performance_profiles
from .seeds import needed_seeds, place_ranges, seed_dots
from .settings import forget_amounts, sweeps, trade_off

__all__ = [
    "forget_amounts",
    "needed_seeds",
    "performance_profiles",
    "place_ranges",
    "seed_dots",
    "sweeps",
    "trade_off",
]
