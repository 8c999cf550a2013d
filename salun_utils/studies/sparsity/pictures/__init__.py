"""Pictures of thresholds and densities. Each function returns a figure and its text alternative."""

from __future__ import annotations

from .scores import STYLES, knees, layer_shares, shares_held, thresholds
from .sweeps import DENSITY_TICKS, PANELS, against_density, differences, lines_by_mask

__all__ = [
    "DENSITY_TICKS",
    "PANELS",
    "STYLES",
    "against_density",
    "differences",
    "knees",
    "layer_shares",
    "lines_by_mask",
    "shares_held",
    "thresholds",
]
