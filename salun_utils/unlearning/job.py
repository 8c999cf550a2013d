"""What a method is handed: the model to change, the split, the mask, and the one training loop with
its settings filled in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..data.splits import ForgetSplit
from ..errors import InputError
from ..errors import check_count as check_count
from ..fitting.recipes import Recipe
from ..saliency import SaliencyMask
from ..seeds import derive, generator
from ..training import History, fit

# Settings that every method takes besides its own, with the paper's values.
COMMON: dict[str, Any] = {
    "batch_size": 256,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "augment": None,
    "precision": "auto",
    "lr_schedule": "constant",
    "progress": False,
}
# Those that came after runs had been recorded: at its own value for one a method's run is not named
# after it.
LATER = ("lr_schedule",)

# Units that every method touches which goes through `Job.fit` as it is.
TRAINED = ("training", "schedule/constant", "optimizer/sgd")


@dataclass
class Job:
    """One call of a method.

    Attributes
    ----------
    model : a copy of the original, to be changed in place (or replaced).
    split : forget, retain and validation pictures on the model's device.
    mask : weights outside it keep their value; None frees all.
    seed : of unlearning. settings : values for `COMMON`.
    notes : what a method has to say of its own result, such as that it selected nothing.
    """

    model: nn.Module
    split: ForgetSplit
    mask: SaliencyMask | None
    seed: int
    settings: Mapping[str, Any]
    notes: list[str] = field(default_factory=list, kw_only=True)

    @property
    def num_classes(self) -> int:
        return len(self.split.classes)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def draws(self, role: str) -> torch.Generator:
        """A CPU generator for one use within this job."""
        return generator(self.seed, f"unlearning {role}")

    def fit(
        self,
        data,
        *,
        epochs: int,
        lr: float,
        model: nn.Module | None = None,
        stage: str = "",
        **options,
    ) -> History:
        """`training.fit` on this job's model and mask. `stage` keeps the draws of several calls
        within one job apart.
        """
        settings = {k: v for k, v in self.settings.items() if k != "lr_schedule"}
        options = {**settings, "schedule": self.settings["lr_schedule"], **options}
        target = self.model if model is None else model
        mask = self.mask if model is None else None
        return fit(
            target,
            data,
            epochs=epochs,
            lr=lr,
            seed=derive(self.seed, f"unlearning fit {stage}"),
            mask=mask,
            **options,
        )


def check_number(name: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
    """Return a finite number from `low` to `high`, else raise `InputError`."""
    number: Any = value  # `Real` declares no comparison
    if (
        isinstance(value, bool)
        or not isinstance(value, Real)
        or not math.isfinite(value)
        or not low <= number <= high
    ):
        allowed = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise InputError(f"{name} must be a number {allowed}, not {value!r}")
    return number


def check_settings(own: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise `InputError` unless the common settings, and the epochs and the learning rate among a
    method's own parameters, are what `training.fit` takes; most methods train, and all are asked
    alike.
    """
    steps = {k: v for k, v in settings.items() if k not in ("lr_schedule", "progress")}
    lr = 0.0 if own.get("lr") is None else own["lr"]
    Recipe.of(epochs=1, lr=lr, schedule=settings["lr_schedule"], **steps)
    if not isinstance(settings["progress"], bool):
        raise InputError(f"progress must be True or False, not {settings['progress']!r}")
    if own.get("epochs") is not None:
        check_count("epochs", own["epochs"])


def endless(
    images: Images, size: int, generator: torch.Generator, augment: str | bool | None = None
) -> Iterator[tuple[Tensor, ...]]:
    """Shuffled batches (x, y, …) of at most `size` pictures, for ever."""
    while True:
        yield from images.batches(size, generator=generator, augment=augment)
