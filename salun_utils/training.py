"""`fit`: the one training loop. Original models, retrained models and every unlearning method run
through it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .data.images import Images, check_augment
from .errors import InputError, unknown
from .files import atomic
from .masking import hold
from .saliency import SaliencyMask
from .seeds import check_seed, derive, generator
from .units import family, numerics

Batch = tuple[Tensor, ...]
Loss = Callable[[nn.Module, Batch], Tensor]


class TrainingDivergedError(RuntimeError):
    """The loss became NaN or infinite; nothing was saved."""


@dataclasses.dataclass(frozen=True)
class History:
    """What happened: the mean loss of each epoch, steps taken, wall and processor seconds in all
    (an interrupted part included).
    """

    losses: list[float]
    steps: int
    seconds: float
    cpu_seconds: float = 0.0


def cross_entropy(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy of a batch (x, y), or the mean of w * cross-entropy of (x, y, w)."""
    x, y, *weights = batch
    if not weights:
        return nn.functional.cross_entropy(model(x), y)
    return (weights[0] * nn.functional.cross_entropy(model(x), y, reduction="none")).mean()


OPTIMIZERS = {
    "sgd": numerics(1)(
        lambda params, lr, momentum, weight_decay: torch.optim.SGD(
            params, lr, momentum, weight_decay=weight_decay
        )
    ),
    "adam": numerics(1)(
        lambda params, lr, momentum, weight_decay: torch.optim.Adam(
            params, lr, weight_decay=weight_decay
        )
    ),
    "adamw": numerics(1)(
        lambda params, lr, momentum, weight_decay: torch.optim.AdamW(
            params, lr, weight_decay=weight_decay
        )
    ),
}

# Each maps the share of training done, in [0, 1], to a factor on the learning rate.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": numerics(1)(lambda done: 1.0),
    "cosine": numerics(1)(lambda done: 0.5 * (1 + math.cos(math.pi * done))),
    "one-cycle": numerics(1)(
        lambda done: (
            0.04 + 0.96 * done / 0.3
            if done < 0.3
            else 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7))
        )
    ),
    # 91 and 136 of 182 epochs
    "steps": numerics(1)(lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01),
}
family("optimizer", lambda: OPTIMIZERS)
family("schedule", lambda: SCHEDULES)


@numerics(1, "training", uses=("data",))
def fit(
    model: nn.Module,
    data: Images | Callable[[int], Images],
    *,
    epochs: int,
    lr: float,
    seed: int = 0,
    loss: Loss = cross_entropy,
    optimizer: str | Callable[..., torch.optim.Optimizer] = "sgd",
    schedule: str = "cosine",
    batch_size: int = 256,
    weight_decay: float = 5e-4,
    momentum: float = 0.9,
    augment: str | bool | None = None,
    mask: SaliencyMask | None = None,
    before_step: Callable[[nn.Module], None] | None = None,
    after_step: Callable[[int, float], None] | None = None,
    max_grad_norm: float | None = None,
    precision: str = "auto",
    compile: bool = False,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = False,
) -> History:
    """Train `model` in place and leave it in evaluation mode.

    Parameters
    ----------
    data : the pictures, or a function of the epoch (0, 1, …) that returns them, for labels or parts
        that change.
    epochs : passes over the data, at least 1.
    lr : the highest learning rate of the schedule.
    seed : of the order of the batches, the augmentation and dropout.
    loss : ``loss(model, batch)`` -> scalar mean over the batch.
    optimizer : "sgd", "adam", "adamw", or a function of the parameters that returns a torch
        optimizer.
    schedule : "constant", "cosine", "one-cycle" or "steps" (a tenth at 50 % and again at 75 % of
        the steps).
    augment : see `Images.batches`.
    mask : weights outside it keep their exact value (`masking.hold`).
    before_step : called with the model between the backward pass and the step, to edit gradients.
    after_step : called with (steps taken, learning rate) after each step, once held weights are
        restored.
    max_grad_norm : clip the norm of all gradients together.
    precision : "auto" (bfloat16 autocast where the hardware computes in it), "bf16" or "float32".
        Weights stay float32.
    compile : run the forward pass through `torch.compile`; worth it on a GPU for long training.
    checkpoint : a file written after each epoch; a call with the same settings goes on from it and
        gives the same weights.
    progress : show a progress bar.

    Raises
    ------
    InputError : for a setting out of range.
    TrainingDivergedError : when the loss of an epoch is not finite.
    """
    settings = _checked(locals())
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last)
    opt = make_optimizer(model, optimizer, lr=lr, momentum=momentum, weight_decay=weight_decay)
    draws = generator(seed, "batches")
    state = _Progress(checkpoint, settings)
    state.start_clock()
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        _held(model, opt, mask),
    ):
        torch.manual_seed(derive(seed, "dropout"))
        state.load(model, opt, draws)
        forward = torch.compile(model) if compile else model
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=use_bf16(precision, device))
        bar = tqdm(
            total=epochs,
            initial=state.epoch,
            desc="training",
            unit="epoch",
            disable=not progress,
            leave=False,
        )
        for epoch in range(state.epoch, epochs):
            part = (data(epoch) if callable(data) else data).to(device)
            per_epoch = math.ceil(len(part) / batch_size)
            model.train()
            total = torch.zeros((), device=device)
            for step, batch in enumerate(
                part.batches(batch_size, generator=draws, augment=augment)
            ):
                rate = lr * SCHEDULES[schedule]((epoch + step / per_epoch) / epochs)
                for group in opt.param_groups:
                    group["lr"] = rate
                with autocast:
                    value = loss(forward, tuple(t.to(device, non_blocking=True) for t in batch))
                opt.zero_grad(set_to_none=True)
                value.backward()
                if before_step:
                    before_step(model)
                if max_grad_norm:
                    nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
                opt.step()
                state.steps += 1
                if after_step:
                    after_step(state.steps, rate)
                total += value.detach().float() * len(batch[0])
            mean = total.item() / len(part)
            if not math.isfinite(mean):
                raise TrainingDivergedError(
                    f"the loss became {mean} in epoch {epoch + 1} of {epochs} (lr {lr}, seed"
                    f" {seed})"
                )
            state.finish_epoch(mean, model, opt, draws)
            bar.set_postfix(loss=f"{mean:.3f}")
            bar.update()
        bar.close()
    model.eval()
    if not hasattr(model, "fitted_with"):  # noted once, for the original: retraining repeats it
        model.fitted_with = {
            "epochs": epochs,
            "lr": lr,
            "schedule": schedule,
            "batch_size": batch_size,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "augment": augment,
        }
        if isinstance(optimizer, str):
            model.fitted_with["optimizer"] = optimizer
    return History(state.losses, state.steps, *state.clock())


