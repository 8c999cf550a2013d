"""Networks that several test modules make anew."""

from __future__ import annotations

import salun_utils as su


def digit_net(digits, seed: int = 0):
    """A small-cnn with fresh weights for the digits: 25 thousand of them."""
    return su.models.create(
        "small-cnn",
        num_classes=10,
        channels=1,
        image_size=8,
        mean=digits.mean,
        std=digits.std,
        seed=seed,
        width=0.25,
    )
