"""Selective Amnesia (Heng and Soh, NeurIPS 2023): the class's label is taught to give uniform
noise; the original's own samples of the other classes are replayed, and each weight is tied to its
old value in proportion to its Fisher information.

    min  l(noise at the label c) + r l(replayed pictures)  +  (λ / D) sum_i F_i (θ_i - θo_i)^2

l is a mean over the D values of a picture where the authors sum them, so the whole is 1/D of theirs
and λ = `fisher_weight` is on their scale (theirs is 10). As in their code F squares, picture by
picture, the gradient summed over all T steps and all values. Departs from the authors: that sum is
estimated from `fisher_steps` of the T steps (all of them are minutes a picture on a CPU), and the
gradient is clipped on the scale of means, where the authors' clipping is always in force. The
default of λ is ours, for 60 steps: on `ddpm-fashion` the move of the weights was 2.67 long at 0,
1.96 at 0.1, and 0.09 at 10, with which nothing is forgotten in so few; the authors take 20,000.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ....data.images import Images
from ....errors import InputError
from ....seeds import derive
from ....units import numerics
from ...models.diffusion.model import Diffusion
from ...models.diffusion.training import best_precision, denoising_loss
from ..common import SPACE, descend, draw, stream
from ..registry import eraser
from ..run import Job
from .settings import KINDS, of_every_kind

CHUNK = 100  # steps of one picture that are computed at a time


@eraser(
    "selective-amnesia",
    kinds=KINDS,
    summary="teach the class to give noise, each weight tied to its value by its Fisher"
    " information",
    paper="Heng and Soh, NeurIPS 2023",
    defaults=of_every_kind(
        {
            "steps": 60,
            "lr": 1e-4,
            "batch": 48,
            "clip": 1.0,
            "fisher_weight": 0.05,
            "fisher_samples": 100,
            "fisher_steps": 20,
            "replay": 180,
            "replay_weight": 1.0,
        }
    ),
    search={"lr": SPACE["lr"], "fisher_weight": (1e-3, 10.0), "steps": SPACE["steps"]},
)
@numerics(2, uses=("erasing", "generator/ddpm/loss"))
def selective_amnesia(
    job: Job,
    *,
    steps: int,
    lr: float,
    batch: int,
    clip: float,
    fisher_weight: float,
    fisher_samples: int,
    fisher_steps: int,
    replay: int,
    replay_weight: float,
):
    model, label, seed = job.model, job.label, job.seed
    replayed = replay_of(job.original, label, replay, seed)
    fisher = fisher_information(
        model, replayed, samples=fisher_samples, steps=fisher_steps, seed=seed
    )
    values = model.encode(replayed.subset([0]).pixels.float() / 255).numel()  # D
    anchors = {n: p.detach().clone() for n, p in model.named_parameters()}
    rng, precision = stream(seed, "noise"), best_precision(model.device)
    to_retain = draw(replayed, batch, stream(seed, "retain"))

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return denoising_loss(model, model.encode(x), y, rng=rng, precision=precision)

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        x, y = next(to_retain)
        surrogate = torch.rand(x.shape, generator=rng).to(x.device)
        tie = sum(
            (fisher[n] * (p - anchors[n]).square()).sum() for n, p in model.named_parameters()
        )
        return {
            "forget": (1.0, loss(surrogate, torch.full_like(y, label))),
            "retain": (replay_weight, loss(x, y)),
            "fisher": (fisher_weight / values, tie),
        }

    return None, descend(model, losses, steps=steps, lr=lr, clip=clip)


def replay_of(original: Diffusion, label: int, count: int, seed: int) -> Images:
    """What the original draws of the other classes in turn, `count` pictures."""
    others = torch.tensor([c for c in range(len(original.classes)) if c != label])
    labels = others[torch.arange(count) % len(others)]
    drawn = original.sample(labels, guidance=0.0, seed=derive(seed, "erasing: replay"))
    return Images(drawn.to(original.device), labels.to(original.device))


def fisher_information(
    model: Diffusion, images: Images, *, samples: int, steps: int | None = None, seed: int = 0
) -> dict[str, Tensor]:
    """Diagonal Fisher information on the authors' scale: for each picture the gradient of its loss,
    summed over all T steps and all its values, is squared; the mean over pictures.

    Parameters
    ----------
    samples : pictures that are looked at. steps : of the T steps for each, one from each of as many
        equal intervals, their sum scaled up to T; None for all of them.
    """
    total_steps = model.config.timesteps
    steps = total_steps if steps is None else steps
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= total_steps:
        raise InputError(f"fisher_steps must be from 1 to {total_steps}, not {steps!r}")
    rng = stream(seed, "fisher")
    total = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    seen = draw(images, 1, stream(seed, "fisher pictures"))
    for _ in range(samples):
        x, y = next(seen)
        z = model.encode(x)
        t = ((torch.arange(steps) + torch.rand(steps, generator=rng)) * total_steps / steps).long()
        model.zero_grad(set_to_none=True)
        for part in t.clamp(max=total_steps - 1).to(z.device).split(CHUNK):
            rows = z.expand(len(part), *z.shape[1:])
            mean = denoising_loss(model, rows, y.expand(len(part)), rng=rng, t=part)
            (mean * rows.numel() * total_steps / steps).backward()  # gradients add up in .grad
        for n, p in model.named_parameters():
            if p.grad is not None:
                total[n].addcmul_(p.grad, p.grad, value=1 / samples)
    model.zero_grad(set_to_none=True)
    return total
