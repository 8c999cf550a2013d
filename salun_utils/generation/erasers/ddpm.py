"""Make a conditional diffusion model forget a class: SalUn, its controls, gradient ascent,
Selective Amnesia, and training anew.

Every method works on a copy; targets and samples come from the original, frozen and in evaluation
mode.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ...data.images import Dataset, Images
from ...errors import InputError
from ...saliency import saliency_scores
from ...seeds import derive
from ...units import numerics
from ..models.ddpm import DDPM
from ..models.ddpm_training import autocast, best_precision, denoising_loss, preset, train
from .common import (
    Stopwatch,
    choose_mask,
    descend,
    draw,
    pictures,
    settings,
    stream,
    substitutes,
    used,
)
from .registry import Erased


def erase(
    name: str,
    model: DDPM,
    *,
    concept: str | int,
    seed: int = 0,
    data: Dataset | Images | None = None,
    **params: object,
) -> Erased:
    """Run one of the DDPM erasers; see `salun_utils.generation.erase`.

    Parameters
    ----------
    data : the training pictures; those of ``fashion-mini`` when None.
    """
    options = settings(name, "ddpm", params)
    label = model.label(concept)
    forget, retain = (part.to(model.device) for part in pictures(model, label, data))
    watch = Stopwatch()
    original = copy.deepcopy(model).eval().requires_grad_(False)
    erased = copy.deepcopy(model).eval().requires_grad_(True)
    method = {"ga": _ascend, "selective-amnesia": _selective_amnesia, "retrain": _retrain}.get(
        name, _salun
    )
    erased, mask, losses = method(original, erased, forget, retain, label, seed, **options)
    return Erased(
        erased.eval(), watch.seconds, mask, used(name, model.classes[label], seed, options), losses
    )


@numerics(1, "saliency/ddpm", uses=("saliency", "generator/ddpm/loss"))
def saliency(
    model: DDPM, forget: Images, *, seed: int = 0, batch_size: int = 100, draws: int = 1
) -> dict[str, Tensor]:
    """|gradient| of the mean denoising loss over the forget set, at the model's own labels.

    One gradient is summed over the whole set and never clipped; the model is in evaluation mode (no
    dropout).

    Parameters
    ----------
    draws : (step, noise) pairs drawn for each picture.
    """
    rng = stream(seed, "saliency")

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(draws):
            yield from forget.batches(batch_size)

    def loss(network: DDPM, batch: tuple[Tensor, Tensor]) -> Tensor:
        return denoising_loss(network, network.encode(batch[0]), batch[1], rng=rng)

    return saliency_scores(model, batches(), loss=loss)


@numerics(1, "eraser/ddpm/salun", uses=("erasing", "erasing/mask", "generator/ddpm/loss"))
def _salun(
    original: DDPM,
    model: DDPM,
    forget: Images,
    retain: Images,
    label: int,
    seed: int,
    *,
    steps: int,
    lr: float,
    alpha: float,
    batch: int,
    clip: float,
    label_dropout: float,
    substitute,
    mask: str = "none",
    keep: float = 1.0,
):
    """ℓ = E‖ε_θ(x_t | c) - ε_θo(x_t | c')‖² + α · the denoising loss on the other classes, both
    per-pixel means.
    """
    others = substitutes(substitute, label, model.classes)
    mask = choose_mask(mask, model, lambda: saliency(model, forget, seed=seed), keep, seed)
    rng, precision = stream(seed, "noise"), best_precision(model.device)
    to_forget, to_retain = (
        draw(forget, batch, stream(seed, "forget")),
        draw(retain, batch, stream(seed, "retain")),
    )

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
                target = original(z_t[:half], t[:half], c_other).float()
            out = model(z_t, t, torch.cat([c, y_r]))
        retained = (out[half:].float() - model.target(z, noise, t)[half:]).square().mean()
        return {
            "forget": (1.0, (out[:half].float() - target).square().mean()),
            "retain": (alpha, retained),
        }

    return model, mask, descend(model, losses, steps=steps, lr=lr, mask=mask, clip=clip)


@numerics(1, "eraser/ddpm/ga", uses=("erasing", "generator/ddpm/loss"))
def _ascend(
    original: DDPM,
    model: DDPM,
    forget: Images,
    retain: Images,
    label: int,
    seed: int,
    *,
    steps: int,
    lr: float,
    alpha: float,
    batch: int,
    clip: float,
    label_dropout: float,
):
    """Gradient ascent on the denoising loss of the class; α > 0 adds descent on the others."""
    rng, precision = stream(seed, "noise"), best_precision(model.device)
    to_forget, to_retain = (
        draw(forget, batch, stream(seed, "forget")),
        draw(retain, batch, stream(seed, "retain")),
    )

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        x, c = next(to_forget)
        parts = {
            "forget": (
                -1.0,
                denoising_loss(model, model.encode(x), c, rng=rng, precision=precision),
            )
        }
        if alpha:
            x, y = next(to_retain)
            y = drop_labels(y, model.config.null, label_dropout, rng)
            parts["retain"] = (
                alpha,
                denoising_loss(model, model.encode(x), y, rng=rng, precision=precision),
            )
        return parts

    return model, None, descend(model, losses, steps=steps, lr=lr, clip=clip)


@numerics(1, "eraser/ddpm/selective-amnesia", uses=("erasing", "generator/ddpm/loss"))
def _selective_amnesia(
    original: DDPM,
    model: DDPM,
    forget: Images,
    retain: Images,
    label: int,
    seed: int,
    *,
    steps: int,
    lr: float,
    batch: int,
    clip: float,
    fisher_weight: float,
    fisher_samples: int,
    replay: int,
    replay_weight: float,
):
    """Heng and Soh (2023): the class's label is taught to give uniform noise; the original's own
    samples of the other classes are
    replayed, and each weight is tied to its old value in proportion to its Fisher information."""
    others = torch.tensor([c for c in range(len(model.classes)) if c != label])
    labels = others[torch.arange(replay) % len(others)]
    replayed = Images(
        original.sample(labels, guidance=0.0, seed=derive(seed, "erasing: replay")).to(
            model.device
        ),
        labels.to(model.device),
    )
    fisher = fisher_information(model, replayed, samples=fisher_samples, seed=seed)
    anchors = {n: p.detach().clone() for n, p in model.named_parameters()}
    rng, precision = stream(seed, "noise"), best_precision(model.device)
    to_retain = draw(replayed, batch, stream(seed, "retain"))

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        x, y = next(to_retain)
        surrogate = torch.rand(x.shape, generator=rng).to(x.device)
        tie = sum(
            (fisher[n] * (p - anchors[n]).square()).sum() for n, p in model.named_parameters()
        )
        return {
            "forget": (
                1.0,
                denoising_loss(
                    model,
                    model.encode(surrogate),
                    torch.full_like(y, label),
                    rng=rng,
                    precision=precision,
                ),
            ),
            "retain": (
                replay_weight,
                denoising_loss(model, model.encode(x), y, rng=rng, precision=precision),
            ),
            "fisher": (fisher_weight, tie),
        }

    return model, None, descend(model, losses, steps=steps, lr=lr, clip=clip)


def fisher_information(
    model: DDPM, images: Images, *, samples: int, seed: int = 0
) -> dict[str, Tensor]:
    """Diagonal Fisher information: the mean squared gradient of the denoising loss, one picture at
    a time.
    """
    rng = stream(seed, "fisher")
    total = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    seen = draw(images, 1, stream(seed, "fisher pictures"))
    for _ in range(samples):
        x, y = next(seen)
        model.zero_grad(set_to_none=True)
        denoising_loss(model, model.encode(x), y, rng=rng).backward()
        for n, p in model.named_parameters():
            if p.grad is not None:
                total[n].addcmul_(p.grad, p.grad, value=1 / samples)
    model.zero_grad(set_to_none=True)
    return total


@numerics(1, "eraser/ddpm/retrain", uses=("generator/ddpm/training",))
def _retrain(
    original: DDPM,
    model: DDPM,
    forget: Images,
    retain: Images,
    label: int,
    seed: int,
    *,
    steps: int | None,
):
    """A network that never saw the class, trained with the original's own recipe (`steps` None) or
    for fewer steps.
    """
    try:
        _, recipe = preset(model.config.name)
    except InputError as error:
        raise InputError(
            f"no training recipe is known for {model.config.name}: train a DDPM on the other"
            " classes yourself"
        ) from error
    fresh = DDPM(model.config, seed=seed).to(model.device)
    trained, info = train(fresh, retain, replace(recipe, steps=steps or recipe.steps), seed=seed)
    return trained.requires_grad_(True), None, {"retain": tuple(loss for _, loss in info["losses"])}


def drop_labels(labels: Tensor, null: int, share: float, rng: torch.Generator) -> Tensor:
    """Replace a random share of the labels by "no class", so that the unconditional half of the
    guidance is retained too.
    """
    dropped = (torch.rand(len(labels), generator=rng) < share).to(labels.device)
    return torch.where(dropped, torch.full_like(labels, null), labels)
