"""MSG: masked small gradients, which redraw the weights that matter least to telling forgotten from
retained pictures, and fine-tune them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError, unknown
from ..training import OPTIMIZERS
from ..units import numerics
from .closed_form import change, draw, gradient_sum, trainable
from .job import Job, check_count, check_number
from .registry import Range, method

WHICH = ("smallest", "largest", "random")


@method(
    "msg",
    summary="redraw the convolution weights of smallest gradient, fine-tune mostly those",
    paper=(
        "an entry of the NeurIPS 2023 unlearning challenge (kgltop2); Cadet et al., Deep Unlearn,"
        " arXiv 2410.01276"
    ),
    search={"lr": Range(1e-4, 0.3, log=True), "share": Range(0.05, 0.9)},
    defaults_from="paper",
    stronger={"lr": "raise", "share": "raise", "epochs": "raise"},
    common={"batch_size": 64},
    later=("which",),
)
@numerics(1, uses=("training", "schedule/constant", "optimizer/sgd"))
def msg(
    job: Job,
    *,
    epochs: int = 5,
    lr: float = 1e-3,
    share: float = 0.3,
    damping: float = 0.1,
    which: str = "smallest",
) -> nn.Module:
    """Redraw, in every convolution, the `share` of weights whose gradient of Σ CE(D_r') - Σ CE(D_f)
    is smallest, where D_r' are as many retained pictures as are to be forgotten; then min CE(theta;
    D_r), with gradients times `damping` on the convolution weights that were not redrawn.

    New weights are normal with variance 2 / (output channels * kernel size). The learning rate
    rises in a straight line over the first half of the epochs, is constant within each, and falls
    again. The mirror image of SalUn, which moves the weights of largest gradient.

    Departs from the authors in that biases of convolutions stay (theirs are redrawn with the
    layer), and in that the gradient is a sum over pictures in evaluation mode, which no batch size
    enters.

    Parameters
    ----------
    share : of each layer's weights, to be redrawn. damping : 0 holds all other weights of
        convolutions but for momentum and decay. which : "smallest" gradients; "largest" or "random"
        for the controls.

    Raises
    ------
    InputError : for a network without a convolution whose weights may change.
    """
    check_number("share", share, 0, 1)
    check_number("damping", damping, 0, 1)
    check_count("epochs", epochs)
    if which not in WHICH:
        raise unknown("which", which, WHICH)
    chosen = of_each_kernel(job, share, which)
    values = {n: p.detach().clone() for n, p in trainable(job.model).items()}
    values |= redrawn({n: values[n] for n in chosen}, chosen, job.draws("fresh weights"))
    change(job, values)
    rising = Rising(job, lr, epochs)

    def before_step(model: nn.Module) -> None:
        rising.set_rate()
        for name, p in trainable(model).items():
            if name in chosen and p.grad is not None:
                p.grad.mul_(torch.where(chosen[name], 1.0, damping))

    job.fit(
        rising.part,
        epochs=epochs,
        lr=lr,
        optimizer=rising.optimizer,
        before_step=before_step,
    )
    return job.model


def kernels(model: nn.Module, method: str) -> dict[str, Tensor]:
    """The weights (O, I, H, W) of two-dimensional convolutions that may change, by name.

    Raises
    ------
    InputError : where there are none, with the name of the method that needs them.
    """
    free = {id(p): n for n, p in trainable(model).items()}
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    found = {free[id(m.weight)]: m.weight for m in layers if id(m.weight) in free}
    if not found:
        raise InputError(f"{method} needs a network with convolutions (Conv2d) that may change")
    return found


def of_each_kernel(job: Job, share: float, which: str = "smallest") -> dict[str, Tensor]:
    """Bool tensors, one a convolution: the ``round(share * n)`` of its n weights with the smallest
    (or largest) absolute gradient, of equal ones the earlier; or as many drawn at random.
    """
    names = list(kernels(job.model, "msg"))
    if which == "random":
        draws = job.draws("weights at random")
        free = trainable(job.model)
        return {
            n: _first(torch.rand(free[n].shape, generator=draws).to(free[n].device), share)
            for n in names
        }
    forget = job.split.forget
    kept = draw(job.split.retain, max(1, len(forget)), job.draws("retain samples"))
    both = Images.concat([kept.with_weights(1.0), forget.with_weights(-1.0)])
    gradients = gradient_sum(job.model, both, job.settings["batch_size"])
    pulls = dict(zip(trainable(job.model), gradients))
    sign = 1 if which == "smallest" else -1
    return {name: _first(sign * pulls[name].abs(), share) for name in names}


def _first(size: Tensor, share: float) -> Tensor:
    order = size.flatten().argsort(stable=True)[: round(share * size.numel())]
    found = torch.zeros(size.numel(), dtype=torch.bool, device=size.device)
    found[order] = True
    return found.view(size.shape)


def redrawn(
    weights: dict[str, Tensor], chosen: dict[str, Tensor], draws: torch.Generator
) -> dict[str, Tensor]:
    """Kaiming-normal values by fan-out (He et al., 2015) where `chosen`, the old ones elsewhere."""
    return {name: torch.where(chosen[name], _kaiming(w, draws), w) for name, w in weights.items()}


def _kaiming(weight: Tensor, draws: torch.Generator) -> Tensor:
    spread = math.sqrt(2 / (weight.shape[0] * weight[0, 0].numel()))
    return spread * torch.randn(weight.shape, generator=draws).to(weight)


class Rising:
    """Plain gradient descent on D_r whose rate rises over half of the epochs and falls over the
    others.
    """

    def __init__(self, job: Job, lr: float, epochs: int):
        self.job, self.lr, self.epochs, self.epoch = job, lr, epochs, 0

    def part(self, epoch: int) -> Images:
        """The pictures of an epoch, 0, 1, …"""
        self.epoch = epoch
        return self.job.split.retain

    def optimizer(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        momentum, decay = (self.job.settings[k] for k in ("momentum", "weight_decay"))
        self.made = OPTIMIZERS["sgd"](parameters, self.lr, momentum, decay)
        return self.made

    def set_rate(self) -> None:
        """Give the optimizer the rate of this epoch."""
        for group in self.made.param_groups:
            group["lr"] = self.lr * factor(self.epoch, self.epochs)


def factor(epoch: int, epochs: int) -> float:
    """On the learning rate in an epoch, 0, 1, …: of five 1/3, 2/3, 1, 2/3, 1/3."""
    up, number = (epochs + 1) // 2, epoch + 1
    return number / up if number <= up else (epochs + 1 - number) / (epochs + 1 - up)
