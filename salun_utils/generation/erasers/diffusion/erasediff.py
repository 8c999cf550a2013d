"""EraseDiff on a diffusion model (Wu et al., 2024): under the concept's label, predict what the
model itself predicts under another, as one side of two nested problems; see `bilevel.py`.

    f = E‖ε_θ(x_t | c) - sg[ε_θ(x_t | c')]‖²

Departs from the authors: K batches and one joint step make a round, where theirs goes through the
whole forget set in each; no average of the weights is kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ....saliency import SaliencyMask
from ....units import numerics
from ...models.diffusion.training import autocast, best_precision, denoising_loss
from ..bilevel import bilevel
from ..common import SPACE, choose_mask, draw, stream, substitutes
from ..registry import eraser
from ..run import Job
from .salun import saliency
from .settings import KINDS, TRAIN, of_every_kind


@eraser(
    "erasediff",
    kinds=KINDS,
    summary="predict as under another class's label, as one of two nested problems",
    paper="Wu et al., 2024",
    defaults=of_every_kind(
        {k: v for k, v in TRAIN.items() if k != "label_dropout"}
        | {
            "inner_steps": 2,
            "alpha": 0.1,
            "dynamic": False,
            "eta": 0.1,
            "substitute": "all",
            "mask": "none",
            "keep": 0.5,
        }
    ),
    search=SPACE | {"alpha": (0.01, 10.0)},
)
@numerics(1, uses=("erasing", "generator/ddpm/loss"))
def erasediff(
    job: Job,
    *,
    steps: int,
    inner_steps: int,
    lr: float,
    alpha: float,
    dynamic: bool,
    eta: float,
    batch: int,
    clip: float,
    substitute,
    mask: str | SaliencyMask,
    keep: float,
):
    model, seed, classes = job.model, job.seed, job.model.classes
    every = [c for i, c in enumerate(classes) if i != job.label]
    others = substitutes(every if substitute == "all" else substitute, job.label, classes)
    held = choose_mask(mask, model, lambda: saliency(model, job.forget, seed=seed), keep, seed)
    rng, precision = stream(seed, "noise"), best_precision(model.device)
    to_forget = draw(job.forget, batch, stream(seed, "forget"))
    to_retain = draw(job.retain, batch, stream(seed, "retain"))

    def forget() -> Tensor:
        x, c = next(to_forget)
        z = model.encode(x)
        t = torch.randint(model.config.timesteps, (len(z),), generator=rng).to(z.device)
        z_t = model.noised(z, torch.randn(z.shape, generator=rng).to(z.device), t)
        other = others[torch.randint(len(others), (1,), generator=rng)].to(z.device).expand(len(z))
        with autocast(z.device, precision):
            with torch.no_grad():
                target = model(z_t, t, other).float()
            return (model(z_t, t, c).float() - target).square().mean()

    def retain() -> Tensor:
        x, y = next(to_retain)
        return denoising_loss(model, model.encode(x), y, rng=rng, precision=precision)

    options: dict[str, Any] = {
        "steps": steps,
        "inner_steps": inner_steps,
        "lr": lr,
        "weight": None if dynamic else alpha,
        "eta": eta,
    }
    return held, bilevel(model, forget, retain, **options, clip=clip, mask=held)
