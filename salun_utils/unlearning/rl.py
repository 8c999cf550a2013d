"""RL and SalUn: random labels for what is to be forgotten, true labels for the rest; SalUn moves
the salient weights only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import unknown
from ..units import numerics
from .job import TRAINED, Job, check_number
from .registry import Range, method

ORDERS = ("mixed", "forget-first")
PAPER = (
    "Fan et al., ICLR 2024, section 4: E_{D_f, y' != y} CE(theta_u; x, y') + alpha E_{D_r}"
    " CE(theta_u; x, y)"
)


def random_labels(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """A label for each picture, uniform over the classes that are not its own.

    Parameters
    ----------
    labels : int64 (n,). generator : a CPU generator.
    """
    shift = torch.randint(1, num_classes, labels.shape, generator=generator).to(labels.device)
    return (labels + shift) % num_classes


def fit_random_labels(
    job: Job, *, epochs: int, lr: float, alpha: float, order: str = "mixed", **options
) -> None:
    """The training that RL, SalUn and SalUn-soft share; labels of the forget set are drawn anew in
    every epoch.
    """
    check_number("alpha", alpha)
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    draws, split = job.draws("labels"), job.split

    def relabelled() -> Images:
        return split.forget.with_labels(random_labels(split.forget.labels, job.num_classes, draws))

    retain = split.retain if alpha == 1 else split.retain.with_weights(alpha)
    if alpha == 0:
        job.fit(lambda epoch: relabelled(), epochs=epochs, lr=lr, **options)
    elif order == "mixed":
        job.fit(
            lambda epoch: Images.concat([relabelled(), retain]), epochs=epochs, lr=lr, **options
        )
    else:
        job.fit(
            lambda part: retain if part % 2 else relabelled(), epochs=2 * epochs, lr=lr, **options
        )


@method(
    "rl",
    summary="random labels on the forget set, true labels on the retain set",
    paper="Golatkar et al., CVPR 2020; " + PAPER,
    search={"lr": Range(1e-3, 0.3, log=True)},
)
@numerics(1, uses=TRAINED)
def rl(
    job: Job, *, epochs: int = 10, lr: float = 0.013, alpha: float = 1.0, order: str = "mixed"
) -> nn.Module:
    """Train on both sets together.

    Parameters
    ----------
    alpha : weight of a retained picture's loss, a forgotten one's being 1; 0 leaves the retained
        ones out.
    order : "mixed" shuffles both sets into one stream; "forget-first" makes, in each epoch, a pass
        over the forget set and then one over the retain set. Published code does one for CIFAR-100
        and the other for CIFAR-10.
    """
    fit_random_labels(job, epochs=epochs, lr=lr, alpha=alpha, order=order)
    return job.model


@method(
    "salun",
    summary="RL that changes the most salient weights only",
    paper=PAPER,
    search={"lr": Range(1e-3, 0.3, log=True)},
    mask="saliency",
)
@numerics(1, uses=TRAINED)
def salun(job: Job, **parameters) -> nn.Module:
    return rl(job, **parameters)
