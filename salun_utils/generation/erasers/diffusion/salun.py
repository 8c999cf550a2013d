"""SalUn on a diffusion model (Fan et al., ICLR 2024): under the concept's label, draw what the
frozen original draws under another, changing only the most salient weights.

    ℓ = E‖ε_θ(x_t | c) - ε_θo(x_t | c')‖² + α · the denoising loss on the other classes

Both are means over pixels. Departs from the published code: it sums over pixels, so that its α of
1e-3 is about 3 here; its target comes from the network that is being changed, with dropout on,
which moves with what it should steer; and it clips each batch's gradient before the saliency is
summed, which weighs pictures by chance. c' is drawn from all other classes, theirs is the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ....data.images import Images
from ....saliency import SaliencyMask, saliency_scores
from ....units import numerics
from ...models.diffusion.model import Diffusion
from ...models.diffusion.training import autocast, best_precision, denoising_loss
from ..common import SPACE, choose_mask, descend, draw, stream, substitutes
from ..registry import eraser
from ..run import Job
from .settings import KINDS, STEER, of_every_kind


@eraser(
    "salun",
    kinds=KINDS,
    summary="steer the concept to another class, changing only the most salient weights",
    paper="Fan et al., ICLR 2024",
    defaults=of_every_kind(STEER),
    search=SPACE,
)
@numerics(1, uses=("erasing",))
def salun(
    job: Job,
    *,
    steps: int,
    lr: float,
    alpha: float,
    batch: int,
    clip: float,
    label_dropout: float,
    substitute,
    mask: str | SaliencyMask,
    keep: float,
):
    model, seed = job.model, job.seed
    others = substitutes(substitute, job.label, model.classes)
    held = choose_mask(mask, model, lambda: saliency(model, job.forget, seed=seed), keep, seed)
    rng, precision = stream(seed, "noise"), best_precision(model.device)
    to_forget = draw(job.forget, batch, stream(seed, "forget"))
    to_retain = draw(job.retain, batch, stream(seed, "retain"))

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        (x_f, c), (x_r, y_r) = next(to_forget), next(to_retain)
        c_other = others[torch.randint(len(others), (len(c),), generator=rng)].to(c.device)
        y_r = drop_labels(y_r, model.config.null, label_dropout, rng)
        z = model.encode(torch.cat([x_f, x_r]))
        t = torch.randint(model.config.timesteps, (len(z),), generator=rng).to(z.device)
        noise = torch.randn(z.shape, generator=rng).to(z.device)
        z_t, half = model.noised(z, noise, t), len(x_f)
        with autocast(z.device, precision):
            with torch.no_grad():
                target = job.original(z_t[:half], t[:half], c_other).float()
            out = model(z_t, t, torch.cat([c, y_r]))
        retained = (out[half:].float() - model.target(z, noise, t)[half:]).square().mean()
        return {
            "forget": (1.0, (out[:half].float() - target).square().mean()),
            "retain": (alpha, retained),
        }

    options: dict[str, Any] = {"steps": steps, "lr": lr, "clip": clip}
    return held, descend(model, losses, mask=held, beside=[job.original], **options)


@numerics(1, "saliency/ddpm", uses=("saliency", "generator/ddpm/loss"))
def saliency(
    model: Diffusion, forget: Images, *, seed: int = 0, batch_size: int = 100, draws: int = 1
) -> dict[str, Tensor]:
    """|gradient| of the mean denoising loss over the forget set, at the model's own labels.

    One gradient is summed over the whole set and never clipped; the model is in evaluation mode (no
    dropout).

    Parameters
    ----------
    draws : (step, noise) pairs drawn for each picture.
    """
    rng = stream(seed, "saliency")

    def batches() -> Iterator[tuple[Tensor, ...]]:
        for _ in range(draws):
            yield from forget.batches(batch_size)

    def loss(network: Diffusion, batch: tuple[Tensor, ...]) -> Tensor:
        return denoising_loss(network, network.encode(batch[0]), batch[1], rng=rng)

    return saliency_scores(model, batches(), loss=loss)


def drop_labels(labels: Tensor, null: int, share: float, rng: torch.Generator) -> Tensor:
    """Replace a random share of the labels by "no class", so that the unconditional half of the
    guidance is retained too.
    """
    dropped = (torch.rand(len(labels), generator=rng) < share).to(labels.device)
    return torch.where(dropped, torch.full_like(labels, null), labels)
