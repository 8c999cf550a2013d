"""What tests by hand of several methods share: pictures that tell a little, and a job on them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

import salun_utils as su
from salun_utils.data.images import Dataset
from salun_utils.saliency import SaliencyMask
from salun_utils.unlearning.job import COMMON, Job

PLAIN = {"precision": "float32"}


def bright_corners(train: int, test: int = 30) -> Dataset:
    """Pictures of noise in three classes, of which a brighter pixel in the first row tells."""
    draws = torch.Generator().manual_seed(0)

    def some(count: int) -> tuple[Tensor, Tensor]:
        y = torch.arange(count) % 3
        x = torch.randint(0, 150, (count, 1, 5, 5), dtype=torch.uint8, generator=draws)
        x[torch.arange(count), 0, y] += 100
        return x, y

    return su.data.from_tensors(train=some(train), test=some(test), classes=["a", "b", "c"])


def job_of(model: nn.Module, split, mask: SaliencyMask | None = None, **settings) -> Job:
    """A job on a copy of the model, in float32."""
    return Job(copy.deepcopy(model), split, mask, 0, {**COMMON, **PLAIN, **settings})


def logistic_gradients(model, images) -> Tensor:
    """(n, 10 * 64): the gradient of each picture's loss worked out by hand, (p - e_y) x'."""
    x = images.pixels.flatten(1).double() / 255
    p = (x @ model.layer.weight.detach().double().T).softmax(1)
    p[torch.arange(len(x)), images.labels] -= 1
    return (p[:, :, None] * x[:, None, :]).flatten(1)
