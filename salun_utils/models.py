"""Image classifiers by name. Every one takes float images in [0, 1]; normalisation is its first layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .errors import InputError, unknown
from .seeds import derive


class Normalize(nn.Module):
    """Subtract the mean and divide by the standard deviation of each channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def normalise_input(model: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Forward pre-hook: a hook leaves parameter names bare, where a wrapper would prefix them."""
    return (model.normalize(args[0]), *args[1:])


class Chain(nn.Module):
    """Named layers applied one after the other (`nn.Sequential` would run the normalisation again as its last layer)."""

    def __init__(self, layers: Sequence[tuple[str, nn.Module]]):
        super().__init__()
        self.order = [name for name, _ in layers]
        for name, layer in layers:
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.order:
            x = getattr(self, name)(x)
        return x


def small_cnn(num_classes: int, channels: int, image_size: int, width: float) -> nn.Module:
    """Four convolutions with batch normalisation, three of them of stride 2, 0.4 M weights: for CPUs, from 8 pixels upward."""
    w = [max(8, round(width * c)) for c in (32, 64, 128, 256)]
    layers: list[tuple[str, nn.Module]] = []
    for i, (a, b, kernel, stride) in enumerate(zip([channels, *w], w, (5, 3, 3, 3), (2, 2, 2, 1)), start=1):
        conv = nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False)
        layers += [(f"conv{i}", conv), (f"bn{i}", nn.BatchNorm2d(b)), (f"relu{i}", nn.ReLU())]
    return Chain([*layers, ("avgpool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("fc", nn.Linear(w[-1], num_classes))])


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
    """1x1, 3x3 and 1x1 convolutions and a shortcut (He et al., 2016; the stride sits in the 3x3)."""

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

    Parameter names are torchvision's: ``conv1.weight``, ``layer1.0.conv1.weight``, …, ``fc.weight``.
    """

    def __init__(self, block: type, depths: Sequence[int], widths: Sequence[int], num_classes: int, channels: int):
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


def _resnet(block: type, depths: Sequence[int], widths: Sequence[int]) -> Callable[..., nn.Module]:
    def build(num_classes: int, channels: int, image_size: int, width: float) -> nn.Module:
        return ResNet(block, depths, [max(8, round(width * c)) for c in widths], num_classes, channels)

    return build


def vgg16_bn(num_classes: int, channels: int, image_size: int, width: float) -> nn.Module:
    """VGG-16 with batch normalisation and one linear layer, as the CIFAR variants have it. Needs 16 pixels or more."""
    plan = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
    layers, inputs = [], channels
    for step in plan:
        if step == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        outputs = max(8, round(width * step))
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Chain([("features", nn.Sequential(*layers)), ("pool", pool), ("classifier", nn.Linear(inputs, num_classes))])


OWN: dict[str, Callable[..., nn.Module]] = {
    "small-cnn": small_cnn,
    "resnet20": _resnet(BasicBlock, (3, 3, 3), (16, 32, 64)),
    "resnet18": _resnet(BasicBlock, (2, 2, 2, 2), (64, 128, 256, 512)),
    "resnet50": _resnet(Bottleneck, (3, 4, 6, 3), (64, 128, 256, 512)),
    "vgg16_bn": vgg16_bn,
}
# Short names of networks that timm builds, with the options that suit images of 28 to 64 pixels.
FROM_TIMM: dict[str, tuple[str, dict]] = {
    "swin_t": ("swin_tiny_patch4_window7_224", {"patch_size": 2, "window_size": 4, "strict_img_size": False}),
    "vit_tiny": ("vit_tiny_patch16_224", {"patch_size": 4}),
    "efficientnet_b0": ("efficientnet_b0", {}),
    "convnext_atto": ("convnext_atto", {"patch_size": 1}),
    "mixer_s": ("mixer_s16_224", {"patch_size": 4}),
    "mobilenetv3_small": ("mobilenetv3_small_100", {}),
}
NAMES = (*OWN, *FROM_TIMM)


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
    num_classes, channels, image_size : what it tells apart, and the pictures (channels, size, size) it takes.
    mean, std : per channel, of pictures in [0, 1]; 0.5 each when not given.
    seed : of the initial weights.
    width : multiplies the number of channels of the project's own networks.

    Returns
    -------
    nn.Module from float images (B, C, H, W) in [0, 1] to logits (B, num_classes). ``model.recipe`` holds these arguments,
    so that retraining can start from the same network.
    """
    for name, value, lowest in (("num_classes", num_classes, 2), ("channels", channels, 1), ("image_size", image_size, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise InputError(f"{name} must be a whole number, at least {lowest}, not {value!r}")
    mean, std = (tuple(v) if v is not None else (0.5,) * channels for v in (mean, std))
    if len(mean) != channels or len(std) != channels:
        raise InputError(f"mean and std need {channels} numbers each, one a channel, not {len(mean)} and {len(std)}")
    if not all(v > 0 for v in std):
        raise InputError(f"std must be above 0 in every channel, not {std}")
    if not width > 0:
        raise InputError(f"width must be above 0, not {width!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, f"weights of {arch}"))
        if arch in OWN:
            model = OWN[arch](num_classes, channels, image_size, width)
        elif width != 1.0:
            raise InputError(f"width applies to {', '.join(OWN)}; {arch} comes in its own sizes")
        else:
            model = _from_timm(arch, num_classes, channels, image_size)
    model.normalize = Normalize(mean, std)
    model.register_forward_pre_hook(normalise_input)
    model.recipe = dict(
        arch=arch, num_classes=num_classes, channels=channels, image_size=image_size, mean=mean, std=std, seed=seed, width=width
    )
    return model.eval()


def _from_timm(arch: str, num_classes: int, channels: int, image_size: int) -> nn.Module:
    try:
        import timm
    except ModuleNotFoundError:
        if arch in FROM_TIMM:
            raise InputError(f"{arch} needs timm: pip install 'salun-utils[models]'") from None
        raise unknown("architecture", arch, NAMES) from None
    name, options = FROM_TIMM.get(arch, (arch, {}))
    if not timm.is_model(name):
        raise unknown("architecture", arch, [*NAMES, *timm.list_models()][: len(NAMES)])
    accepted = inspect.signature(timm.models.model_entrypoint(name)).parameters
    options = dict(options, num_classes=num_classes, in_chans=channels)
    if arch == "mixer_s":  # its entry point fixes the patch size
        return timm.models.mlp_mixer.MlpMixer(img_size=image_size, num_blocks=8, embed_dim=512, **options)
    convolutional = any(k in name for k in ("resnet", "efficientnet", "convnext", "mobilenet", "vgg", "regnet", "densenet"))
    if not convolutional or "img_size" in accepted:
        options["img_size"] = image_size
    try:
        model = timm.create_model(name, pretrained=False, **options)
    except TypeError:
        options.pop("img_size", None)
        model = timm.create_model(name, pretrained=False, **options)
    _keep_resolution(model, image_size)
    return model


def _keep_resolution(model: nn.Module, image_size: int) -> None:
    """On small images a stem convolution of stride 2 throws too much away: give it stride 1."""
    if image_size > 64:
        return
    stem = getattr(model, "conv_stem", None) or getattr(model, "conv1", None)
    if isinstance(stem, nn.Conv2d) and stem.stride == (2, 2):
        stem.stride = (1, 1)
    if isinstance(getattr(model, "maxpool", None), nn.MaxPool2d):
        model.maxpool = nn.Identity()


def count_weights(model: nn.Module) -> int:
    """Number of trainable weights."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
