"""What the erasers of picture generators share: settings, pictures, masks, and a loop that holds
the other weights still.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ... import data as datasets
from ...bits import bare_name
from ...data.images import Dataset, Images
from ...errors import InputError, NothingChangedWarning, check_whole, unknown
from ...fitting.rows import shared
from ...masking import hold
from ...saliency import SaliencyMask
from ...seeds import generator
from ...training import TrainingDivergedError
from ...units import numerics
from ..files import class_label
from ..models.diffusion.model import Diffusion
from .registry import ERASERS

# `keep` is an ablation, not tuned
SPACE = {"lr": (1e-5, 1e-3), "alpha": (0.1, 10.0), "steps": [20, 40, 60, 90]}
"""What is searched in tuning the erasers of class-conditional generators."""
MASKS = ("saliency", "random", "inverted", "magnitude", "none")


def settings(name: str, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of an eraser with what was given put over them; an unknown name, a number below
    0, or something else where a number is needed is an `InputError`.
    """
    defaults = ERASERS[name].defaults[kind]
    for key, value in given.items():
        if key not in defaults:
            raise unknown(f"setting of {name}", key, defaults)
        _check_kind(key, value, defaults[key])
    merged = {**defaults, **given}
    if isinstance(merged.get("mask"), Mapping):
        merged["mask"] = SaliencyMask.of(merged["mask"])
    if (
        "mask" in merged
        and not isinstance(merged["mask"], SaliencyMask)
        and merged["mask"] not in MASKS
    ):
        raise unknown("mask", merged["mask"], MASKS)
    steps = merged.get("steps", 1)
    if steps is None and defaults["steps"] is None:
        return merged
    check_whole("steps", steps)
    return merged


def _check_kind(name: str, value: Any, default: Any) -> None:
    """A number, or true or false, where the default is one; numbers are finite and at least 0."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"{name} must be true or false, not {value!r}")
        return
    if isinstance(default, int | float) and (
        isinstance(value, bool) or not isinstance(value, int | float)
    ):
        raise InputError(f"{name} must be a number, at least 0, not {value!r}")
    if isinstance(value, int | float) and not (value >= 0 and math.isfinite(value)):
        raise InputError(f"{name} must be a finite number, at least 0, not {value}")


def used(name: str, concept: str, seed: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run as plain values, for `Erased.params`; a mask that was handed in is in
    `Erased.mask`.
    """
    plain = {k: v for k, v in options.items() if not isinstance(v, SaliencyMask)}
    return {"method": name, "concept": concept, "seed": seed, **plain}


def pictures(model: Any, label: int, data: Dataset | Images | None) -> tuple[Images, Images]:
    """(forget, retain): the training pictures of the class, and all the others.

    Without `data` they are those of the data set that comes with the package, when it has the
    model's classes.
    """
    train = training_pictures(model, data)
    chosen = train.labels == label
    if not chosen.any() or chosen.all():
        raise InputError(f"the data need pictures of {model.classes[label]} and of other classes")
    return train.subset(chosen.nonzero().flatten()), train.subset((~chosen).nonzero().flatten())


def training_pictures(model: Any, data: Dataset | Images | None) -> Images:
    """Those of `data`, by default of the data set that comes with the package; an `InputError`
    where the model has other classes.
    """
    if data is None:
        data = datasets.load("fashion-mini")
        if [c.lower() for c in data.classes] != [c.lower() for c in model.classes]:
            raise InputError(
                "this model was not trained on Fashion-MNIST: pass its training pictures as data="
            )
    train = data.train if isinstance(data, Dataset) else data
    if not isinstance(train, Images):
        raise InputError(
            f"data must be a data set or its pictures, not a {type(data).__name__}: su.data.load"
            " gives one"
        )
    if int(train.labels.max()) >= len(model.classes):
        raise InputError(
            f"the data have a label {int(train.labels.max())}, the model only {len(model.classes)}"
            " classes"
        )
    return train


def substitutes(
    substitute: str | int | Sequence[str | int] | None, label: int, classes: Sequence[str]
) -> Tensor:
    """The labels c' that stand in for the forgotten one: (c + 1) mod K when None is given, as in
    the paper.
    """
    if substitute is None:
        return torch.tensor([(label + 1) % len(classes)])
    names = [substitute] if isinstance(substitute, str | int) else list(substitute)
    labels = [class_label(s, classes) for s in names]
    if not labels or label in labels:
        raise InputError(f"the substitute of {classes[label]} must be another class")
    return torch.tensor(labels)


