"""SalUn-soft: instead of a mask, a penalty on leaving the original weights, which holds still all
but those pulled hardest.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import unknown
from ..units import numerics
from .closed_form import trainable
from .job import TRAINED, Job, check_count, check_number
from .registry import Range, method
from .rl import PAPER, STRONGER, fit_random_labels

# Each maps (step, steps), step = 1 … steps, to the factor on beta. "linear" and "rising" have the
# same sum, "constant" about twice it.
SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "linear": lambda step, steps: 1 - (step - 1) / steps,
    "constant": lambda step, steps: 1.0,
    "rising": lambda step, steps: step / steps,
}


@method(
    "salun-soft",
    summary="RL with an ℓ1 penalty on leaving the original weights",
    paper=PAPER + "; soft variant: ||theta - theta_o||_1 by proximal steps",
    search={"lr": Range(1e-3, 0.3, log=True), "beta": Range(1e-4, 1.0, log=True)},
    defaults_from="ours: beta; epochs, lr and alpha are those of SalUn",
    stronger={**STRONGER, "beta": "lower"},
    retains=("alpha",),
    later=("balance",),
)
@numerics(1, uses=TRAINED)
def salun_soft(
    job: Job,
    *,
    epochs: int = 10,
    lr: float = 0.013,
    alpha: float = 1.0,
    beta: float = 0.05,
    schedule: str = "linear",
    balance: str = "pictures",
) -> nn.Module:
    """min RL objective + beta_t ||theta - theta_o||_1, beta_t falling in a straight line from
    `beta` to 0 over the steps.

    After each gradient step every weight is pulled towards theta_o by the learning rate times
    beta_t, and put on it exactly if that is within reach.

    Departs from the published code, which sets the anchor anew at the start of every epoch; here it
    is theta_o throughout, as in the paper.

    Parameters
    ----------
    alpha, balance : as for `rl`. beta : weight of the penalty where it is highest.
    schedule : of the penalty. "linear" falls from beta towards 0 (the paper's), "constant" stays,
        "rising" grows from 0 to beta.
    """
    check_number("beta", beta)
    if schedule not in SCHEDULES:
        raise unknown("schedule", schedule, SCHEDULES)
    steps = total_steps(job, epochs=epochs, alpha=alpha)
    anchored = [(p, p.detach().clone()) for p in trainable(job.model).values()]

    @torch.no_grad()
    def pull_back(step: int, rate: float) -> None:
        threshold = rate * beta * SCHEDULES[schedule](step, steps)
        for p, original in anchored:
            p.copy_(soft_threshold(p, original, threshold))

    fit_random_labels(job, epochs=epochs, lr=lr, alpha=alpha, balance=balance, after_step=pull_back)
    return job.model


def total_steps(job: Job, *, epochs: int, alpha: float) -> int:
    """How many steps `fit_random_labels` takes with both sets mixed; without the retained pictures
    where alpha is 0.
    """
    pictures = len(job.split.forget) + (len(job.split.retain) if alpha else 0)
    return check_count("epochs", epochs) * math.ceil(pictures / job.settings["batch_size"])


def soft_threshold(values: Tensor, anchor: Tensor, threshold: float) -> Tensor:
    """The proximal operator of ``threshold * ||values - anchor||_1``: shortened moves, and exactly
    the anchor for short ones.
    """
    moved = values - anchor
    return torch.where(moved.abs() <= threshold, anchor, values - threshold * moved.sign())
