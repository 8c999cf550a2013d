"""`Recipe`: everything that decides how `training.fit` takes its steps; the optimizers and
schedules it may name; named recipes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..data.augment import check_augment
from ..errors import InputError, check_amount, check_whole, unknown
from ..units import family, numerics

PRECISIONS = ("auto", "bf16", "float32")


@numerics(1)
def _sgd(params, lr: float, momentum: float, weight_decay: float, *, nesterov: bool = False):
    return torch.optim.SGD(params, lr, momentum, weight_decay=weight_decay, nesterov=nesterov)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "nesterov": numerics(1, uses=("optimizer/sgd",))(
        lambda *settings: _sgd(*settings, nesterov=True)
    ),
    "adam": numerics(1)(
        lambda params, lr, _, decay: torch.optim.Adam(params, lr, weight_decay=decay)
    ),
    "adamw": numerics(1)(
        lambda params, lr, _, decay: torch.optim.AdamW(params, lr, weight_decay=decay)
    ),
}
family("optimizer", lambda: OPTIMIZERS)


@numerics(1)
def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


@numerics(1, uses=("schedule/cosine",))
def _one_cycle(done: float) -> float:
    return 0.04 + 0.96 * done / 0.3 if done < 0.3 else _cosine((done - 0.3) / 0.7)


@numerics(1)
def _steps(done: float) -> float:
    return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01  # 91 and 136 of 182 epochs


@numerics(1)
def _triangular(done: float) -> float:
    return 0.2 + 0.8 * done / 0.23 if done < 0.23 else 1 - 0.93 * (done - 0.23) / 0.77


# Each maps the share of training done, in [0, 1], to a factor on the learning rate.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": numerics(1)(lambda done: 1.0),
    "cosine": _cosine,
    "one-cycle": _one_cycle,
    "steps": _steps,
    "triangular": _triangular,
}
family("schedule", lambda: SCHEDULES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train, apart from what is trained on what.

    Attributes
    ----------
    epochs : passes over the data, at least 1. lr : the highest learning rate of the schedule.
    optimizer : a key of `OPTIMIZERS`, or a function of the parameters that returns a torch
        optimizer.
    schedule : a key of `SCHEDULES`: "constant", "cosine", "one-cycle", "steps" (a tenth at 50 % and
        again at 75 % of the steps) or "triangular" (from 20 % up over 23 % of the steps, down to 7
        %).
    batch_size, weight_decay, momentum : of the optimizer's steps; Adam has no momentum of this
        kind.
    augment : see `Images.batches`.
    label_smoothing : share of the target spread evenly over all classes, for the loss
        `cross_entropy`.
    bias_rate : the shifts of normalisation layers learn that many times as fast as the rest; they
        decay as much as the others do in a step.
    max_grad_norm : clip the norm of all gradients together.
    precision : "auto" (bfloat16 autocast where the hardware computes in it), "bf16" or "float32".
        Weights stay float32.
    """

    epochs: int
    lr: float
    optimizer: str | Callable[..., torch.optim.Optimizer] = "sgd"
    schedule: str = "cosine"
    batch_size: int = 256
    weight_decay: float = 5e-4
    momentum: float = 0.9
    augment: str | bool | None = None
    label_smoothing: float = 0.0
    bias_rate: float = 1.0
    max_grad_norm: float | None = None
    precision: str = "auto"

    @classmethod
    def of(cls, **settings: Any) -> Recipe:
        """A recipe of these settings; an unknown name raises `InputError` with the nearest right
        one.
        """
        known = [f.name for f in dataclasses.fields(cls)]
        for name in settings:
            if name not in known:
                raise unknown("setting of fit", name, known)
        return cls(**settings)

    @classmethod
    def named(
        cls, name: str | None, model: nn.Module, *, lr: float | None, **settings: Any
    ) -> Recipe:
        """The recipe of that name, for this network, under the settings that are given; without a
        name these settings alone.
        """
        arch = (getattr(model, "recipe", None) or {}).get("arch")
        named = {} if name is None else named_recipe(name, arch)
        if lr is None and "lr" not in named:
            raise InputError("training needs a learning rate: give lr, or a recipe that decides it")
        return cls.of(**{**named, **settings, **({} if lr is None else {"lr": lr})})

    def __post_init__(self) -> None:
        check_augment(self.augment)
        for name in ("epochs", "batch_size"):
            check_whole(name, getattr(self, name))
        for name in ("lr", "weight_decay", "momentum", "label_smoothing"):
            check_amount(name, getattr(self, name))
        for name in ("bias_rate", "max_grad_norm"):
            _check_positive(name, getattr(self, name), optional=name == "max_grad_norm")
        if self.label_smoothing > 1:
            raise InputError(f"label_smoothing must be at most 1, not {self.label_smoothing!r}")
        if self.optimizer == "nesterov" and not self.momentum:
            raise InputError("optimizer 'nesterov' needs a momentum above 0")
        for kind, value, allowed in (
            ("schedule", self.schedule, SCHEDULES),
            ("optimizer", "sgd" if callable(self.optimizer) else self.optimizer, OPTIMIZERS),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in allowed:
                raise unknown(kind, value, allowed)

    def rate(self, done: float) -> float:
        """The learning rate when that share of the training is done."""
        return self.lr * SCHEDULES[self.schedule](done)

    def to_repeat(self) -> dict[str, Any]:
        """What another training needs to go the same way, as keywords of `fit`; precision and
        clipping are left to it.
        """
        kept = vars(self)
        left_out = ["max_grad_norm", "precision"] + (
            [] if isinstance(self.optimizer, str) else ["optimizer"]
        )
        return {name: value for name, value in kept.items() if name not in left_out}

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """An optimizer over the trainable parameters of `model`. Its groups may name a "factor" on
        the learning rate.
        """
        params = [p for p in model.parameters() if p.requires_grad]
        if not params:
            raise InputError("the model has no trainable parameters")
        if callable(self.optimizer):
            return self.optimizer(params)
        groups = params if self.bias_rate == 1 else self._groups(model, params)
        return OPTIMIZERS[self.optimizer](groups, self.lr, self.momentum, self.weight_decay)

    def _groups(self, model: nn.Module, params: list[nn.Parameter]) -> list[dict[str, Any]]:
        shifts = norm_shifts(model)
        fast = [p for p in params if id(p) in shifts]
        slow = [p for p in params if id(p) not in shifts]
        decay = self.weight_decay / self.bias_rate
        groups: list[dict[str, Any]] = [
            {"params": slow},
            {"params": fast, "factor": self.bias_rate, "weight_decay": decay},
        ]
        return [group for group in groups if group["params"]]


def norm_shifts(model: nn.Module) -> set[int]:
    """Ids of the biases of the model's normalisation layers."""
    kinds = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    return {id(m.bias) for m in model.modules() if isinstance(m, kinds) and m.bias is not None}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_positive(name: str, value: Any, *, optional: bool) -> None:
    if not (optional and value is None) and not (_is_number(value) and value > 0):
        allowed = "a number above 0" + (", or None" if optional else "")
        raise InputError(f"{name} must be {allowed}, not {value!r}")


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: always for "bf16", never for "float32", for "auto" where the
    hardware has it.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


# Named recipes: keywords of `fit`, all but epochs and augment. Those of speednet are airbench's,
# which sums the loss over a batch where we take the mean: its rate for one picture, 11.5 / (1024 (1
# + 1 / (1 - momentum))), becomes as many times that as a batch has pictures, and its decay of
# 0.0153 becomes 0.0153 / 11.5.
_SPEEDNET: dict[str, Any] = {
    "optimizer": "nesterov",
    "momentum": 0.85,
    "schedule": "triangular",
    "weight_decay": 0.00133,
    "bias_rate": 64.0,
}
RECIPES: dict[str, dict[str, Any]] = {
    # small batches remember ten thousand pictures to the last in few epochs
    "speednet": {**_SPEEDNET, "lr": 0.366, "batch_size": 250},
    # for tens of thousands, with augment "shift-flip": generalises, and remembers less
    "speednet-smooth": {**_SPEEDNET, "lr": 1.465, "batch_size": 1000, "label_smoothing": 0.2},
}
# recipe -> the networks that it is for: its high rate is borne where no scale is learnt
FITS: dict[str, tuple[str, ...]] = {"speednet": ("speednet",), "speednet-smooth": ("speednet",)}


def named_recipe(name: str, arch: str | None) -> dict[str, Any]:
    """The settings of a recipe for a network; a network of one's own, which has no name (None), may
    take any.

    Raises
    ------
    InputError : an unknown recipe, or one for other networks.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    if arch is not None and arch not in FITS[name]:
        fitting = [n for n, networks in FITS.items() if arch in networks]
        raise InputError(
            f"the recipe {name!r} is for {' and '.join(FITS[name])}, not for {arch}; that takes "
            + (" or ".join(fitting) if fitting else "no named recipe: leave it at None")
        )
    return RECIPES[name]
