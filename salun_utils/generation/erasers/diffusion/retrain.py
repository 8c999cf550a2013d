"""A diffusion model that never saw the class: the reference."""

from __future__ import annotations

from dataclasses import replace

from ....errors import InputError
from ....units import numerics
from ...models.diffusion.training import build, preset, train
from ..registry import eraser
from ..run import Job
from .settings import KINDS, of_every_kind


@eraser(
    "retrain",
    kinds=KINDS,
    summary="train a fresh network on the other classes only: the reference",
    paper="the definition of exact unlearning",
    defaults=of_every_kind({"steps": None}),
)
@numerics(1, uses=("generator/ddpm/training",))
def retrain(job: Job, *, steps: int | None):
    """Trained with the original's own recipe (`steps` None) or for fewer steps.

    Does not depart from the definition: other fresh weights, and no picture of the class.
    """
    config = job.original.config
    try:
        _, recipe = preset(config.name)
    except InputError as error:
        raise InputError(
            f"no training recipe is known for {config.name}: train one on the other classes"
            " yourself"
        ) from error
    fresh = build(config, seed=job.seed).to(job.original.device)
    recipe = replace(recipe, steps=steps or recipe.steps)
    trained, info = train(fresh, job.retain, recipe, seed=job.seed)
    job.model = trained.requires_grad_(True)
    return None, {"retain": tuple(loss for _, loss in info["losses"])}
