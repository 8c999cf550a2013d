"""Pictures of the chapter on architectures: where salient weights sit, and how methods fare on each
network. Each function returns a figure
and its text alternative."""

from __future__ import annotations

from .comparisons import STYLES, correlations, differences, gaps, rates
from .layers import CONVOLUTIONS, GROUP_MARKERS, GROUPS, kinds_of, layers, tenths

__all__ = [
    "CONVOLUTIONS",
    "GROUPS",
    "GROUP_MARKERS",
    "STYLES",
    "correlations",
    "differences",
    "gaps",
    "kinds_of",
    "layers",
    "rates",
    "tenths",
]
