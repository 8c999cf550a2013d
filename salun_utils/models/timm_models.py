"""Networks that timm builds, with the options and the stem that suit small pictures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from ..errors import InputError, unknown
from ..units import numerics
from .convolutional import OWN

# Short names of networks that timm builds, with the options that suit images of 28 to 64 pixels.
FROM_TIMM: dict[str, tuple[str, dict]] = {
    "swin_t": (
        "swin_tiny_patch4_window7_224",
        {"patch_size": 2, "window_size": 4, "strict_img_size": False},
    ),
    "vit_tiny": ("vit_tiny_patch16_224", {"patch_size": 4}),
    "efficientnet_b0": ("efficientnet_b0", {}),
    "convnext_atto": ("convnext_atto", {"patch_size": 1}),
    "mixer_s": ("mixer_s16_224", {"patch_size": 4}),
    "mobilenetv3_small": ("mobilenetv3_small_100", {}),
}

# of a head or a layer that width makes narrower: fewer are a network of another kind
LEAST_CHANNELS = 8


@numerics(1, "network/timm")
def from_timm(
    arch: str, num_classes: int, channels: int, image_size: int, width: float = 1.0
) -> nn.Module:
    """Any network that timm knows, by its name there or by a short name of `FROM_TIMM`.

    Parameters
    ----------
    width : multiplies the channels of the networks of `FROM_TIMM`, as `NARROWED` says for each.
        Below 1 two of them differ in more, so that plain SGD trains them within a few thousand
        steps on a CPU: ViT has 6 blocks in place of 12; ConvNeXt cuts patches of 2×2 pixels where
        the full one keeps all pixels, and its layer scales start at 1 in place of 1e-6.

    Raises
    ------
    InputError : unknown name, a width other than 1 for a network that is in timm alone, or one that
        leaves fewer than 8 channels.
    """
    try:
        import timm
    except ModuleNotFoundError:
        if arch in FROM_TIMM:
            raise InputError(f"{arch} needs timm: pip install 'salun-utils[models]'") from None
        raise unknown("architecture", arch, (*OWN, *FROM_TIMM)) from None
    name, options = FROM_TIMM.get(arch, (arch, {}))
    if not timm.is_model(name):
        raise unknown("architecture", arch, (*OWN, *FROM_TIMM))
    if width != 1.0 and arch not in NARROWED:
        raise InputError(
            f"width applies to {', '.join((*OWN, *NARROWED))}; {arch} comes in its own sizes"
        )
    narrow = NARROWED[arch](arch, width) if width != 1.0 else {}
    options = dict(options, **narrow, num_classes=num_classes, in_chans=channels)
    if arch == "mixer_s":  # its entry point fixes the patch size
        return timm.models.mlp_mixer.MlpMixer(
            img_size=image_size, num_blocks=8, **{"embed_dim": 512, **options}
        )
    if "channel_multiplier" in options:  # the entry points fix it as well
        generate: Callable[..., nn.Module] = {
            "efficientnet_b0": timm.models.efficientnet._gen_efficientnet,
            "mobilenetv3_small": timm.models.mobilenetv3._gen_mobilenet_v3,
        }[arch]
        model = generate(name, **options)
    else:
        model = _by_entry_point(name, options, image_size)
    _keep_resolution(model, image_size)
    if width < 1:
        _attend_plainly(model)
        if arch == "convnext_atto":
            _cut_patches(model)
    return model


def _by_entry_point(name: str, options: dict[str, Any], image_size: int) -> nn.Module:
    import timm

    accepted = inspect.signature(timm.models.model_entrypoint(name)).parameters
    convolutional = any(
        k in name
        for k in ("resnet", "efficientnet", "convnext", "mobilenet", "vgg", "regnet", "densenet")
    )
    if not convolutional or "img_size" in accepted:
        options = dict(options, img_size=image_size)
    try:
        return timm.create_model(name, pretrained=False, **options)
    except TypeError:
        options.pop("img_size", None)
        return timm.create_model(name, pretrained=False, **options)


def _scaled(arch: str, full: int, width: float, what: str = "a layer") -> int:
    """`full` times the width, a whole number."""
    found = round(width * full)
    if found < LEAST_CHANNELS:
        raise InputError(
            f"{arch}: width {width:g} leaves {what} of {found} channels; at least {LEAST_CHANNELS}"
            " are needed"
        )
    return found


def _convnext(arch: str, width: float) -> dict[str, Any]:
    """Four widths; layer scales of 1e-6 would keep the blocks of a narrow one shut for most of the
    few steps it gets.
    """
    start = {"ls_init_value": 1.0} if width < 1 else {}
    return {"dims": tuple(_scaled(arch, full, width) for full in (40, 80, 160, 320)), **start}


# How `width` reaches each network, as options of timm. Transformers keep their number of heads,
# each of which gets narrower. In the two of
# the last lines timm itself rounds to multiples of 8, at least 8, and leaves MobileNet's last layer
# before the classifier as wide as it is.
NARROWED: dict[str, Callable[[str, float], dict[str, Any]]] = {
    "swin_t": lambda arch, width: {"embed_dim": 3 * _scaled(arch, 32, width, "a head")},
    "vit_tiny": lambda arch, width: {
        "embed_dim": 3 * _scaled(arch, 64, width, "a head"),
        "depth": 6 if width < 1 else 12,
    },
    "convnext_atto": _convnext,
    "mixer_s": lambda arch, width: {"embed_dim": _scaled(arch, 512, width)},
    "efficientnet_b0": lambda arch, width: {"channel_multiplier": width},
    "mobilenetv3_small": lambda arch, width: {"channel_multiplier": width},
}


def _attend_plainly(model: nn.Module) -> None:
    """The same attention by matrix products: on CPUs the backward pass of the fused kernel takes
    several times as long for narrow heads.
    """
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False  # type: ignore[assignment]  # timm's own attribute


def _cut_patches(model: Any) -> None:
    """Let the stem of a narrow ConvNeXt cut patches of 2×2 pixels: a quarter of the work in each
    layer after it.

    Single pixels would be worse for grey pictures, too: the normalisation that follows takes their
    brightness away, since all channels are multiples of it. The patches of 2×2 that timm itself
    offers come with one more halving, which leaves nothing of 28 pixels.
    """
    full = model.stem[0]
    model.stem[0] = nn.Conv2d(full.in_channels, full.out_channels, 2, 2)
    nn.init.trunc_normal_(model.stem[0].weight, std=0.02)  # as timm does
    nn.init.zeros_(model.stem[0].bias)


def _keep_resolution(model: nn.Module, image_size: int) -> None:
    """On small images a stem convolution of stride 2 throws too much away: give it stride 1."""
    if image_size > 64:
        return
    stem = getattr(model, "conv_stem", None) or getattr(model, "conv1", None)
    if isinstance(stem, nn.Conv2d) and stem.stride == (2, 2):
        stem.stride = (1, 1)
    if isinstance(getattr(model, "maxpool", None), nn.MaxPool2d):
        model.maxpool = nn.Identity()
