"""SalUn-soft: instead of a mask, a penalty on leaving the original weights, which holds still all but those pulled hardest."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .closed_form import trainable
from .job import Job, check_count, check_number
from .registry import Range, method
from .rl import PAPER, fit_random_labels


@method(
    "salun-soft",
    summary="RL with an ℓ1 penalty on leaving the original weights",
    paper=PAPER + "; soft variant: ||theta - theta_o||_1 by proximal steps",
    search={"lr": Range(1e-3, 0.3, log=True), "beta": Range(1e-4, 1.0, log=True)},
)
def salun_soft(job: Job, *, epochs: int = 10, lr: float = 0.013, alpha: float = 1.0, beta: float = 0.05) -> nn.Module:
    """min RL objective + beta_t ||theta - theta_o||_1, beta_t falling in a straight line from `beta` to 0 over the steps.

    After each gradient step every weight is pulled towards theta_o by the learning rate times beta_t, and put on it exactly if
    that is within reach. The anchor is theta_o throughout: published code sets it anew at the start of every epoch.

    Parameters
    ----------
    alpha : weight of a retained picture's loss. beta : weight of the penalty at the first step.
    """
    check_number("beta", beta)
    pictures = len(job.split.forget) + (len(job.split.retain) if alpha else 0)
    steps = check_count("epochs", epochs) * math.ceil(pictures / job.settings["batch_size"])
    anchored = [(p, p.detach().clone()) for p in trainable(job.model).values()]

    @torch.no_grad()
    def pull_back(step: int, rate: float) -> None:
        threshold = rate * beta * (1 - (step - 1) / steps)
        for p, original in anchored:
            p.copy_(soft_threshold(p, original, threshold))

    fit_random_labels(job, epochs=epochs, lr=lr, alpha=alpha, after_step=pull_back)
    return job.model


def soft_threshold(values: Tensor, anchor: Tensor, threshold: float) -> Tensor:
    """The proximal operator of ``threshold * ||values - anchor||_1``: shortened moves, and exactly the anchor for short ones."""
    moved = values - anchor
    return torch.where(moved.abs() <= threshold, anchor, values - threshold * moved.sign())
