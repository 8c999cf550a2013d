"""SalUn on a text-to-image pipeline (Fan et al., ICLR 2024): steer the concept to another class,
changing the most salient weights only.

    min  E || e_u(x_t | c) - e_o(x_t | c') ||^2  +  alpha * l_MSE(retained pictures)

x_t comes from pictures of the concept, e_o is the frozen original, so the target is a constant; c'
is another class. Departs from the published code, each because it was a fault there: every step
draws new pictures of the whole forget set, each has one latent, and targets come from the original.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ....saliency import SaliencyMask, saliency_scores
from ....seeds import generator
from ....units import numerics
from ..common import choose_mask
from ..registry import eraser
from .loop import Job, train
from .settings import LR, STEER, STEER_SMALL, WEIGHTS, both


@eraser(
    "salun",
    kinds=("pipeline",),
    summary="steer the concept to another class, changing only the most salient weights",
    paper="Fan et al., ICLR 2024",
    defaults=both(STEER, STEER_SMALL),
    search=LR | {"alpha": (0.1, 10.0)},
)
@numerics(1, uses=("eraser/pipeline", "erasing/pipeline"))
def salun(
    job: Job, *, mask: str | SaliencyMask, keep: float, **_: object
) -> tuple[SaliencyMask | None, list[float]]:
    chosen = WEIGHTS[job.options["weights"]]
    named = {n: p for n, p in job.unet.named_parameters() if chosen(n)}
    job.unet.requires_grad_(True)
    for name, p in job.unet.named_parameters():
        p.requires_grad_(name in named)  # a mask is ranked over the weights that may change at all
    found = choose_mask(
        mask, job.unet, lambda: scores(job, guidance=job.options["mask_guidance"]), keep, job.seed
    )
    return found, train(job, loss, mask=found)


def loss(job: Job, forget: Tensor, retain: Tensor, draws: torch.Generator) -> Tensor:
    x, t, _ = job.noised(forget, draws)
    pool = torch.tensor(job.study.substitutes)
    substitute = pool[torch.randint(len(pool), (len(x),), generator=draws)]
    with torch.no_grad():
        target = job.predict(job.frozen, x, t, job.text(substitute))
    steered = mse_loss(
        job.predict(job.unet, x, t, job.text(job.study.labels[forget])).float(), target.float()
    )
    return steered + job.options["alpha"] * denoising(job, retain, draws)


def denoising(job: Job, positions: Tensor, draws: torch.Generator) -> Tensor:
    """l_MSE of pictures at their own prompts."""
    x, t, goal = job.noised(positions, draws)
    return mse_loss(
        job.predict(job.unet, x, t, job.text(job.study.labels[positions])).float(), goal
    )


@numerics(1, "saliency/pipeline", uses=("saliency",))
def scores(job: Job, *, guidance: float = 8.5, batch_size: int | None = None) -> dict[str, Tensor]:
    """Saliency of every trainable weight: |gradient of the mean denoising loss| over the whole
    forget set, in one pass.

    The prediction is the guided one, as the paper's mask for Stable Diffusion has it: (1 + 7.5)
    e(c) - 7.5 e(), a guidance of 8.5 in the convention of diffusers.
    """
    draws = generator(job.seed, "saliency")
    size = batch_size or job.options["batch_size"]

    def batches():
        for positions in job.study.forget.split(size):
            x, t, goal = job.noised(positions, draws)
            yield {"x": x, "t": t, "goal": goal, "label": job.study.labels[positions]}

    def loss(unet, batch) -> Tensor:
        return mse_loss(
            job.predict(unet, batch["x"], batch["t"], job.text(batch["label"]), guidance),
            batch["goal"],
        )

    return saliency_scores(job.unet, batches(), loss=loss)
