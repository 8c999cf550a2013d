"""Erased Stable Diffusion (Gandikota et al., ICCV 2023): no pictures; the model unlearns from what
it draws itself.

    min  || e_u(x_t | c) - [ e_o(x_t) - w (e_o(x_t | c) - e_o(x_t)) ] ||^2

x_t is drawn by the model being changed, from noise down to a random step, under guidance. ESD-x
changes cross-attention only, ESD-u everything else. Departs from the authors: ESD-u changes the
norm layers too, as "everything else" says; ``weights="all-but-cross-attention-and-norms"`` leaves
them out, as the authors' current code does (Linear and Conv2d only).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ....units import numerics
from ...models.text import Text
from ..registry import eraser
from .loop import Job, train
from .settings import LR, SMALL, TRAIN, both

_PAPER = TRAIN | {
    "pictures": 0,
    "steps": 1000,
    "batch_size": 1,
    "guidance": 1.0,
    "start_guidance": 3.0,
    "sample_steps": 50,
}
_SMALL = SMALL | {"pictures": 0, "steps": 60, "batch_size": 8, "sample_steps": 10}
_SPACE = LR | {"guidance": (0.5, 5.0)}


@eraser(
    "esd-u",
    kinds=("pipeline",),
    summary="negative guidance on the model's own drawings, all weights but cross-attention",
    paper="Gandikota et al., ICCV 2023",
    defaults=both(_PAPER | {"weights": "all-but-cross-attention"}, _SMALL),
    search=_SPACE,
)
@eraser(
    "esd-x",
    kinds=("pipeline",),
    summary="negative guidance on the model's own drawings, cross-attention only",
    paper="Gandikota et al., ICCV 2023",
    defaults=both(_PAPER | {"weights": "cross-attention"}, _SMALL | {"lr": 3e-4}),
    search=_SPACE,
)
@numerics(1, uses=("eraser/pipeline", "erasing/pipeline"))
def esd(job: Job, **_: object) -> tuple[None, list[float]]:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler.from_config(job.pipe.scheduler.config)
    scheduler.set_timesteps(job.options["sample_steps"])
    return None, train(job, lambda job, forget, retain, draws: loss(job, scheduler, draws))


def loss(job: Job, scheduler, draws: torch.Generator) -> Tensor:
    text = job.text(torch.full((job.options["batch_size"],), job.study.concept))
    x, t = partly_drawn(job, scheduler, text, draws)
    with torch.no_grad():
        # e(empty) - w (e(c) - e(empty))
        target = job.predict(job.frozen, x, t, text, -job.options["guidance"])
    return mse_loss(job.predict(job.unet, x, t, text).float(), target.float())


@torch.no_grad()
def partly_drawn(job: Job, scheduler, text: Text, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """(x_t, t): noise taken down to a random one of the scheduler's steps by the model being
    changed.
    """
    side = job.unet.config.sample_size
    x = (
        torch.randn(len(text), job.unet.config.in_channels, side, side, generator=draws).to(
            job.device
        )
        * scheduler.init_noise_sigma
    )
    stop = int(torch.randint(len(scheduler.timesteps), (1,), generator=draws))
    for t in scheduler.timesteps[:stop]:
        out = job.predict(job.unet, x, t.to(job.device), text, job.options["start_guidance"])
        x = scheduler.step(out.float(), t, x).prev_sample
    return x, scheduler.timesteps[stop].to(job.device).expand(len(x))
