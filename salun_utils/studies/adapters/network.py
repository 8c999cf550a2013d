"""A vision transformer that trains in seconds, and what it learns before any adapter: four kinds of
clothing, a class being one part of a kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...data.images import Dataset, Images
from ...errors import InputError
from ...models import Normalize, normalise_input
from ...models.lora import add_lora
from ...seeds import derive
from ...training import fit

# Classes of Fashion-MNIST in what the frozen network was taught
KINDS = {
    "upper body": ("T-shirt/top", "Pullover", "Coat", "Shirt"),
    "long": ("Trouser", "Dress"),
    "shoes": ("Sandal", "Sneaker", "Ankle boot"),
    "bags": ("Bag",),
}
TRAINED: dict[str, Any] = {
    "optimizer": "adamw",
    "schedule": "one-cycle",
    "batch_size": 64,
    "weight_decay": 0.05,
    "precision": "float32",
}


def small_vit(data: Dataset, outputs: int, *, seed: int) -> nn.Module:
    """Sixteen tokens of 7 x 7 pixels and three blocks of width 48, with fresh weights (needs timm).

    Parameters
    ----------
    data : its pictures are of 28 x 28; gives channels, mean and deviation.
    """
    try:
        from timm.models.vision_transformer import VisionTransformer
    except ModuleNotFoundError:
        raise InputError("a small ViT needs timm: pip install 'salun-utils[models]'") from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "small vit"))
        model: Any = VisionTransformer(
            img_size=28,
            patch_size=7,
            in_chans=data.train.pixels.shape[1],
            num_classes=outputs,
            embed_dim=48,
            depth=3,
            num_heads=4,
        )
    for module in model.modules():
        if hasattr(module, "fused_attn"):  # slower for narrow heads
            module.fused_attn = False
    model.normalize = Normalize(data.mean, data.std)
    model.register_forward_pre_hook(normalise_input)
    return model.eval()


def kinds_of(classes: list[str]) -> Tensor:
    """int64 (classes,): the number of the kind that each class belongs to.

    Raises
    ------
    InputError : a class of no kind.
    """
    found = []
    for name in classes:
        places = [i for i, members in enumerate(KINDS.values()) if name in members]
        if not places:
            raise InputError(f"{name} belongs to no kind of clothing: {', '.join(KINDS)}")
        found += places
    return torch.tensor(found)


def parts(data: Dataset, first: int, second: int) -> tuple[Images, Dataset]:
    """The first training pictures, for the network; and the data with the next ones alone, for the
    adapter: it is given none that the network was trained on.
    """
    if not 0 < first < first + second <= len(data.train):
        raise InputError(
            f"{first} and {second} pictures must be above 0 and at most {len(data.train)} together"
        )
    rest = data.train.subset(range(first, first + second))
    return data.train.subset(range(first)), dataclasses.replace(data, train=rest)


def pretrained(
    data: Dataset, images: Images, *, epochs: int, seed: int, without: int | None = None
) -> nn.Module:
    """A `small_vit` that tells the four kinds apart.

    Parameters
    ----------
    without : a class of which it is shown no picture.
    """
    if without is not None:
        images = images.subset((images.labels != without).nonzero().flatten())
    labels = kinds_of(data.classes)[images.labels]
    model = small_vit(data, len(KINDS), seed=seed)
    fit(model, images.with_labels(labels), epochs=epochs, lr=3e-3, seed=seed, **TRAINED)
    return model


def with_adapter(base: nn.Module, classes: int, *, rank: int, seed: int) -> nn.Module:
    """The frozen network, an adapter beside every linear layer of its blocks, and a fresh last
    layer for the classes, which is trained with the adapter.
    """
    new: Any = add_lora(base, rank=rank, also=("head",), seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        new.head = nn.Linear(new.head.in_features, classes)
    return new


def features(model: Any, images: Images, *, batch_size: int = 500) -> Tensor:
    """float32 (N, 48): what the last layer sees."""
    model.eval()
    with torch.no_grad():
        seen = [
            model.forward_head(model.forward_features(model.normalize(x)), pre_logits=True)
            for x, *_ in images.batches(batch_size)
        ]
    return torch.cat(seen)


def settings_of(names: Mapping[str, Any], **also: Any) -> dict[str, Any]:
    """Those of a notebook's parameters that an unlearning method takes."""
    return {k: names[k] for k in ("epochs", "lr", "batch_size")} | {"precision": "float32"} | also
