"""Kinds of generator and settings that the erasers of diffusion models share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = ("ddpm", "dit")
TRAIN = {"steps": 60, "lr": 1e-4, "alpha": 1.0, "batch": 48, "clip": 1.0, "label_dropout": 0.1}
# The mask of a control is a setting, not another method: mask = "random", "inverted", "magnitude"
# or "none", at density `keep`.
STEER = TRAIN | {"steps": 90, "lr": 2e-4, "substitute": None, "mask": "saliency", "keep": 0.5}


def of_every_kind(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The same defaults for each of `KINDS`."""
    return dict.fromkeys(KINDS, settings)
