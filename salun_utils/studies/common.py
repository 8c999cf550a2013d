"""What several studies share."""

from __future__ import annotations

from ..runs.standing import standing

__all__ = ["standing"]
