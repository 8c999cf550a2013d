"""EraseDiff on a text-to-image pipeline (Wu et al., 2024): under the concept's prompt, predict what
the model itself predicts under another class's, as one side of two nested problems; see
`bilevel.py`.

    f = E || e_u(x_t | c) - sg[e_u(x_t | c')] ||^2,   x_t from pictures of the concept

The target is the changing model's own and c' is drawn for each batch, where SalUn's come from the
original. Departs from the authors: K batches and one joint step make a round, where theirs goes
through the whole forget set in each; c' is another class by default, as for the DDPM, where their
script for Stable Diffusion has one fixed prompt.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ....saliency import SaliencyMask
from ....seeds import generator
from ....training import use_bf16
from ....units import numerics
from ..bilevel import bilevel
from ..common import choose_mask
from ..registry import eraser
from .encoded import shuffled_batches
from .loop import Job
from .salun import denoising, scores
from .settings import LR, SMALL, TRAIN, WEIGHTS, both

_PAPER = TRAIN | {
    "substitute": "all",
    "steps": 100,
    "inner_steps": 2,
    "alpha": 0.1,
    "dynamic": False,
    "eta": 0.1,
    "clip": 0.0,
    "mask": "none",
    "keep": 0.5,
    "mask_guidance": 8.5,
}
_SMALL = SMALL | {"steps": 40, "inner_steps": 1, "alpha": 1.0, "lr": 3e-4, "mask_guidance": 7.5}


@eraser(
    "erasediff",
    kinds=("pipeline",),
    summary="predict as under another class's prompt, as one of two nested problems",
    paper="Wu et al., 2024",
    defaults=both(_PAPER, _SMALL),
    search=LR | {"alpha": (0.01, 10.0), "steps": [20, 40, 60, 90]},
)
@numerics(1, uses=("eraser/pipeline",))
def erasediff(
    job: Job,
    *,
    steps: int,
    inner_steps: int,
    lr: float,
    alpha: float,
    dynamic: bool,
    eta: float,
    clip: float,
    mask: str | SaliencyMask,
    keep: float,
    mask_guidance: float,
    weights: str,
    batch_size: int,
    precision: str,
    **_: object,
) -> tuple[SaliencyMask | None, list[float]]:
    for name, p in job.unet.named_parameters():
        p.requires_grad_(WEIGHTS[weights](name))
    held = choose_mask(mask, job.unet, lambda: scores(job, guidance=mask_guidance), keep, job.seed)
    if held is not None:
        for name, p in job.unet.named_parameters():
            p.requires_grad_(name in held)
    draws = generator(job.seed, "erasing")
    own = shuffled_batches(job.study.forget, batch_size, draws=generator(job.seed, "forget order"))
    kept = shuffled_batches(job.study.retain, batch_size, draws=generator(job.seed, "retain order"))
    bf16 = use_bf16(precision, job.device)

    def autocast():
        return torch.autocast(job.device.type, torch.bfloat16, enabled=bf16)

    def forget() -> Tensor:
        with autocast():
            return forgetting(job, next(own), draws)

    def retain() -> Tensor:
        with autocast():
            return denoising(job, next(kept), draws)

    options: dict[str, Any] = {
        "steps": steps,
        "inner_steps": inner_steps,
        "lr": lr,
        "weight": None if dynamic else alpha,
    }
    found = bilevel(job.unet, forget, retain, **options, eta=eta, clip=clip, mask=held)
    weighed = zip(found["forget"], found["retain"], found["weight"], strict=True)
    return held, [r + w * f for f, r, w in weighed]


def forgetting(job: Job, positions: Tensor, draws: torch.Generator) -> Tensor:
    """f of these pictures of the concept, against one class c' that is drawn for all of them."""
    x, t, _ = job.noised(positions, draws)
    pool = torch.tensor(job.study.substitutes)
    other = pool[torch.randint(len(pool), (1,), generator=draws)].expand(len(x))
    with torch.no_grad():
        target = job.predict(job.unet, x, t, job.text(other))
    out = job.predict(job.unet, x, t, job.text(job.study.labels[positions]))
    return mse_loss(out.float(), target.float())
