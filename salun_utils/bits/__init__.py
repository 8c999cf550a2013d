"""Masks as bits, whatever rule chose them: `BitMask`, and how one is kept on disk."""

from __future__ import annotations

from .mask import BitMask
from .names import WRAPPERS, bare_name

__all__ = ["WRAPPERS", "BitMask", "bare_name"]
