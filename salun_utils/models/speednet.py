"""`speednet`: a network that learns CIFAR-10 in minutes on a CPU, made for many trainings.

The idea is Keller Jordan's airbench (arXiv 2404.00498, code at
github.com/KellerJordan/cifar10-airbench, MIT licence): a frozen first layer that whitens patches of
the training pictures, few wide layers that start as the identity, and no learnt scales. The code is
our own. The recipe that goes with it is ``training.RECIPES["speednet"]``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from ..units import numerics

PATCH = 2  # pixels along an edge of a whitened patch
RIDGE = 5e-4  # added to the variances: the last directions hold little but noise
LOOKED_AT = 5000  # pictures, evenly spaced, that the whitening is made from
SMALLEST = 9  # pixels along an edge that leave one pixel after three poolings by two
WIDTHS = (64, 256, 256)
LOGIT_SCALE = 1 / 9


class Whitening(nn.Module):
    """Decorrelates 2x2 patches: 8C filters, the eigenvectors of the patches scaled to unit
    variance, and their negatives.

    The filters are buffers, not parameters: no optimizer moves them, no saliency scores them, and a
    state dict carries them. Until `look` has been called each of them copies one pixel of the
    patch.
    """

    filters: Tensor
    made: Tensor

    def __init__(self, channels: int):
        super().__init__()
        size = channels * PATCH**2
        self.register_buffer("filters", _with_negatives(torch.eye(size), channels))  # (8C, C, 2, 2)
        self.register_buffer("made", torch.zeros((), dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.filters)  # (B, C, H, W) -> (B, 8C, H - 1, W - 1)

    @torch.no_grad()
    def look(self, x: Tensor) -> None:
        """Make the filters from normalised pictures (N, C, H, W)."""
        patches = len(x) * (x.shape[-2] - 1) * (x.shape[-1] - 1)
        moments: Any = sum(_patch_moments(part) for part in x.split(500)) / patches
        variances, directions = torch.linalg.eigh(moments)  # a direction a column
        largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
        rows = (directions * largest.sign() / (variances + RIDGE).sqrt()).T
        self.filters.copy_(_with_negatives(rows, x.shape[1]))
        self.made.fill_(True)


def _patch_moments(x: Tensor) -> Tensor:
    """Sum over all patches of their outer products: float64 (4C, 4C), since there are millions."""
    patches = F.unfold(x, PATCH).double()  # (B, 4C, patches)
    return torch.einsum("bip,bjp->ij", patches, patches)


def _with_negatives(rows: Tensor, channels: int) -> Tensor:
    filters = rows.float().view(-1, channels, PATCH, PATCH)
    return torch.cat([filters, -filters])


class ShiftNorm(nn.BatchNorm2d):
    """Batch normalisation with a learnt shift (`bias`) and a scale fixed at one, which is a buffer:
    nothing trains or scores it.
    """

    def __init__(self, width: int):
        super().__init__(width, affine=False)
        self.bias = nn.Parameter(torch.zeros(width))
        del self.weight  # a parameter of None; kernels that fuse the norm want a tensor
        self.register_buffer("weight", torch.ones(width))


class ConvGroup(nn.Module):
    """Convolution, pooling by two, norm, GELU, convolution, norm, GELU; convolutions start as the
    identity on the first channels.
    """

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.conv1, self.norm1 = _conv(inputs, width), ShiftNorm(width)
        self.conv2, self.norm2 = _conv(width, width), ShiftNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


def _conv(inputs: int, width: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight[: min(inputs, width)])
    return conv


def _check_size(pixels: int) -> None:
    if pixels < SMALLEST:
        raise InputError(
            f"speednet needs pictures of at least {SMALLEST} pixels, not {pixels}; small-cnn takes"
            " smaller ones"
        )


class SpeedNet(nn.Module):
    """Whitening, three groups of two convolutions, the largest value of each channel, and one
    linear layer: 1.97 M weights at width 1.
    """

    def __init__(self, num_classes: int, channels: int, width: float):
        super().__init__()
        widths = [max(8, round(width * full)) for full in WIDTHS]
        self.whiten = Whitening(channels)
        inputs = [2 * channels * PATCH**2, *widths]
        for i, (before, after) in enumerate(zip(inputs, widths), start=1):
            self.add_module(f"group{i}", ConvGroup(before, after))
        self.fc = nn.Linear(widths[-1], num_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        _check_size(min(x.shape[-2:]))
        x = F.gelu(self.whiten(x))
        for group in (self.get_submodule(f"group{i}") for i in (1, 2, 3)):
            x = group(x)
        return self.fc(x.amax((2, 3))) * LOGIT_SCALE

    def prepare(self, images: Any) -> None:
        """Make the whitening filters from the pictures of the first training; in a network that has
        them, change nothing.

        `training.fit` calls this, so Retrain whitens by what is retained, and unlearning leaves the
        filters as they are.
        """
        if self.whiten.made:
            return
        rows = torch.linspace(0, len(images) - 1, min(len(images), LOOKED_AT)).round().long()
        x = torch.cat([x for x, *_ in images.subset(rows).batches(500)])
        own: Any = self  # `models.create` hangs the normalisation on
        self.whiten.look(own.normalize(x.to(self.whiten.filters.device)))


@numerics(1)
def speednet(num_classes: int, channels: int, image_size: int, width: float) -> nn.Module:
    """A `SpeedNet`; `InputError` for pictures that three poolings would leave nothing of."""
    _check_size(image_size)
    return SpeedNet(num_classes, channels, width)
