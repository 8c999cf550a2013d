"""Unlearning methods: one file each, one registry, one call."""

from __future__ import annotations

import copy
import importlib
import pkgutil
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..data.splits import ForgetSplit
from ..errors import InputError, NothingChangedWarning
from ..fitting import ranks
from ..fitting.flops import tally, training_flops
from ..fitting.recipes import use_bf16
from ..models.contract import as_before, check_model, check_weights, only_logits
from ..saliency import SaliencyMask, check_keep
from ..seeds import check_seed, derive
from ..shown import block, inline, table
from ..units import numerics
from .job import Job, check_settings
from .masks import RULES, build_mask
from .registry import METHODS, Method, Range, get

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")  # a method registers itself

from .rl import random_labels  # noqa: E402

__all__ = [
    "METHODS",
    "RULES",
    "Method",
    "NothingChangedWarning",
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
    cpu_seconds : processor time over the same stretch, of all processes that work together; unlike
        wall time it is hardly moved by other work on the machine.
    pflop : 10^15 operations of all passes through the network, the mask's included, see
        `fitting.flops.tally`, of all processes that work together; None for a network that can't
        be counted.
    mask : the `SaliencyMask` that was held, or None. params : every parameter in force.
    method : its name.
    """

    model: nn.Module
    seconds: float
    mask: SaliencyMask | None
    params: dict[str, Any] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    method: str = ""
    pflop: float | None = None

    def __repr__(self) -> str:
        held = "no mask" if self.mask is None else f"mask of {100 * self.mask.density:.1f} %"
        own = [
            f"{k} {self.params[k]:g}" for k in ("lr", "epochs") if self.params.get(k) is not None
        ]
        network = type(self.model).__name__
        return inline("UnlearnResult", self.method, network, f"{self.seconds:.1f} s", held, *own)

    def _repr_html_(self) -> str:
        rows = [(name, str(value)) for name, value in self.params.items()]
        mask = "" if self.mask is None else self.mask._repr_html_()
        return block(repr(self), table(["parameter", "value"], rows), mask)


@numerics(1, "unlearning", uses=("splits",))
def unlearn(
    name: str,
    model: nn.Module,
    split: ForgetSplit,
    *,
    seed: int = 0,
    mask: str | SaliencyMask | Mapping[str, Tensor] | None = None,
    keep: float = 0.5,
    **params,
) -> UnlearnResult:
    """Make a copy of `model` forget ``split.forget``; the model passed in is unchanged.

    Parameters
    ----------
    name : one of `METHODS`.
    model : any classifier from float images in [0, 1] to logits, trained on ``split.train``, with
        float32 weights. Outputs with ``.logits``, tuples and dictionaries are taken as
        `models.contract.logits_of` says.
    seed : of unlearning: labels, batches, a random mask.
    mask : a rule of `RULES`, a `SaliencyMask`, or a dictionary that `SaliencyMask.from_bools`
        takes; by default the method's own ("saliency" for salun, none for the others). Weights
        outside it keep their exact value.
    keep : share of weights inside a mask made by rule, 0 to 1.
    params : the method's own (``METHODS[name].defaults``) and the common ones (`batch_size`,
        `momentum`, `weight_decay`, `augment`, `precision`, `progress`).

    Raises
    ------
    InputError : unknown name or parameter, value out of range, a mask that doesn't fit the model,
        or a model that can't be worked with (see `models.contract.check_model`).

    Warns
    -----
    NothingChangedWarning : the method selected or moved no weight.
    """
    method = get(name)
    own = method.parameters(params)
    settings = method.settings(params)
    check_settings(own, settings)
    seed, keep = check_seed(seed), check_keep(keep)
    rule = method.mask if mask is None else mask
    if not method.takes_mask and not (rule is None or rule == "none"):
        raise InputError(f"{name} starts from fresh weights and takes no mask")
    device = next((p.device for p in check_weights(model).parameters()), torch.device("cpu"))
    bf16 = use_bf16(settings["precision"], device)
    classes = len(split.classes)
    check_model(model, split.forget, classes, gradients=method.takes_mask, bf16=bf16)
    split = split.to(device)
    training_flops(model, split.forget.shape)  # once, before the clock runs
    started, cpu_started = time.perf_counter(), time.process_time()
    together = ranks.here()
    with tally(model, split.forget.shape) as spent:
        built = together.told(
            lambda: build_mask(rule, model, split, keep=keep, seed=derive(seed, "mask"))
        )
        job = Job(_copied(model), split, built, seed, settings)
        only_logits(job.model, classes)
        unlearned = as_before(method.run(job, **own)).eval()
    together.spread((*unlearned.parameters(), *unlearned.buffers()))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    cpu_seconds = together.total(cpu_seconds)
    pflop = None if spent.pflop is None else together.total(spent.pflop)
    shown = {
        **own,
        **settings,
        "mask": rule if isinstance(rule, str | None) else "given",
        "keep": keep if built is not None else 1.0,
    }
    _warn_of_nothing(method, model, unlearned, job, shown)
    return UnlearnResult(unlearned, seconds, built, shown, cpu_seconds, name, pflop)


def _copied(model: nn.Module) -> nn.Module:
    scripted = isinstance(model, torch.jit.ScriptModule)
    try:
        with torch.set_grad_enabled(not scripted):  # copies of its weights would be no leaves
            twin = copy.deepcopy(model)
        for own, other in zip(model.parameters(), twin.parameters()):
            other.requires_grad_(own.requires_grad)
        return twin
    except Exception as error:  # modules of users can refuse in any way
        said = f"{type(error).__name__}: {error}"[:200]
        raise InputError(f"the model can't be copied, as unlearning must ({said})") from error


def _warn_of_nothing(
    method: Method, before: nn.Module, after: nn.Module, job: Job, params: Mapping[str, Any]
) -> None:
    pairs = list(zip(before.parameters(), after.parameters()))
    still = all(torch.equal(a.detach(), b.detach().to(a.device)) for a, b in pairs)
    said = job.notes or (["no weight has left its value"] if still else [])
    if said and method.name != "original":
        way = method.way(more=True, params=params)
        text = f"{method.name}: {'; '.join(said)}. {way}".strip()
        warnings.warn(text, NothingChangedWarning, stacklevel=3)
