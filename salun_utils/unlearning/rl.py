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
BALANCES = ("pictures", "sets")
PAPER = (
    "Fan et al., ICLR 2024, section 4: E_{D_f, y' != y} CE(theta_u; x, y') + alpha E_{D_r}"
    " CE(theta_u; x, y)"
)
SEARCH = {"lr": Range(1e-3, 0.3, log=True), "alpha": Range(0.1, 10.0, log=True)}
STRONGER = {"lr": "raise", "epochs": "raise", "alpha": "lower"}


def random_labels(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """A label for each picture, uniform over the classes that are not its own.

    Parameters
    ----------
    labels : int64 (n,). generator : a CPU generator.
    """
    shift = torch.randint(1, num_classes, labels.shape, generator=generator).to(labels.device)
    return (labels + shift) % num_classes


def picture_weights(forget: int, retain: int, *, alpha: float, balance: str) -> tuple[float, float]:
    """Weights of one forgotten and of one retained picture in the mean loss of a mixed batch.

    "pictures" weighs each by itself, 1 and alpha, so that the sets count as their sizes: the mean
    is (n_f mean_f + alpha n_r mean_r) / n. "sets" gives n / n_f and alpha n / n_r, by which the
    mean over all batches is mean_f + alpha mean_r, the formula of the paper. Without retained
    pictures (alpha 0) both are the mean over D_f.
    """
    if balance not in BALANCES:
        raise unknown("balance", balance, BALANCES)
    if balance == "pictures" or not alpha:
        return 1.0, alpha
    return (forget + retain) / forget, alpha * (forget + retain) / retain


def fit_random_labels(
    job: Job,
    *,
    epochs: int,
    lr: float,
    alpha: float,
    order: str = "mixed",
    balance: str = "pictures",
    **options,
) -> None:
    """The training that RL, SalUn and SalUn-soft share; labels of the forget set are drawn anew in
    every epoch.
    """
    check_number("alpha", alpha)
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    draws, split = job.draws("labels"), job.split
    sizes = len(split.forget), len(split.retain)
    heavy, kept = picture_weights(*sizes, alpha=alpha, balance=balance)

    def relabelled() -> Images:
        labels = random_labels(split.forget.labels, job.num_classes, draws)
        return weighed(split.forget.with_labels(labels), heavy)

    retain = weighed(split.retain, kept)
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


def weighed(images: Images, weight: float) -> Images:
    """The same pictures, each with that weight in the loss; as they are where it is 1."""
    return images if weight == 1 else images.with_weights(weight)


@method(
    "rl",
    summary="random labels on the forget set, true labels on the retain set",
    paper="Golatkar et al., CVPR 2020; " + PAPER,
    search=SEARCH,
    defaults_from="ours: those of SalUn, of which it is the case without a mask",
    stronger=STRONGER,
    retains=("alpha",),
    later=("balance",),
)
@numerics(1, uses=TRAINED)
def rl(
    job: Job,
    *,
    epochs: int = 10,
    lr: float = 0.013,
    alpha: float = 1.0,
    order: str = "mixed",
    balance: str = "pictures",
) -> nn.Module:
    """Train on both sets together.

    Departs from the published code in that labels drawn are never the true one, as the paper says.

    Parameters
    ----------
    alpha : weight of the retained pictures' loss, see `balance`; 0 leaves them out.
    order : "mixed" shuffles both sets into one stream; "forget-first" makes, in each epoch, a pass
        over the forget set and then one over the retain set. Published code does one for CIFAR-100
        and the other for CIFAR-10.
    balance : what alpha weighs. "pictures", as in the published code: one retained picture against
        one forgotten one, so that the sets count as their sizes, retain : forget being 9 alpha
        where a tenth is to be forgotten and alpha at a half. "sets", as in the paper's formula: the
        mean over D_r against the mean over D_f, retain : forget being alpha whatever their sizes;
        the loss is then mean_f + alpha mean_r. "sets" with alpha is "pictures" with alpha n_f / n_r
        at a learning rate n / n_f times as high (10 times for a tenth, twice for a half).
    """
    fit_random_labels(job, epochs=epochs, lr=lr, alpha=alpha, order=order, balance=balance)
    return job.model


@method(
    "salun",
    summary="RL that changes the most salient weights only",
    paper=PAPER,
    search=SEARCH,
    defaults_from="paper",
    stronger=STRONGER,
    retains=("alpha",),
    later=("balance",),
    mask="saliency",
)
@numerics(1, uses=TRAINED)
def salun(job: Job, **parameters) -> nn.Module:
    """RL under the saliency mask, weights outside it held to the bit; parameters are those of `rl`.

    Departs from the published code where `rl` does, and in holding running statistics of
    normalisation layers that are wholly outside the mask.
    """
    return rl(job, **parameters)
