"""Settings that the erasers of a DDPM share."""

from __future__ import annotations

TRAIN = {"steps": 60, "lr": 1e-4, "alpha": 1.0, "batch": 48, "clip": 1.0, "label_dropout": 0.1}
# The mask of a control is a setting, not another method: mask = "random", "inverted", "magnitude"
# or "none", at density `keep`.
STEER = TRAIN | {"steps": 90, "lr": 2e-4, "substitute": None, "mask": "saliency", "keep": 0.5}
