"""The judge: a classifier trained apart on real pictures, which says what a generated picture
shows.

It shares nothing with the generators, so what it recognises was not tuned to please it. Its own
accuracy on real test pictures bounds how finely it can tell: it is on its card and in
`Judge.accuracy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ... import models
from ...data.images import Images
from ...errors import InputError
from ...units import numerics
from ..files import class_label, load_weights, read_config, save_model


@dataclass(frozen=True)
class JudgeTraining:
    """How a judge is trained by `salun_utils.training.fit`; `width` multiplies the channels of the
    project's own networks.
    """

    epochs: int = 16
    lr: float = 0.1
    batch_size: int = 128
    augment: str | None = "crop"
    schedule: str = "one-cycle"
    width: float = 1.5


@numerics(1, "judge")
class Judge:
    """Callable on uint8 pictures (N, C, H, W); returns class indices (N,).

    Parameters
    ----------
    model : a classifier built by `models.create`, whose last layer is called ``fc``.
    classes : names in label order.
    accuracy : share of real test pictures it gets right, in per cent; None when it wasn't measured.
    """

    kind = "judge"

    def __init__(
        self,
        model: Any,
        classes: Sequence[str],
        *,
        name: str = "judge",
        accuracy: float | None = None,
    ):
        self.model = model.eval()  # `recipe` and `fc` are those of `models.create`
        self.classes = list(classes)
        self.name = name
        self.accuracy = accuracy

    def __call__(self, pixels: Tensor) -> Tensor:
        return self.outputs(pixels)[0].argmax(1)

    def fit(self, pixels: Tensor) -> Tensor:
        """Pictures of any size, uint8 (N, C, H, W), as it takes them: see `for_judge`."""
        recipe = self.model.recipe
        return for_judge(pixels, (recipe["channels"], recipe["image_size"], recipe["image_size"]))

    def label(self, concept: str | int) -> int:
        """The index of a class given by name (in any case) or by number."""
        return class_label(concept, self.classes)

    def measure(self, images: Images) -> float:
        """Set and return `accuracy`: the share of these labelled pictures that it gets right, in
        per cent, to two digits.
        """
        self.accuracy = round(
            100 * float((self(images.pixels) == images.labels.cpu()).double().mean()), 2
        )
        return self.accuracy

    def probabilities(self, pixels: Tensor) -> Tensor:
        """Softmax outputs, float32 (N, K)."""
        return self.outputs(pixels)[0].softmax(1)

    def features(self, pixels: Tensor) -> Tensor:
        """Inputs of the last layer, float32 (N, F)."""
        return self.outputs(pixels)[1]

    @torch.no_grad()
    def outputs(self, pixels: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and features (N, F), both on the CPU."""
        recipe = self.model.recipe
        expected = (recipe["channels"], recipe["image_size"], recipe["image_size"])
        if not len(pixels):
            raise InputError("there is no picture to judge")
        if pixels.dtype != torch.uint8:
            raise InputError(f"the judge takes uint8 pictures, not {pixels.dtype}")
        if tuple(pixels.shape[1:]) != expected:
            raise InputError(
                f"the judge {self.name} takes pictures of shape {expected}, not"
                f" {tuple(pixels.shape[1:])}"
            )
        seen: list[Tensor] = []
        hook = self.model.fc.register_forward_pre_hook(
            lambda _module, inputs: seen.append(inputs[0].float().cpu())
        )
        device = next(self.model.parameters()).device
        self.model.eval()
        try:
            logits = [
                self.model(x.to(device).float() / 255).float().cpu()
                for x in pixels.split(batch_size)
            ]
        finally:
            hook.remove()
        return torch.cat(logits), torch.cat(seen)

    def save(self, folder: str | Path, *, half: bool = False) -> Path:
        """Write `weights.safetensors` and `config.json`; `half` stores 16-bit floats."""
        config = {
            "kind": "judge",
            "name": self.name,
            "classes": self.classes,
            "accuracy": self.accuracy,
            "recipe": self.model.recipe,
        }
        return save_model(folder, self.model, config, half=half)

    @classmethod
    def load(cls, folder: str | Path) -> Judge:
        """Read what `save` wrote, in float32 on the CPU."""
        config = read_config(Path(folder), "judge")
        model = models.create(**config["recipe"])
        load_weights(model, Path(folder) / "weights.safetensors")
        return cls(model, config["classes"], name=config["name"], accuracy=config["accuracy"])


@numerics(1, "judge/training", uses=("judge", "training", "optimizer/sgd", "network"))
def train_judge(
    data,
    config: JudgeTraining | None = None,
    *,
    name: str,
    arch: str = "small-cnn",
    seed: int = 0,
    device: str = "cpu",
    **options: Any,
) -> tuple[Judge, dict]:
    """Train a judge on the training part of a `Dataset` and measure it on the test part.

    Returns
    -------
    the judge, and {"losses": …, "seconds": …, "accuracy": …, "pictures": …}.
    """
    from ...training import fit

    config = config or JudgeTraining()
    model = models.create(
        arch,
        num_classes=len(data.classes),
        channels=data.train.shape[0],
        image_size=data.train.shape[-1],
        mean=data.mean,
        std=data.std,
        seed=seed,
        width=config.width,
    ).to(device)
    history = fit(
        model,
        data.train,
        epochs=config.epochs,
        lr=config.lr,
        seed=seed,
        batch_size=config.batch_size,
        augment=config.augment,
        schedule=config.schedule,
        **options,
    )
    judge = Judge(model, data.classes, name=name)
    judge.measure(data.test)
    return judge, {
        "losses": history.losses,
        "seconds": history.seconds,
        "accuracy": judge.accuracy,
        "pictures": len(data.test),
    }


def for_judge(pixels: Tensor, shape: Sequence[int] = (1, 28, 28)) -> Tensor:
    """RGB pictures (N, 3, H, W) as a classifier of (C, h, w) ones takes them: averaged to grey, a
    margin cut off, else resized.
    """
    channels, height, width = shape
    if channels == 1 and pixels.shape[1] == 3:
        pixels = pixels.float().mean(1, keepdim=True).round().to(torch.uint8)
    if pixels.shape[1] != channels:
        raise InputError(
            f"pictures of shape {tuple(pixels.shape[1:])} can't be made {tuple(shape)}"
        )
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    if min(top, left) < 0 or max(top, left) > height // 8:  # more than a margin: another resolution
        resized = torch.nn.functional.interpolate(
            pixels.float(), (height, width), mode="bicubic", antialias=True
        )
        return resized.round().clamp(0, 255).to(torch.uint8)
    return pixels[:, :, top : top + height, left : left + width]
