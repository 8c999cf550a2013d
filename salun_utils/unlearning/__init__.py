"""Unlearning methods: one file each, one registry, one call."""

from __future__ import annotations

import copy
import importlib
import pkgutil
import time
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..data.splits import ForgetSplit
from ..errors import InputError
from ..saliency import SaliencyMask, check_keep
from ..seeds import check_seed, derive
from ..units import numerics
from .job import Job
from .masks import RULES, build_mask
from .registry import METHODS, Method, Range, get

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")  # a method registers itself

from .rl import random_labels  # noqa: E402

__all__ = [
    "METHODS",
    "RULES",
    "Method",
    "Range",
    "UnlearnResult",
    "build_mask",
    "get",
    "random_labels",
    "unlearn",
]


@dataclass(frozen=True)
class UnlearnResult:
    """What `unlearn` returns.

    Attributes
    ----------
    model : the unlearned model, in evaluation mode. seconds : wall time, the mask's included (RTE).
    cpu_seconds : processor time of this process over the same stretch; unlike wall time it is
        hardly moved by other work on the machine.
    mask : the `SaliencyMask` that was held, or None. params : every parameter in force.
    """

    model: nn.Module
    seconds: float
    mask: SaliencyMask | None
    params: dict[str, Any] = field(default_factory=dict)
    cpu_seconds: float = 0.0


@numerics(1, "unlearning", uses=("splits",))
def unlearn(
    name: str,
    model: nn.Module,
    split: ForgetSplit,
    *,
    seed: int = 0,
    mask: str | SaliencyMask | None = None,
    keep: float = 0.5,
    **params,
) -> UnlearnResult:
    """Make a copy of `model` forget ``split.forget``; the model passed in is unchanged.

    Parameters
    ----------
    name : one of `METHODS`.
    model : any classifier from float images in [0, 1] to logits, trained on ``split.train``.
    seed : of unlearning: labels, batches, a random mask.
    mask : a rule of `RULES` or a `SaliencyMask`; by default the method's own ("saliency" for salun,
        none for the others). Weights outside it keep their exact value.
    keep : share of weights inside a mask made by rule, 0 to 1.
    params : the method's own (``METHODS[name].defaults``) and the common ones (`batch_size`,
        `momentum`, `weight_decay`, `augment`, `precision`, `progress`).

    Raises
    ------
    InputError : unknown name or parameter, value out of range, or a mask that doesn't fit the
        model.
    """
    method = get(name)
    own = method.parameters(params)
    settings = method.settings(params)
    seed, keep = check_seed(seed), check_keep(keep)
    rule = method.mask if mask is None else mask
    if not method.takes_mask and rule not in (None, "none"):
        raise InputError(f"{name} starts from fresh weights and takes no mask")
    split = split.to(next(model.parameters()).device)
    started, cpu_started = time.perf_counter(), time.process_time()
    built = build_mask(rule, model, split, keep=keep, seed=derive(seed, "mask"))
    job = Job(copy.deepcopy(model), split, built, seed, settings)
    unlearned = method.run(job, **own).eval()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    shown = {
        **own,
        **settings,
        "mask": rule if isinstance(rule, str | None) else "given",
        "keep": keep if built is not None else 1.0,
    }
    return UnlearnResult(unlearned, seconds, built, shown, cpu_seconds)
