"""Image classifiers by name. Every one takes float images in [0, 1]; normalisation is its first
layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, check_whole
from ..seeds import derive
from ..units import numerics
from . import lora as lora
from .convolutional import OWN
from .timm_models import FROM_TIMM, from_timm


class Normalize(nn.Module):
    """Subtract the mean and divide by the standard deviation of each channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def normalise_input(model: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Forward pre-hook: a hook leaves parameter names bare, where a wrapper would prefix them."""
    return (model.normalize(args[0]), *args[1:])


NAMES = (*OWN, *FROM_TIMM)


@numerics(1, "network")
def create(
    arch: str,
    *,
    num_classes: int,
    channels: int = 3,
    image_size: int = 32,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 0,
    width: float = 1.0,
) -> nn.Module:
    """Build a classifier with fresh weights.

    Parameters
    ----------
    arch : one of `NAMES`, or any name timm knows.
    num_classes, channels, image_size : what it tells apart, and the pictures (channels, size, size)
        it takes.
    mean, std : per channel, of pictures in [0, 1]; 0.5 each when not given.
    seed : of the initial weights.
    width : multiplies the number of channels of the project's own networks.

    Returns
    -------
    nn.Module from float images (B, C, H, W) in [0, 1] to logits (B, num_classes). ``model.recipe``
    holds these arguments, so that retraining can start from the same network.
    """
    for name, value, lowest in (
        ("num_classes", num_classes, 2),
        ("channels", channels, 1),
        ("image_size", image_size, 1),
    ):
        check_whole(name, value, lowest)
    if not isinstance(arch, str):
        raise InputError(f"arch must be the name of a network, not {arch!r}")
    mean, std = _numbers("mean", mean, channels), _numbers("std", std, channels)
    if len(mean) != channels or len(std) != channels:
        raise InputError(
            f"mean and std need {channels} numbers each, one a channel, not {len(mean)} and"
            f" {len(std)}"
        )
    if not all(v > 0 for v in std):
        raise InputError(f"std must be above 0 in every channel, not {std}")
    if isinstance(width, bool) or not isinstance(width, Real) or not 0 < float(width) < math.inf:
        raise InputError(f"width must be above 0 and finite, not {width!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, f"weights of {arch}"))
        model: Any  # of any module: what is hung on it below is not declared
        if arch in OWN:
            model = OWN[arch](num_classes, channels, image_size, width)
        else:
            model = from_timm(arch, num_classes, channels, image_size, width)
    model.normalize = Normalize(mean, std)
    model.register_forward_pre_hook(normalise_input)
    model.recipe = dict(
        arch=arch,
        num_classes=num_classes,
        channels=channels,
        image_size=image_size,
        mean=mean,
        std=std,
        seed=seed,
        width=width,
    )
    return model.eval()


def _numbers(name: str, values: Sequence[float] | None, channels: int) -> tuple[float, ...]:
    """The values as they are, 0.5 each for None; `InputError` unless all are finite numbers."""
    if values is None:
        return (0.5,) * channels
    try:
        found = () if isinstance(values, str) else tuple(values)
        finite = bool(found) and all(math.isfinite(v) for v in found)
    except TypeError:  # no sequence, or not of numbers
        finite = False
    if not finite:
        raise InputError(f"{name} must hold a finite number for each channel, not {values!r}")
    return found


def count_weights(model: nn.Module) -> int:
    """Number of trainable weights."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
