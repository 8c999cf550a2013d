"""SCRUB: a student that disobeys the original model on the pictures to forget and obeys it on the
others.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError
from ..training import OPTIMIZERS
from ..units import numerics
from .job import TRAINED, Job, check_count, check_number
from .registry import Range, method


@method(
    "scrub",
    summary="away from the original's answers on forgotten pictures, towards them on retained ones",
    paper="Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023",
    search={
        "lr": Range(1e-5, 3e-2, log=True),
        "max_epochs": Range(1, 3),
        "alpha": Range(1e-4, 1.0, log=True),
    },
    own_schedule=True,
    defaults_from="paper",
    stronger={"lr": "raise", "max_epochs": "raise", "alpha": "lower"},
    retains=("alpha", "gamma"),
    common={"batch_size": 128},
)
@numerics(2, uses=TRAINED)
def scrub(
    job: Job,
    *,
    epochs: int = 3,
    max_epochs: int = 2,
    lr: float = 5e-4,
    alpha: float = 0.001,
    gamma: float = 0.99,
    temperature: float = 4.0,
    forget_batch: int = 32,
    drops: str | Sequence[int] = "3,5,9",
) -> nn.Module:
    """Each of the first `max_epochs` epochs begins with a pass over D_f that maximises KL(teacher
    || student); every epoch then passes over D_r and minimises alpha KL(teacher || student) + gamma
    CE. The teacher is the original model.

    Both kinds of pass share one optimizer. The defaults are the authors' recipe for CIFAR-10 on a
    large scale, `batch_size` 128 on D_r among them. Their small scale has Adam, alpha 0.5, gamma 1,
    temperature 2 and 3 epochs that maximise.

    Does not depart from the authors.

    Parameters
    ----------
    max_epochs : the authors' msteps.
    alpha, gamma : weights of the divergence and of the cross-entropy on D_r. temperature : softens
        both answers. forget_batch : pictures of D_f in a batch.
    drops : epochs after which the learning rate falls to a tenth, separated by commas; "" for none.
        In 3 epochs none of the default ones comes.
    """
    check_number("alpha", alpha)
    check_number("gamma", gamma)
    check_number("temperature", temperature, 1e-6)
    teacher = copy.deepcopy(job.model).eval().requires_grad_(False)
    away = InBatches(job.split.forget.with_weights(-1.0), check_count("forget_batch", forget_batch))
    towards = job.split.retain.with_weights(1.0)
    rounds = min(check_count("max_epochs", max_epochs, 0), check_count("epochs", epochs))
    passes = [(e, part) for e in range(rounds) for part in (away, towards)]
    passes += [(e, towards) for e in range(rounds, epochs)]
    falling = Falling(job, lr, _checked_drops(drops))

    def part(number: int) -> Images | InBatches:
        epoch, pictures = passes[number]
        falling.epoch = epoch
        return pictures

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y, w = batch
        logits = model(x)
        with torch.no_grad():
            answers = teacher(x)
        divergence = distillation(logits, answers, temperature)
        if w[0] < 0:
            return -divergence
        return alpha * divergence + gamma * nn.functional.cross_entropy(logits, y)

    job.fit(
        part,
        epochs=len(passes),
        lr=lr,
        loss=loss,
        optimizer=falling.optimizer,
        before_step=falling.set_rate,
    )
    return job.model


@dataclass(frozen=True)
class InBatches:
    """A training set in batches of its own size, whatever that of the training."""

    images: Images
    size: int

    def __len__(self) -> int:
        return len(self.images)

    @property
    def weights(self) -> Tensor | None:
        return self.images.weights

    def to(self, device: torch.device) -> InBatches:
        return InBatches(self.images.to(device), self.size)

    def steps(self, _size: int) -> int:
        """Batches in one pass."""
        return math.ceil(len(self.images) / self.size)

    def batches(self, _size: int, **options) -> Iterator[tuple[Tensor, ...]]:
        return self.images.batches(self.size, **options)


class Falling:
    """Plain gradient descent whose rate is a tenth after each of `drops` epochs."""

    def __init__(self, job: Job, lr: float, drops: Sequence[int]):
        self.settings, self.lr, self.drops, self.epoch = job.settings, lr, drops, 0

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        momentum, decay = (self.settings[k] for k in ("momentum", "weight_decay"))
        self.made = OPTIMIZERS["sgd"](parameters, self.lr, momentum, decay)
        return self.made

    def set_rate(self, _model: nn.Module) -> None:
        for group in self.made.param_groups:
            group["lr"] = self.rate(self.epoch)

    def rate(self, epoch: int) -> float:
        """The learning rate in an epoch, 0, 1, …"""
        return self.lr * 0.1 ** sum(epoch >= drop for drop in self.drops)


def _checked_drops(drops: Any) -> tuple[int, ...]:
    words = [w for w in drops.split(",") if w.strip()] if isinstance(drops, str) else drops
    try:
        whole = [int(w) if isinstance(w, str) else w for w in words]
    except (TypeError, ValueError):
        raise InputError(f"drops must be epochs such as '3,5,9', not {drops!r}") from None
    return tuple(check_count("drops", drop) for drop in whole)


def distillation(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(answers / T) || softmax(logits / T)), the mean over a batch (Hinton et al.,
    2015).
    """
    student, teacher = ((t.float() / temperature).log_softmax(1) for t in (logits, answers))
    return (
        nn.functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
        * temperature**2
    )
