"""What canaries run on: pictures and networks that are the same everywhere, and small.

They come from NumPy's legacy generator, whose stream is frozen, and from no unit: a canary that
moves has no one else to blame.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...data.images import Dataset, Images
from ...data.splits import ForgetSplit

CLASSES, SIDE = 3, 8


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal float32 numbers."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def pictures(count: int, *, classes: int = CLASSES, side: int = SIDE, seed: int = 0) -> Images:
    """Grey pictures, a bright bar in a place that tells the class, under noise."""
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.arange(count) % classes)
    pixels = rng.randint(0, 120, size=(count, 1, side, side))
    for i, label in enumerate(labels):
        pixels[i, 0, :, label * side // classes] += rng.randint(40, 120)
    return Images(torch.from_numpy(pixels.astype(np.uint8)), torch.from_numpy(labels))


def dataset(train: int = 90, test: int = 45) -> Dataset:
    """`pictures` to train and to test on."""
    return Dataset(
        "toy",
        pictures(train, seed=1),
        pictures(test, seed=2),
        [f"bar {i}" for i in range(CLASSES)],
        (0.3,),
        (0.2,),
    )


def split() -> ForgetSplit:
    """A cut that no rule made: the first 18 pictures go, 60 stay, 12 are held out."""
    data = dataset()
    rows = torch.arange(90)
    forget, retain, validation = (
        data.train.subset(rows[a:b]) for a, b in ((0, 18), (18, 78), (78, 90))
    )
    return ForgetSplit(
        forget=forget,
        retain=retain,
        validation=validation,
        test=data.test,
        data=data,
        name="toy",
        seed=0,
    )


class Net(nn.Module):
    """A convolution, a normalisation, and a linear layer: 187 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


def network(seed: int = 0) -> Net:
    """A `Net` whose weights and running statistics are `numbers`."""
    model = Net()
    with torch.no_grad():
        for i, (name, value) in enumerate(model.state_dict().items()):
            if value.is_floating_point():
                drawn = 0.3 * numbers(*value.shape, seed=100 * seed + i)
                value.copy_(
                    1 + drawn.abs() if name in ("norm.weight", "norm.running_var") else drawn
                )
    return model.eval()