def warn_of_nothing(name: str, before: nn.Module, after: nn.Module) -> None:
    """A warning when an eraser left every weight where it was."""
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    if all(torch.equal(a.detach(), b.detach()) for a, b in pairs):
        warnings.warn(
            f"{name}: no weight has left its value, so nothing was forgotten; look at lr, steps or"
            " epochs, keep and weights",
            NothingChangedWarning,
            stacklevel=4,
        )


@numerics(1, "erasing/mask", uses=("masks",))
def choose_mask(
    rule: str | SaliencyMask,
    module: nn.Module,
    scores: Callable[[], dict[str, Tensor]],
    keep: float,
    seed: int,
) -> SaliencyMask | None:
    """The mask of a rule, at density `keep`: the saliency mask or one of its controls. ``"none"``
    gives None.

    The inverted mask keeps the least salient weights, as many as the others keep. A mask that is
    given must be of weights of the module, all of them or some.
    """
    if isinstance(rule, SaliencyMask):
        return _fitted(rule, module)
    if rule == "none":
        return None
    if rule == "magnitude":
        return SaliencyMask.magnitude(module, keep)
    if rule == "random":
        return SaliencyMask.random(
            {n: p for n, p in module.named_parameters() if p.requires_grad}, keep, seed
        )
    if rule == "inverted":
        return SaliencyMask.top(scores(), 1 - keep).inverted()
    return SaliencyMask.top(scores(), keep)


def _fitted(mask: SaliencyMask, module: nn.Module) -> SaliencyMask:
    known = {bare_name(n) for n in mask}
    own = {n: p for n, p in module.named_parameters() if bare_name(n) in known}
    return mask.fitted(own if len(own) == len(known) else dict(module.named_parameters()))


def draw(images: Images, size: int, rng: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches (x float in [0, 1] (B, C, H, W), y (B,)) of exactly `size`, epoch after
    shuffled epoch.
    """
    left = torch.empty(0, dtype=torch.int64)
    while True:
        while len(left) < size:
            left = torch.cat([left, torch.randperm(len(images), generator=rng)])
        rows, left = left[:size], left[size:]
        part = images.subset(rows)
        yield part.pixels.float() / 255, part.labels


@numerics(1, "erasing")
def descend(
    module: nn.Module,
    losses: Callable[[int], dict[str, tuple[float, Tensor]]],
    *,
    steps: int,
    lr: float,
    mask: SaliencyMask | None = None,
    clip: float = 1.0,
    beside: Sequence[Any] = (),
) -> dict[str, tuple[float, ...]]:
    """Take `steps` of Adam on a weighted sum of losses, the weights outside the mask held
    bit-identical.

    Parameters
    ----------
    losses : step -> {name: (weight, scalar loss)}.
    beside : other models that the losses ask. Of diffusion models several processes compute a
        share of the rows each (`fitting.rows`).

    Returns
    -------
    name -> the loss of each step, unweighted.

    Raises
    ------
    TrainingDivergedError : a loss, or a weight in the end, is no longer finite.
    """
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=lr)
    seen: dict[str, list[float]] = {}
    networks = [m.network for m in (module, *beside) if isinstance(m, Diffusion)]
    held = hold(module, optimizer, mask) if mask is not None else contextlib.nullcontext()
    with held, shared(*networks) as together:
        for step in range(steps):
            optimizer.zero_grad(set_to_none=True)
            parts = losses(step)
            total: Any = sum(weight * value for weight, value in parts.values())
            total.backward()
            together.average(total.detach(), module.parameters())
            if clip:
                if mask is not None:  # only what will be applied counts towards the norm
                    for name, p in module.named_parameters():
                        if p.grad is not None and name in mask:
                            p.grad.mul_(mask[name].to(p.device))
                nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            for name, (_, value) in parts.items():
                seen.setdefault(name, []).append(float(value.detach()))
            if not all(math.isfinite(values[-1]) for values in seen.values()):
                found = {name: values[-1] for name, values in seen.items()}
                raise TrainingDivergedError(
                    f"a loss became {found} in step {step + 1} of {steps} (lr {lr})"
                )
    if not all(p.isfinite().all() for p in module.parameters()):
        raise TrainingDivergedError(f"weights are no longer finite after {steps} steps (lr {lr})")
    return {name: tuple(values) for name, values in seen.items()}


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begun


def stream(seed: int, role: str) -> torch.Generator:
    """The random stream of one role in one erasing run."""
    return generator(seed, f"erasing: {role}")
