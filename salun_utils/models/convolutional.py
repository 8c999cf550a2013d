"""Networks of the project's own, each with a stem that suits pictures of 28 to 64 pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..units import family, numerics
from .speednet import speednet


class Chain(nn.Module):
    """Named layers applied one after the other (`nn.Sequential` would run the normalisation again
    as its last layer).
    """

    def __init__(self, layers: Sequence[tuple[str, nn.Module]]):
        super().__init__()
        self.order = [name for name, _ in layers]
        for name, layer in layers:
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.order:
            x = getattr(self, name)(x)
        return x


@numerics(1)
def small_cnn(num_classes: int, channels: int, image_size: int, width: float) -> nn.Module:
    """Four convolutions with batch normalisation, three of them of stride 2, 0.4 M weights: for
    CPUs, from 8 pixels upward.
    """
    w = [max(8, round(width * c)) for c in (32, 64, 128, 256)]
    layers: list[tuple[str, nn.Module]] = []
    for i, (a, b, kernel, stride) in enumerate(
        zip([channels, *w], w, (5, 3, 3, 3), (2, 2, 2, 1)), start=1
    ):
        conv = nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False)
        layers += [(f"conv{i}", conv), (f"bn{i}", nn.BatchNorm2d(b)), (f"relu{i}", nn.ReLU())]
    return Chain(
        [
            *layers,
            ("avgpool", nn.AdaptiveAvgPool2d(1)),
            ("flatten", nn.Flatten()),
            ("fc", nn.Linear(w[-1], num_classes)),
        ]
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (He et al., 2016; the 3x3 has the stride)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """ResNet with a 3x3 stem and no early pooling, as is usual on images of 28 to 64 pixels.

    Parameter names are torchvision's: ``conv1.weight``, ``layer1.0.conv1.weight``, …,
    ``fc.weight``.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        widths: Sequence[int],
        num_classes: int,
        channels: int,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        self.stages = len(depths)
        for i, (depth, width) in enumerate(zip(depths, widths), start=1):
            blocks = []
            for j in range(depth):
                blocks.append(block(inputs, width, 2 if i > 1 and j == 0 else 1))
                inputs = width * block.expansion
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        for i in range(1, self.stages + 1):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x.mean((2, 3)))


def _resnet(
    block: type[BasicBlock] | type[Bottleneck], depths: Sequence[int], widths: Sequence[int]
) -> Callable[..., nn.Module]:
    @numerics(1)
    def build(num_classes: int, channels: int, image_size: int, width: float) -> nn.Module:
        return ResNet(
            block, depths, [max(8, round(width * c)) for c in widths], num_classes, channels
        )

    return build


@numerics(1)
def vgg16_bn(num_classes: int, channels: int, image_size: int, width: float) -> nn.Module:
    """VGG-16 with batch normalisation and one linear layer, as the CIFAR variants have it. Needs 16
    pixels or more.
    """
    plan: list[int | str] = [
        64,
        64,
        "M",
        128,
        128,
        "M",
        256,
        256,
        256,
        "M",
        512,
        512,
        512,
        "M",
        512,
        512,
        512,
    ]
    layers: list[nn.Module] = []
    inputs = channels
    for step in plan:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2))
            continue
        outputs = max(8, round(width * step))
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Chain(
        [
            ("features", nn.Sequential(*layers)),
            ("pool", pool),
            ("classifier", nn.Linear(inputs, num_classes)),
        ]
    )


OWN: dict[str, Callable[..., nn.Module]] = {
    "small-cnn": small_cnn,
    "resnet20": _resnet(BasicBlock, (3, 3, 3), (16, 32, 64)),
    "resnet18": _resnet(BasicBlock, (2, 2, 2, 2), (64, 128, 256, 512)),
    "resnet50": _resnet(Bottleneck, (3, 4, 6, 3), (64, 128, 256, 512)),
    "vgg16_bn": vgg16_bn,
    "speednet": speednet,
}
family("network", lambda: OWN)
