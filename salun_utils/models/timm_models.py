"""Networks that timm builds, with the options and the stem that suit small pictures."""

from __future__ import annotations

import inspect

from torch import nn

from ..errors import InputError, unknown
from .convolutional import OWN

# Short names of networks that timm builds, with the options that suit images of 28 to 64 pixels.
FROM_TIMM: dict[str, tuple[str, dict]] = {
    "swin_t": ("swin_tiny_patch4_window7_224", {"patch_size": 2, "window_size": 4, "strict_img_size": False}),
    "vit_tiny": ("vit_tiny_patch16_224", {"patch_size": 4}),
    "efficientnet_b0": ("efficientnet_b0", {}),
    "convnext_atto": ("convnext_atto", {"patch_size": 1}),
    "mixer_s": ("mixer_s16_224", {"patch_size": 4}),
    "mobilenetv3_small": ("mobilenetv3_small_100", {}),
}


def from_timm(arch: str, num_classes: int, channels: int, image_size: int, width: float = 1.0) -> nn.Module:
    """Any network that timm knows, by its name there or by a short name of `FROM_TIMM`."""
    if width != 1.0:
        raise InputError(f"width applies to {', '.join(OWN)}; {arch} comes in its own sizes")
    try:
        import timm
    except ModuleNotFoundError:
        if arch in FROM_TIMM:
            raise InputError(f"{arch} needs timm: pip install 'salun-utils[models]'") from None
        raise unknown("architecture", arch, (*OWN, *FROM_TIMM)) from None
    name, options = FROM_TIMM.get(arch, (arch, {}))
    if not timm.is_model(name):
        raise unknown("architecture", arch, (*OWN, *FROM_TIMM))
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
