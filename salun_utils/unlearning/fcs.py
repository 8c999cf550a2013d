"""FCS: forget, contrast, strengthen. Answers to forgotten pictures are made even, set apart from no
retained picture more than from another, and what that costs is learnt again, round by round.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..training import OPTIMIZERS
from ..units import numerics
from .job import TRAINED, Job, check_count, check_number, endless
from .registry import Range, method

FORGET, CONTRAST, STRENGTHEN = "forget", "contrast", "strengthen"
LOWEST = 1e-6  # the rate at which the cosine of the contrast would end


@method(
    "fcs",
    summary="even answers to forgotten pictures, then rounds of contrast and of fine-tuning",
    paper=(
        "the winner of the NeurIPS 2023 unlearning challenge (fanchuan, kgltop1); Cadet et al.,"
        " Deep Unlearn, arXiv 2410.01276"
    ),
    search={
        "lr": Range(1e-4, 0.1, log=True),
        "contrast_lr": Range(1e-5, 0.03, log=True),
        "retain_lr": Range(1e-4, 0.1, log=True),
    },
    own_schedule=True,
    defaults_from="paper",
    stronger={"lr": "raise", "contrast_lr": "raise", "retain_lr": "lower"},
    common={"weight_decay": 0.01},
)
@numerics(1, uses=TRAINED)
def fcs(
    job: Job,
    *,
    epochs: int = 8,
    lr: float = 0.005,
    contrast_lr: float = 3e-4,
    retain_lr: float = 0.004,
    temperature: float = 1.15,
) -> nn.Module:
    """One pass over D_f of min `unevenness`; then `epochs` rounds of a pass over D_f of min
    `contrast` with a batch of D_r, and a pass over D_r of min CE.

    Each of the three has plain gradient descent with a momentum of its own, which it finds again in
    the next round. The rate of the contrast falls along a cosine over all its steps, the other two
    are constant.

    Departs from the authors in that a D_f of more batches than D_r meets D_r shuffled anew (their
    round ends there), and in that `retain_lr`, theirs of 1e-3 for each 64 pictures of a batch,
    stays what it is for batches of another size than 256.

    Parameters
    ----------
    epochs : rounds. lr : of the first pass, contrast_lr and retain_lr : of the two in each round.
    temperature : divides the products of logits. The setting `weight_decay` is that of the passes
        over D_r; the others have none.
    """
    check_number("contrast_lr", contrast_lr)
    check_number("retain_lr", retain_lr)
    check_number("temperature", temperature, 1e-6)
    steps = check_count("epochs", epochs) * math.ceil(
        len(job.split.forget) / job.settings["batch_size"]
    )
    rates = {FORGET: lr, CONTRAST: contrast_lr, STRENGTHEN: retain_lr}
    rounds = Rounds(job, rates, steps)

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        if rounds.stage == FORGET:
            return unevenness(model(x))
        if rounds.stage == STRENGTHEN:
            return nn.functional.cross_entropy(model(x), y)
        forgotten = model(x)
        with torch.no_grad():
            kept = model(next(rounds.retained)[0].to(x.device))
        return contrast(forgotten, kept, temperature)

    job.fit(
        rounds.part,
        epochs=1 + 2 * epochs,
        lr=lr,
        loss=loss,
        optimizer=rounds.optimizer,
        before_step=rounds.set_rate,
    )
    return job.model


def unevenness(logits: Tensor) -> Tensor:
    """KL(uniform || softmax(logits)), the mean over the pictures of logits (B, K)."""
    logs = logits.float().log_softmax(1)
    return -(logs.mean(1) + math.log(logits.shape[1])).mean()


def contrast(forgotten: Tensor, retained: Tensor, temperature: float) -> Tensor:
    """The mean of -log softmax_j(<f_i, r_j> / T) over the pairs of logits f (B, K) and r (C, K).

    It is log C where each forgotten answer has the same product with all retained ones, and larger
    everywhere else.
    """
    with torch.autocast(forgotten.device.type, enabled=False):
        products = forgotten.float() @ retained.float().T / temperature
        return -products.log_softmax(1).mean()


class Rounds:
    """Which stage a pass is of; each stage has its rate, decay and momentum."""

    def __init__(self, job: Job, rates: dict[str, float], steps: int):
        self.job, self.rates, self.steps, self.done = job, rates, steps, 0
        self.stage, self.order = FORGET, job.draws("retained batches")
        self.retained: Iterator[tuple[Tensor, ...]] = iter(())
        self.states: dict[str, defaultdict] = {stage: defaultdict(dict) for stage in rates}

    def part(self, number: int) -> Images:
        """The pictures of a pass, 0, 1, …; D_r is shuffled anew for a contrast."""
        self.stage = FORGET if number == 0 else CONTRAST if number % 2 else STRENGTHEN
        self.made.state = self.states[self.stage]
        split, settings = self.job.split, self.job.settings
        if self.stage == CONTRAST:
            self.retained = endless(
                split.retain, settings["batch_size"], self.order, settings["augment"]
            )
        return split.retain if self.stage == STRENGTHEN else split.forget

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """One for all stages, whose momentum is changed for another with the stage."""
        momentum, decay = (self.job.settings[k] for k in ("momentum", "weight_decay"))
        self.made = OPTIMIZERS["sgd"](parameters, self.rates[FORGET], momentum, decay)
        return self.made

    def set_rate(self, _model: nn.Module) -> None:
        """Give the optimizer the rate and the decay of this step."""
        strengthens = self.stage == STRENGTHEN
        for group in self.made.param_groups:
            group["lr"] = self.rate()
            group["weight_decay"] = self.job.settings["weight_decay"] if strengthens else 0.0
        self.done += self.stage == CONTRAST

    def rate(self) -> float:
        """The learning rate now: that of the stage, and for a contrast what its cosine leaves."""
        full = self.rates[self.stage]
        if self.stage != CONTRAST:
            return full
        low = min(LOWEST, full)
        return low + (full - low) * (1 + math.cos(math.pi * self.done / self.steps)) / 2
