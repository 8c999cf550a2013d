"""Networks as pictures: where salient weights sit, and how methods fare on each
network. Each function returns a figure
and its text alternative."""

from __future__ import annotations

from .comparisons import STYLES, by_split, gaps, rates
from .layers import bars_by_kind, kinds_of, over_factor, tenths

__all__ = [
    "STYLES",
    "bars_by_kind",
    "by_split",
    "gaps",
    "kinds_of",
    "over_factor",
    "rates",
    "tenths",
]
