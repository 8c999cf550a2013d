"""`fit`: the one training loop. Original models, retrained models and every unlearning method run
through it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
import operator
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .data.images import Images
from .errors import InputError
from .fitting import norms, ranks
from .fitting.flops import training_flops
from .fitting.progress import Progress, digest_of
from .fitting.recipes import (
    OPTIMIZERS,
    RECIPES,
    SCHEDULES,
    Recipe,
    use_bf16,
)
from .masking import hold
from .models.contract import check_model, check_weights, logits_of
from .saliency import SaliencyMask, check_labels, check_loss
from .seeds import check_seed, derive, generator
from .units import numerics

__all__ = [
    "OPTIMIZERS",
    "RECIPES",
    "SCHEDULES",
    "History",
    "Recipe",
    "TrainingDivergedError",
    "cross_entropy",
    "fit",
    "use_bf16",
]

Batch = tuple[Tensor, ...]
Loss = Callable[[Any, Batch], Tensor]


class TrainingDivergedError(RuntimeError):
    """The loss became NaN or infinite; nothing was saved."""


@dataclasses.dataclass(frozen=True)
class History:
    """What happened in a training; the part before an interruption counts.

    Attributes
    ----------
    losses : the mean loss of each epoch. steps : taken in all.
    seconds, cpu_seconds : wall and processor time, the latter of all processes together.
    pflop : 10^15 operations, a multiplication and an addition counted as two; None where they can't
        be counted (see `flops.training_flops`).
    recipe : keywords of `fit` that would train another network in the same way.
    """

    losses: list[float]
    steps: int
    seconds: float
    cpu_seconds: float = 0.0
    pflop: float | None = None
    recipe: dict[str, Any] = dataclasses.field(default_factory=dict)


def cross_entropy(model: nn.Module, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of a batch (x, y), or the mean of w * cross-entropy of (x, y, w)."""
    x, y, *weights = batch
    loss = functools.partial(nn.functional.cross_entropy, label_smoothing=label_smoothing)
    if not weights:
        return loss(logits_of(model(x)), y)
    return (weights[0] * loss(logits_of(model(x)), y, reduction="none")).mean()


@numerics(1, "training", uses=("data",))
def fit(
    model: nn.Module,
    data: Images | Callable[[int], Images | None],
    *,
    epochs: int,
    lr: float | None = None,
    recipe: str | None = None,
    seed: int = 0,
    loss: Loss = cross_entropy,
    mask: SaliencyMask | None = None,
    before_step: Callable[[nn.Module], None] | None = None,
    after_step: Callable[[int, float], None] | None = None,
    compile: bool = False,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = False,
    **settings: Any,
) -> History:
    """Train `model` in place and leave it in evaluation mode.

    Several processes that are started together (`fitting.ranks`) train one model: each computes its
    share of every batch, batch norms go by the statistics of the whole, and all end with the same
    weights, those of one process but for rounding. Only the first writes and shows something.

    Parameters
    ----------
    data : the pictures, or a function of the epoch (0, 1, …) that returns them, for labels or parts
        that change; where it returns None, training ends there. Anything with ``to``, ``batches``
        and a length will do. Where a pass has more batches than so many pictures fill,
        ``steps(batch_size)`` must say how many: the schedule goes by it. A model with a method
        ``prepare(images)`` is shown those of each epoch before it; it decides whether there is
        something left to prepare.
    epochs : passes over the data, at least 1. lr : the highest learning rate of the schedule.
    recipe : a key of `RECIPES` that is for this network: it decides `lr` and the settings below
        that are not given.
    seed : of the order of the batches, the augmentation and dropout.
    loss : ``loss(model, batch)`` -> scalar mean over the batch; of one that is none, several
        processes are told by `fitting.ranks.undivided`.
    mask : weights outside it keep their exact value (`masking.hold`); a plain dictionary is taken
        by `SaliencyMask.from_bools`.
    before_step : called with the model between the backward pass and the step, to edit gradients.
    after_step : called with (steps taken, learning rate) after each step, once held weights are
        restored.
    compile : run the forward pass through `torch.compile`; worth it on a GPU for long training.
        Several processes leave it out.
    checkpoint : a file written after each epoch; a call with the same settings, loss, initial
        weights and pictures goes on from it and gives the same weights. It is believed only if its
        checksum fits.
    progress : show a progress bar.
    settings : the other fields of `Recipe`: optimizer, schedule, batch_size, augment, …

    Raises
    ------
    InputError : for a setting out of range, or a recipe for other networks; for a checkpoint that
        is damaged, or of other settings, another loss, other initial weights or pictures; for
        weights that are not float32, a model that gives no logits for the labels of `data`, a last
        batch of one picture before a batch norm, or a pass of more steps than its length says.
    TrainingDivergedError : when the loss of an epoch is not finite.
    """
    check_weights(model)
    how = Recipe.named(recipe, model, lr=lr, epochs=epochs, **settings)
    check_seed(seed)
    mask = None if mask is None else SaliencyMask.of(mask)
    plain = loss is cross_entropy
    loss = _with_smoothing(loss, how)
    if isinstance(data, Images) and not len(data):
        raise InputError("there is nothing to train on: the data hold no picture")
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    bf16 = use_bf16(how.precision, device)
    if plain and isinstance(data, Images):
        check_labels(data.labels)
        check_model(model, data, int(data.labels.max()) + 1, gradients=True, bf16=bf16)
    model.to(memory_format=torch.channels_last)
    together = ranks.here()
    together.spread(itertools.chain(model.parameters(), model.buffers()))
    optimizer = how.make_optimizer(model)
    decides = digest_of(model, data, how, seed, mask, loss=loss, pixels=checkpoint is not None)
    together.agree(decides)
    state = Progress(checkpoint, decides + together.suffix, together)
    draws = generator(seed, "batches")
    state.start_clock()
    with _own_randomness(device, seed), _held(model, optimizer, mask):
        state.load(model, optimizer, draws)
        forward: Any = torch.compile(model) if compile and together.size == 1 else model
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16)
        steps = (before_step, after_step)
        loop = _Loop(model, forward, how, loss, optimizer, autocast, draws, *steps, together)
        loop.run(data, state, seed=seed, progress=progress)
    model.eval()
    return _history(model, loss, how, state, together)


