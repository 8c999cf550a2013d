"""Pictures of duration and scale: maps with their border, curves over sizes, laws of cost. Each
function returns a figure and its text
alternative."""

from __future__ import annotations

from .curves import curves
from .laws import Law, agreement, laws
from .maps import maps
from .marks import HELD, LIGHT, STAR, STYLES

__all__ = [
    "HELD",
    "LIGHT",
    "STAR",
    "STYLES",
    "Law",
    "agreement",
    "curves",
    "laws",
    "maps",
]
