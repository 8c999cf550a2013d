"""A GAN or VAE that never saw the class: the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ....units import numerics
from ...models.gan import GAN, GANTraining, train_gan
from ...models.vae import VAETraining, train_vae
from ..registry import eraser
from ..run import Job


@eraser(
    "retrain",
    kinds=("gan", "vae"),
    summary="train a fresh network on the other classes only: the reference",
    paper="the definition of exact unlearning",
    defaults={"gan": {"steps": None}, "vae": {"steps": None}},
)
@numerics(1)
def retrain(job: Job, *, steps: int | None):
    """Trained for `steps` steps, or by the original's recipe when that is None.

    Does not depart from the definition: other fresh weights, and no picture of the class.
    """
    original = job.original
    job.model = type(original)(original.config, seed=job.seed).to(original.device)
    train: Callable[..., dict] = train_gan if isinstance(original, GAN) else train_vae
    recipe = GANTraining() if isinstance(original, GAN) else VAETraining()
    recipe = replace(recipe, steps=steps or recipe.steps)
    info = train(job.model, job.retain, recipe, seed=job.seed)
    return None, {"retain": tuple(row[-1] for row in info["losses"])}