@dataclasses.dataclass
class _Loop:
    """What one epoch after the other needs."""

    model: Any  # a module; some have `prepare`
    forward: Any
    recipe: Recipe
    loss: Loss
    optimizer: torch.optim.Optimizer
    autocast: AbstractContextManager
    draws: torch.Generator
    before_step: Callable[[nn.Module], None] | None
    after_step: Callable[[int, float], None] | None
    together: ranks.Ranks

    def run(self, data: Any, state: Progress, *, seed: int, progress: bool) -> None:
        """One epoch after the other, from where the state stands to the last, or to the one for
        which there are no data.
        """
        epochs, device = self.recipe.epochs, next(self.model.parameters()).device
        quiet = not (progress and self.together.first)
        shown = dict(desc="training", unit="epoch", disable=quiet, leave=False)
        with tqdm(total=epochs, initial=state.epoch, **shown) as bar:
            for epoch in range(state.epoch, epochs):
                part = data(epoch) if callable(data) else data
                if self.together.told(functools.partial(operator.is_, part, None)):
                    break
                self._start_epoch(epoch, seed)
                mean = self.epoch(epoch, part.to(device), state)
                if not math.isfinite(mean):
                    raise TrainingDivergedError(
                        f"the loss became {mean} in epoch {epoch + 1} of {epochs} "
                        f"(lr {self.recipe.lr}, seed {seed})"
                    )
                state.finish_epoch(mean, self.model, self.optimizer, self.draws)
                bar.set_postfix(loss=f"{mean:.3f}")
                bar.update()

    def _start_epoch(self, epoch: int, seed: int) -> None:
        """Several processes draw their dropout apart from each other, and anew in each epoch, so
        that a checkpoint need not hold where each of them stood.
        """
        if self.together.size > 1:
            torch.manual_seed(derive(seed, f"dropout {epoch} of process {self.together.rank}"))

    def epoch(self, epoch: int, part: Images, state: Progress) -> float:
        """One pass over `part`; the mean loss over its pictures."""
        how, device = self.recipe, next(self.model.parameters()).device
        if hasattr(self.model, "prepare"):
            self.model.prepare(part)
            self.together.spread(self.model.buffers())
        self.model.train()
        total = torch.zeros((), device=device)
        per_epoch, pictures = steps_of(part, how.batch_size), 0
        for step, batch in enumerate(
            part.batches(how.batch_size, generator=self.draws, augment=how.augment)
        ):
            check_step(step, per_epoch)
            rate = how.rate((epoch + step / per_epoch) / how.epochs)
            value = self.step(tuple(t.to(device, non_blocking=True) for t in batch), rate)
            state.count(batch[0])
            if self.after_step:
                self.after_step(state.steps, rate)
            total += value.float() * len(batch[0])
            pictures += len(batch[0])
        self.together.spread(self.model.buffers())  # statistics that no batch norm keeps
        return total.item() / max(pictures, 1)

    def step(self, batch: Batch, rate: float) -> Tensor:
        """Forward, backward, and one step of the optimizer at this rate; the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1)
        mine, factor, pictures = batch, 1.0, None
        if not getattr(self.loss, ranks.UNDIVIDED, False):
            mine, factor = self.together.share(batch)
            pictures = len(mine[0]) if len(mine[0]) < len(batch[0]) else None
        with self.autocast, norms.together(self.together.size, pictures):
            value = _computed(self.loss, self.forward, mine)
        self.optimizer.zero_grad(set_to_none=True)
        if factor != 1:
            value = value * factor
        value.backward()
        value = self.together.average(value.detach(), self._stepped())
        if self.before_step:
            self.before_step(self.model)
        if self.recipe.max_grad_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.max_grad_norm)
        self.optimizer.step()
        return value

    def _stepped(self) -> Iterator[nn.Parameter]:
        yield from self.model.parameters()
        for group in self.optimizer.param_groups:
            yield from group["params"]


def _computed(loss: Loss, forward: Any, batch: Batch) -> Tensor:
    try:
        return check_loss(loss(forward, batch))
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise InputError(
                "a batch norm can't tell the spread of a single picture, or of one value a channel,"
                " which a batch has: choose another batch_size"
            ) from error
        raise


def steps_of(part: Images, batch_size: int) -> int:
    """Batches in one pass over `part`: what its ``steps(batch_size)`` says, if it has one, else as
    many as its pictures fill.
    """
    if hasattr(part, "steps"):
        return part.steps(batch_size)
    return math.ceil(len(part) / batch_size)


def check_step(step: int, per_epoch: int) -> None:
    """Raise `InputError` for a step (0, 1, …) beyond those said of an epoch: its rate would be that
    of another time.
    """
    if step >= per_epoch:
        raise InputError(
            f"a pass over the data has more than the {per_epoch} steps that its length promises, by"
            " which the schedule goes: give the data a method steps(batch_size)"
        )


def _with_smoothing(loss: Loss, recipe: Recipe) -> Loss:
    if not recipe.label_smoothing:
        return loss
    if loss is not cross_entropy:
        raise InputError(
            "label_smoothing is for the loss cross_entropy; a loss of one's own smooths by itself"
        )
    return functools.partial(cross_entropy, label_smoothing=recipe.label_smoothing)


@contextlib.contextmanager
def _own_randomness(device: torch.device, seed: int):
    """Torch's global draws (dropout) follow the seed inside; outside they go on as if nothing had
    been drawn.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(seed, "dropout"))
        yield


def _held(
    model: nn.Module, optimizer: torch.optim.Optimizer, mask: SaliencyMask | None
) -> AbstractContextManager:
    return contextlib.nullcontext() if mask is None else hold(model, optimizer, mask)


def _history(
    model: Any, loss: Loss, recipe: Recipe, state: Progress, together: ranks.Ranks
) -> History:
    """The account of a finished training. The model, too, notes how it came about, once: Retrain
    repeats that of the original.
    """
    seconds, cpu_seconds = state.clock()
    cpu_seconds = together.total(cpu_seconds)
    plain = loss is cross_entropy or isinstance(loss, functools.partial)
    flops = training_flops(model, state.shape) if plain and state.shape else None
    pflop = None if flops is None else flops * state.pictures / 1e15
    if not hasattr(model, "fitted_with"):
        model.fitted_with = recipe.to_repeat()
    return History(state.losses, state.steps, seconds, cpu_seconds, pflop, recipe.to_repeat())