def make_optimizer(
    model: nn.Module, optimizer, *, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """An optimizer over the trainable parameters of `model`, by name or by a function of the
    parameters.
    """
    params = [p for p in model.parameters() if p.requires_grad]
    if not params:
        raise InputError("the model has no trainable parameters")
    if callable(optimizer):
        return optimizer(params)
    if optimizer not in OPTIMIZERS:
        raise unknown("optimizer", optimizer, OPTIMIZERS)
    return OPTIMIZERS[optimizer](params, lr, momentum, weight_decay)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: always for "bf16", never for "float32", for "auto" where the
    hardware has it.
    """
    if precision not in ("auto", "bf16", "float32"):
        raise unknown("precision", precision, ("auto", "bf16", "float32"))
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def _held(model: nn.Module, optimizer: torch.optim.Optimizer, mask: SaliencyMask | None):
    return contextlib.nullcontext() if mask is None else hold(model, optimizer, mask)


def _checked(arguments: dict) -> str:
    """Check the numbers of a call to `fit`; return a digest of the settings that a checkpoint must
    agree with.
    """
    check_seed(arguments["seed"])
    check_augment(arguments["augment"])
    for name, lowest in (("epochs", 1), ("batch_size", 1)):
        value = arguments[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise InputError(f"{name} must be a whole number, at least {lowest}, not {value!r}")
    for name in ("lr", "weight_decay", "momentum"):
        value = arguments[name]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or value < 0
        ):
            raise InputError(f"{name} must be a number, at least 0, not {value!r}")
    limit = arguments["max_grad_norm"]
    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < math.inf
    ):
        raise InputError(f"max_grad_norm must be a number above 0, or None, not {limit!r}")
    if isinstance(arguments["data"], Images) and not len(arguments["data"]):
        raise InputError("there is nothing to train on: the data hold no picture")
    if arguments["schedule"] not in SCHEDULES:
        raise unknown("schedule", arguments["schedule"], SCHEDULES)
    names = (
        "epochs",
        "lr",
        "seed",
        "schedule",
        "batch_size",
        "weight_decay",
        "momentum",
        "augment",
        "precision",
        "max_grad_norm",
    )
    kept = {name: arguments[name] for name in names}
    kept["optimizer"] = (
        arguments["optimizer"] if isinstance(arguments["optimizer"], str) else "given"
    )
    kept["mask"] = None if arguments["mask"] is None else arguments["mask"].fingerprint
    kept["shapes"] = [tuple(p.shape) for p in arguments["model"].parameters()]
    kept["pictures"] = len(arguments["data"]) if isinstance(arguments["data"], Images) else None
    return hashlib.sha256(json.dumps(kept, default=str, sort_keys=True).encode()).hexdigest()


class _Progress:
    """Where the training stands, and its checkpoint on disk."""

    def __init__(self, path: str | os.PathLike | None, settings: str):
        self.path = None if path is None else Path(path)
        self.settings, self.losses, self.steps, self.before = settings, [], 0, (0.0, 0.0)

    def start_clock(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def clock(self) -> tuple[float, float]:
        """Wall and processor seconds so far."""
        now = time.perf_counter(), time.process_time()
        return tuple(b + n - s for b, n, s in zip(self.before, now, self.started))

    @property
    def epoch(self) -> int:
        return len(self.losses)

    def load(self, model, optimizer, draws) -> None:
        if self.path is None or not self.path.is_file():
            return
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            belongs = saved["settings"] == self.settings
        except (
            Exception
        ) as error:  # a torn or foreign file: any failure to read it means starting afresh
            raise InputError(
                f"checkpoint {self.path} can't be read ({type(error).__name__}); delete it to start"
                " afresh"
            ) from error
        if not belongs:
            raise InputError(
                f"checkpoint {self.path} belongs to other settings; delete it or name another file"
            )
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        draws.set_state(saved["draws"])
        torch.set_rng_state(saved["rng"])
        self.losses, self.steps, self.before = (
            saved["losses"],
            saved["steps"],
            tuple(saved["seconds"]),
        )

    def finish_epoch(self, loss, model, optimizer, draws) -> None:
        self.losses.append(loss)
        if self.path is None:
            return
        saved = {
            "settings": self.settings,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "draws": draws.get_state(),
            "rng": torch.get_rng_state(),
            "losses": self.losses,
            "steps": self.steps,
            "seconds": list(self.clock()),
        }
        with atomic(self.path) as partial:
            torch.save(saved, partial)
