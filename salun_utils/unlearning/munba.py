"""MUNBa: each step is what retaining and forgetting would settle on if they bargained over it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..fitting.ranks import undivided
from ..units import numerics
from .closed_form import trainable
from .job import TRAINED, Job, check_number
from .registry import Range, method

APART = 1e-6  # 1 + cosine below which the two gradients are taken for opposite


@method(
    "munba",
    summary="weigh retained and relabelled forgotten pictures anew in each step by Nash bargaining",
    paper="Wu and Harandi, MUNBa: Machine Unlearning via Nash Bargaining, ICCV 2025",
    search={"lr": Range(1e-3, 0.3, log=True)},
    defaults_from="paper",
    stronger={"lr": "raise", "epochs": "raise"},
)
@numerics(1, uses=TRAINED)
def munba(
    job: Job, *, epochs: int = 10, lr: float = 0.01, max_norm: float = 1.0, fallback: float = 0.1
) -> nn.Module:
    """Steps along alpha_r g_r + alpha_f g_f, the gradients of CE(theta; D_r) and of CE on D_f under
    labels drawn anew for each batch from all classes, the true one included. `nash_weights` gives
    the alphas; where the two can't agree they are 1 and `fallback`. Such steps are clipped to the
    norm `max_norm`. An epoch is one pass over D_r; once D_f has been passed through, the rest of it
    is fine-tuning.

    Departs from the authors in that the alphas have no 1e-8 in their denominators, so that small
    gradients are weighed as large ones are; a D_f larger than D_r is cut off at the end of D_r
    (theirs stops with an error); under `mask` both gradients are those of the free weights.
    """
    check_number("max_norm", max_norm, 1e-12)
    check_number("fallback", fallback)
    table = Table(job)

    @undivided  # the weights depend on all pictures of both batches
    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        kept = nn.functional.cross_entropy(model(x), y)
        if not table.bargains():
            return kept
        x_f, labels = table.forgotten(x.device)
        lost = nn.functional.cross_entropy(model(x_f), labels)
        alpha_r, alpha_f = nash_weights(*table.products(kept, lost), fallback=fallback)
        return alpha_r * kept + alpha_f * lost

    def clip(model: nn.Module) -> None:
        if not table.pair:
            return
        for name, p in trainable(model).items():
            if job.mask is not None and p.grad is not None:
                p.grad.masked_fill_(~job.mask[name].to(p.device), 0)
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)

    job.fit(table.part, epochs=epochs, lr=lr, loss=loss, before_step=clip)
    return job.model


def nash_weights(g1: float, g2: float, g3: float, *, fallback: float = 0.1) -> tuple[float, float]:
    """The alphas of the Nash bargain between two gradients: G alpha = 1 / alpha, where G = [[g1,
    g2], [g2, g3]] has g1 = <g_r, g_r>, g2 = <g_r, g_f>, g3 = <g_f, g_f>.

    The authors' alpha_r = sqrt((g1 g3 - g2 sqrt(g1 g3)) / (g1^2 g3 - g1 g2^2)) and alpha_f = (1 -
    g1 alpha_r^2) / (g2 alpha_r) come down to 1 / (|g| sqrt(1 + cosine)) for either gradient g,
    which also holds where g2 = 0: both count as if they had one length. Only opposite or vanishing
    gradients can't agree, and give (1, `fallback`).
    """
    if not (g1 > 0 and g3 > 0 and math.isfinite(g1 * g3)):
        return 1.0, fallback
    agreement = 1 + g2 / math.sqrt(g1 * g3)
    if not agreement > APART:
        return 1.0, fallback
    return 1 / math.sqrt(g1 * agreement), 1 / math.sqrt(g3 * agreement)


class Table:
    """Where the two sides meet: the batch of D_f that goes with one of D_r, and their gradients."""

    def __init__(self, job: Job):
        self.job = job
        self.pair: tuple[Tensor, ...] = ()
        self.order, self.labels = job.draws("forget batches"), job.draws("labels")
        self.waiting: Iterator[tuple[Tensor, ...]] = iter(())

    def part(self, _epoch: int) -> Images:
        """The retained pictures; D_f is shuffled anew."""
        settings = self.job.settings
        self.waiting = self.job.split.forget.batches(
            settings["batch_size"], generator=self.order, augment=settings["augment"]
        )
        return self.job.split.retain

    def bargains(self) -> bool:
        """Take the next batch of D_f, if this pass has one left."""
        self.pair = next(self.waiting, ())
        return bool(self.pair)

    def forgotten(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Pictures of D_f and labels drawn for them."""
        x, y = self.pair
        drawn = torch.randint(self.job.num_classes, y.shape, generator=self.labels)
        return x.to(device), drawn.to(device)

    def products(self, kept: Tensor, lost: Tensor) -> tuple[float, float, float]:
        """g1, g2 and g3 over the weights that may change."""
        free = trainable(self.job.model)
        g_r, g_f = (
            torch.autograd.grad(
                loss,
                list(free.values()),
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            for loss in (kept, lost)
        )
        sums = torch.zeros(3, dtype=torch.float64, device=kept.device)
        for name, r, f in zip(free, g_r, g_f):
            if self.job.mask is not None:
                inside = self.job.mask[name].to(r.device)
                r, f = r * inside, f * inside
            sums += torch.stack([(r * r).sum(), (r * f).sum(), (f * f).sum()])
        return tuple(sums.tolist())
