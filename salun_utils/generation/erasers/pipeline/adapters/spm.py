"""SPM, the concept's semi-permeable membrane (Lyu et al., CVPR 2024): adapters of rank 1 beside all
layers of the U-Net's transformers, whose own weights stay.

    min  || e_m(x_t | c) - [ e_o(x_t | s) - w (e_o(x_t | c) - e_o(x_t | s)) ] ||^2
         + r || e_m(x_t | a) - e_o(x_t | a) ||^2

s is the surrogate, no prompt unless a substitute is named; x_t is drawn under guidance by the
model with its adapters, at a random step. a are anchors, drawn the more often the farther they are
from c, with weight 1 - cos(a, c): ``anchors="vectors"`` takes random ones of about c's length, as
the authors' code does, ``"prompts"`` those of the other classes and no prompt.

Departs from the authors: at the end the adapters are folded into the weights, times ``strength``,
for a pipeline that plain diffusers loads. Theirs stay outside, and act the more in a prompt the
nearer it is to c; weights can't tell prompts apart. No adapter is kept: that of a layer is its
difference from the original, which has rank 1. AdamW has all its bits, and all pictures one size.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss

from .....seeds import generator
from .....units import numerics
from ....models.text import Text
from ...registry import eraser
from ..esd import partly_drawn
from ..loop import Job
from ..settings import DATA, both
from . import lowrank

_PAPER = DATA | {
    "pictures": 0,
    "steps": 3000,
    "lr": 1e-4,
    "batch_size": 1,
    "warmup": 500,
    "cycles": 3,
    "rank": 1,
    "retain_batch": 4,
    "retain_weight": 1000.0,
    "anchors": "vectors",
    "guidance": 1.0,
    "start_guidance": 3.0,
    "sample_steps": 30,
    "strength": 1.0,
    "precision": "auto",
}
# ours: fewer steps, and prompts as anchors, since those to be kept are known
_SMALL = {
    "steps": 60,
    "lr": 1e-2,
    "batch_size": 4,
    "warmup": 10,
    "cycles": 1,
    "retain_weight": 30.0,
    "anchors": "prompts",
    "sample_steps": 10,
}


@eraser(
    "spm",
    kinds=("pipeline",),
    summary="rank-1 adapters that answer the concept as its surrogate, anchored elsewhere",
    paper="Lyu et al., CVPR 2024",
    defaults=both(_PAPER, _SMALL),
    search={"lr": (1e-5, 1e-1), "retain_weight": (0.1, 1e4), "guidance": (0.5, 5.0)},
)
@numerics(1, uses=("eraser/pipeline", "erasing/low-rank"))
def spm(
    job: Job,
    *,
    steps: int,
    lr: float,
    warmup: int,
    cycles: int,
    rank: int,
    strength: float,
    precision: str,
    **_: object,
) -> tuple[None, list[float]]:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler.from_config(job.pipe.scheduler.config)
    scheduler.set_timesteps(job.options["sample_steps"])
    draws = generator(job.seed, "erasing")
    # the deviation of the uniform numbers, up to 1 / sqrt(inputs), that theirs begin with
    added = lowrank.adapters(
        job.unet,
        layers(job.unet).__contains__,
        rank=rank,
        std=lambda n: (3 * n) ** -0.5,
        draws=draws,
    )
    losses = lowrank.train(
        job,
        added,
        functools.partial(loss, job, scheduler, draws),
        steps=steps,
        lr=lr,
        precision=precision,
        schedule=lambda step: share(step, steps, warmup, cycles),
    )
    lowrank.fold(job.unet, added, strength)
    return None, losses


def layers(unet) -> set[str]:
    """Names of what lies inside the U-Net's transformers."""
    from diffusers import Transformer2DModel

    blocks = [n for n, m in unet.named_modules() if isinstance(m, Transformer2DModel)]
    return {n for n, _ in unet.named_modules() if any(n.startswith(f"{b}.") for b in blocks)}


def share(step: int, steps: int, warmup: int, cycles: int) -> float:
    """Of the rate: up to all of it over the warm-up, then down on half a cosine, `cycles` times."""
    if step < warmup:
        return step / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * (cycles * done % 1))) if done < 1 else 0.0


def loss(job: Job, scheduler, draws: torch.Generator) -> Tensor:
    study, count, kept = job.study, job.options["batch_size"], job.options["retain_batch"]
    concept = job.text(torch.full((count,), study.concept))
    x, t = partly_drawn(job, scheduler, concept, draws)
    anchors, rows = anchored(job, kept, draws), torch.arange(kept) % count
    with torch.no_grad():
        called = job.predict(job.frozen, x, t, concept).float()
        surrogate = job.predict(job.frozen, x, t, surrogate_of(job).expand(count)).float()
        away = surrogate - job.options["guidance"] * (called - surrogate)
        before = job.predict(job.frozen, x[rows], t[rows], anchors).float()
    erased = mse_loss(job.predict(job.unet, x, t, concept).float(), away)
    now = job.predict(job.unet, x[rows], t[rows], anchors).float()
    return erased + job.options["retain_weight"] * mse_loss(now, before)


def surrogate_of(job: Job) -> Text:
    """No prompt, or that of the substitute where one was named."""
    if job.options.get("substitute") in (None, "all"):
        return job.study.empty
    return job.study.text[job.study.substitutes[:1]]


def anchored(job: Job, count: int, draws: torch.Generator) -> Text:
    """`count` anchors."""
    concept = job.study.text[job.study.concept : job.study.concept + 1]
    if job.options["anchors"] == "vectors":
        words = torch.cat([far_vector(concept.words, draws) for _ in range(count)])
        pooled = concept.pooled
        if pooled is not None:
            pooled = torch.cat([far_vector(pooled, draws) for _ in range(count)])
        return Text(words, pooled, concept.expand(count).sizes)
    others = [i for i in range(len(job.study.prompts)) if i != job.study.concept]
    kept = Text.cat([job.study.text[others], job.study.empty])
    return kept[torch.multinomial(farness(kept, concept), count, replacement=True, generator=draws)]


def farness(kept: Text, concept: Text) -> Tensor:
    """1 - cos of each prompt (N) to that of the concept, over all its vectors."""
    near = cosine_similarity(kept.words.flatten(1).double(), concept.words.flatten(1).double())
    return (1 - near).clamp(min=0).cpu()


def far_vector(x: Tensor, draws: torch.Generator) -> Tensor:
    """Random numbers in the shape of `x`, of 0.8 to 1.2 times its length; a draw is accepted with
    probability 1 - cos to `x`, and always where that is more than 1.
    """
    flat = x.detach().float().cpu().flatten()
    while True:
        z = torch.randn(flat.shape, generator=draws)
        near = cosine_similarity(z, flat, dim=0)
        if torch.rand((), generator=draws) < 1 - near:
            break
    length = (0.8 + 0.4 * torch.rand((), generator=draws)) * flat.norm()
    return (length * z / z.norm()).view(x.shape).to(x)
