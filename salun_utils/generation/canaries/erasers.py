"""Canaries of the erasers: two steps of each on a tiny generator, and of what they share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...runs.canaries import canary, toy
from ...runs.canaries.figures import change, holds, near, projected, some, state
from .. import erase
from ..erasers import ERASERS, several
from ..erasers.common import choose_mask, descend, pictures
from ..erasers.diffusion import salun as ddpm_salun
from ..erasers.gan_vae import losses as gan_vae_losses
from ..erasers.pipeline import loop, salun, settings
from ..erasers.pipeline.adapters import lowrank
from ..erasers.pipeline.encoded import prepare
from ..erasers.run import Job, trainable
from . import toys

FEW: dict[str, Any] = {
    "steps": 2,
    "epochs": 1,
    "batch": 4,
    "batch_size": 4,
    "pictures": 6,
    "replay": 4,
}
FEW |= {"pictures": 6, "sample_steps": 3, "fisher_samples": 4}
FEW |= {"warmup": 1, "attack_steps": 1, "retain_batch": 2}
LEARNS = {"dit": "ddpm"}  # whose loss, training and saliency it has
FAMILY = {"ddpm": "ddpm", "dit": "dit", "gan": "gan-vae", "vae": "gan-vae", "pipeline": "pipeline"}


def erased(name: str, kind: str) -> dict:
    """Figures of one eraser on one kind of generator."""
    model = toys.MAKE[kind]()
    before, defaults = toys.answers(model), ERASERS[name].defaults
    given = defaults["mini-sd" if kind == "pipeline" else kind]
    few = {k: v for k, v in FEW.items() if k in given}
    # a step far enough to be seen; ten of them leave no network as it was
    few |= {"lr": 1e-3} if "lr" in given else {}
    result = erase(name, model, concept=1, seed=2, data=toy.dataset(), **few)
    losses = result.losses if isinstance(result.losses, dict) else {"loss": result.losses}
    mask = result.mask
    paper = {"defaults of Stable Diffusion": holds(defaults[kind])} if kind == "pipeline" else {}
    return paper | {
        f"{kind}, defaults": holds(given),
        f"{kind}, losses": near([v for part in losses.values() for v in part] or [0.0], 2e-2),
        f"{kind}, mask": "none"
        if mask is None
        else projected({n: mask[n].double() for n in mask}, 2e-3),
        f"{kind}, moved": toys.moved(before, result.model, 2e-2),
    }


def canary_of(name: str, family: str) -> None:
    kinds = [kind for kind in ERASERS[name].kinds if FAMILY[kind] == family]
    touched = [f"generator/{kind}" for kind in kinds] + ["data"]
    touched += ["eraser/pipeline"] if family == "pipeline" else ["eraser/pictures"]
    if name in ("salun", "rl", "erasediff"):
        touched += ["erasing/mask"]
    if name == "salun":
        touched += [f"saliency/{LEARNS.get(family, family)}", "masking"]
    if name == "retrain":
        touched += [f"generator/{LEARNS.get(kind, kind)}/training" for kind in kinds]

    @canary(f"eraser/{family}/{name}", touches=touched)
    def made() -> dict:
        return {k: v for kind in kinds for k, v in erased(name, kind).items()}


for _name, _eraser in ERASERS.items():
    for _family in dict.fromkeys(FAMILY[kind] for kind in _eraser.kinds):
        canary_of(_name, _family)


@canary("erasing", touches=["erasing/mask", "masking", "data"])
def descending() -> dict:
    model, held = toy.network(), toy.network()
    before = state(model)
    x, y = next(iter(toy.pictures(12).batches(12)))

    def losses(net: nn.Module):
        def parts(step: int) -> dict:
            value = nn.functional.cross_entropy(net(x), y)
            return {"up": (-1.0, value), "size": (0.1 * step, net(x).square().mean())}

        return parts

    mask = choose_mask("magnitude", held, dict, 0.5, 0)
    found = descend(model, losses(model), steps=3, lr=0.01, clip=1.0)
    with_mask = descend(held, losses(held), steps=3, lr=0.01, mask=mask, clip=0.2)
    return {
        "losses": near([*found["up"], *found["size"], *with_mask["up"]], 1e-3),
        "moved": change(before, model, 1e-2),
        "under a mask": change(before, held, 1e-2),
    }


@canary("erasing/mask")
def rules() -> dict:
    model = toy.network()
    scores = {n: toy.numbers(*p.shape, seed=6).abs() for n, p in model.named_parameters()}
    found: dict[str, Any] = {}
    for rule in ("saliency", "random", "inverted", "magnitude"):
        mask = some(choose_mask(rule, model, lambda: scores, 0.3, 4))
        found[rule] = [mask.kept, *(int(mask[n].sum()) for n in sorted(mask))]
    return found | {"none": choose_mask("none", model, lambda: scores, 0.3, 4) is None}


@canary("eraser/several", touches=["eraser/pictures", "eraser/gan-vae/ga", "generator/vae", "data"])
def one_after_another() -> dict:
    model = toys.vae()
    result = erase("ga", model, concept=[1, 2], seed=2, data=toy.dataset(), steps=2, lr=1e-3)
    rest = several.without(toy.dataset(), ["Bar 1"])
    return {
        "moved": toys.moved(toys.answers(model), result.model, 2e-2),
        "without": [len(rest.train), len(rest.test), int(rest.train.labels.sum())],
    }


@canary("eraser/pictures", touches=["eraser/gan-vae/ga", "generator/vae"])
def chosen_pictures() -> dict:
    forget, retain = pictures(toys.vae(), 1, toy.dataset())
    result = erase("ga", toys.vae(), concept="Bar 1", seed=2, data=toy.dataset(), steps=1, lr=0.0)
    return {
        "forget": [len(forget), int(forget.labels.unique())],
        "retain": [len(retain), retain.labels.unique().tolist()],
        "parameters": holds(result.params),
        "still": near(toys.answers(result.model) - toys.answers(toys.vae())),
    }


@canary("erasing/gan-vae", touches=["generator/gan", "generator/vae", "eraser/pictures", "data"])
def pulling() -> dict:
    found: dict[str, Any] = {}
    for kind in ("gan", "vae"):
        job = job_of(kind)
        parts = {
            "steering": gan_vae_losses.steering(job, torch.tensor([2]), 4),
            "retaining": gan_vae_losses.retaining(job, 4),
            "own": gan_vae_losses.own_loss(job, 4),
        }
        found |= {
            f"{kind}, {name}": near(float(loss().detach()), 2e-3) for name, loss in parts.items()
        }
    return found


def job_of(kind: str):
    """What an eraser of a picture generator is handed."""
    original = toys.MAKE[kind]().requires_grad_(False)
    return Job(original, trainable(toys.MAKE[kind]()).eval(), 1, 2, toy.dataset())


@canary("saliency/ddpm", touches=["generator/ddpm", "data"])
def ddpm_saliency() -> dict:
    return {"scores": projected(ddpm_salun.saliency(toys.ddpm(), toy.pictures(10), seed=3))}


@canary("saliency/gan-vae", touches=["generator/gan", "generator/vae", "data"])
def gan_vae_saliency() -> dict:
    return {
        kind: projected(
            gan_vae_losses.saliency(job_of(kind).model, 1, toy.pictures(10), seed=3, count=20)
        )
        for kind in ("gan", "vae")
    }


@canary("erasing/pictures", touches=["generator/pipeline"])
def encoded() -> dict:
    study = prepare(toys.pipe(), 1, data=toy.dataset(), pictures=5, seed=3)
    return {
        "latents": projected({"latents": study.latents}),
        "forget": study.forget.tolist(),
        "labels": study.labels.tolist(),
        "text": projected({"text": study.embeddings}),
        "substitutes": list(study.substitutes),
    }


def pipeline_job(**options):
    study = prepare(toys.pipe(), 1, data=toy.dataset(), pictures=5, seed=3)
    own = {"lr": 1e-3, "batch_size": 4, "epochs": 1, "weights": "full", "precision": "float32"}
    return loop.Job.start(toys.pipe(), study, seed=3, **own | options)


@canary("saliency/pipeline", touches=["generator/pipeline", "erasing/pictures"])
def pipeline_saliency() -> dict:
    return {"scores": projected(salun.scores(pipeline_job(), guidance=2.0), 2e-3)}


@canary("erasing/pipeline", touches=["generator/pipeline", "erasing/pictures"])
def stepping() -> dict:
    found: dict[str, Any] = {}
    for weights in settings.WEIGHTS:
        job = pipeline_job(weights=weights)
        before = toys.answers(job.pipe)

        def loss(job, forget, retain, draws):
            x, t, goal = job.noised(torch.cat([forget, retain]), draws)
            text = job.text(job.study.labels[torch.cat([forget, retain])])
            return (job.predict(job.unet, x, t, text, 1.5) - goal).square().mean()

        losses = loop.train(job, loss)
        changed = type(job.pipe)(
            **job.pipe.components | {"unet": job.unet}, requires_safety_checker=False
        )
        found |= {
            f"{weights}, losses": near(losses, 2e-2),
            f"{weights}, moved": toys.moved(before, changed, 2e-2),
        }
    return found


@canary("erasing/low-rank", touches=["generator/pipeline", "erasing/pictures"])
def adapting() -> dict:
    job, draws = pipeline_job(), torch.Generator().manual_seed(0)
    before = toys.answers(job.pipe)
    added = lowrank.adapters(
        job.unet, lambda name: "attn" in name, rank=2, std=lambda n: 1 / n, draws=draws
    )

    def loss():
        x, t, goal = job.noised(job.study.forget, draws)
        told = job.text(job.study.labels[job.study.forget])
        return (job.predict(job.unet, x, t, told) - goal).square().mean()

    options: dict[str, Any] = {"steps": 3, "lr": 1e-2, "precision": "float32", "clip": 1.0}
    losses = lowrank.train(job, added, loss, schedule=lambda step: 1 / (1 + step), **options)
    lowrank.fold(job.unet, added, 0.5)
    changed = type(job.pipe)(
        **job.pipe.components | {"unet": job.unet}, requires_safety_checker=False
    )
    return {"losses": near(losses, 2e-2), "moved": toys.moved(before, changed, 2e-2)}


@canary("eraser/pipeline", touches=["generator/pipeline", "eraser/pipeline/uce"])
def on_a_copy() -> dict:
    pipe = toys.pipe()
    before = state(pipe.unet)
    result = erase("uce", pipe, concept="BAR 1", seed=2, data=toy.dataset(), pictures=3)
    return {
        "one passed in": change(before, pipe.unet),
        "parameters": holds(result.params),
        "another U-Net": result.model.unet is not pipe.unet and result.model.vae is pipe.vae,
    }
