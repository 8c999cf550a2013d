"""Networks that several test modules make anew, and whether two are the same to the bit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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


def bits(model: nn.Module) -> dict[str, Tensor]:
    """The bytes of all tensors of a network."""
    return {
        n: t.detach().clone().contiguous().view(torch.uint8)
        for n, t in model.state_dict().items()
        if t.ndim
    }


def same(a: nn.Module, b: nn.Module) -> bool:
    """Whether all bytes agree."""
    one, two = bits(a), bits(b)
    return all(torch.equal(one[n], two[n]) for n in one)
