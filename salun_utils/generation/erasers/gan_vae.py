"""Make a conditional GAN or VAE forget a class. The paper leaves these open; the losses below carry
its idea over.

In both, the picture that a code is for class c is steered to the picture that the frozen original
draws of the same code for c' ≠ c. Only what draws is changed: the generator of the GAN, decoder and
prior of the VAE.

- GAN: pictures of the other classes are held to the original's, so that no data are needed;
  saliency is the gradient of the adversarial loss of class c under the trained discriminator.
- VAE: the evidence lower bound on D_r is kept; saliency is the gradient of the bound on D_f.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data.images import Dataset, Images
from ...saliency import saliency_scores
from ...units import numerics
from ..models.gan import GAN, GANTraining, train_gan
from ..models.vae import VAE, VAETraining, train_vae
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

Losses = Callable[[int], dict[str, tuple[float, Tensor]]]


@numerics(1, "eraser/gan-vae")
def erase(
    name: str,
    model: GAN | VAE,
    *,
    concept: str | int,
    seed: int = 0,
    data: Dataset | Images | None = None,
    **params: object,
) -> Erased:
    """Run one of the GAN and VAE erasers; see `salun_utils.generation.erase`.

    Parameters
    ----------
    data : training pictures, which the VAE and training anew need; those of ``fashion-mini`` when
        None.
    """
    options = settings(name, model.kind, params)
    label = model.label(concept)
    watch = Stopwatch()
    forget = retain = None
    if name == "retrain" or isinstance(model, VAE):
        forget, retain = (part.to(model.device) for part in pictures(model, label, data))
    if name == "retrain":
        erased, mask, losses = _retrain(model, retain, seed, **options)
    else:
        original, erased = (
            copy.deepcopy(model).eval().requires_grad_(False),
            copy.deepcopy(model).freeze().eval(),
        )
        mask, losses = _erase(name, original, erased, forget, retain, label, seed, **options)
    return Erased(
        erased.eval(), watch.seconds, mask, used(name, model.classes[label], seed, options), losses
    )


@numerics(1, "eraser/gan-vae/steer")
def _erase(
    name: str,
    original,
    model,
    forget,
    retain,
    label: int,
    seed: int,
    *,
    steps: int,
    lr: float,
    alpha: float,
    batch: int,
    substitute=None,
    mask="none",
    keep: float = 1.0,
):
    others = substitutes(substitute, label, model.classes)
    mask = choose_mask(mask, model, lambda: saliency(model, label, forget, seed=seed), keep, seed)
    to_forget = (
        _own_loss(model, forget, label, batch, seed)
        if name == "ga"
        else _steering(original, model, label, others, batch, seed)
    )
    to_retain = (
        _bound_on(model, retain, batch, seed)
        if isinstance(model, VAE)
        else _imitation(original, model, label, batch, seed)
    )
    sign = -1.0 if name == "ga" else 1.0

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        parts = {"forget": (sign, to_forget())}
        return parts | {"retain": (alpha, to_retain())} if alpha else parts

    return mask, descend(model, losses, steps=steps, lr=lr, mask=mask, clip=1.0)


@numerics(1, "saliency/gan-vae", uses=("saliency",))
def saliency(
    model: GAN | VAE, label: int, forget: Images | None = None, *, seed: int = 0, count: int = 1000
) -> dict[str, Tensor]:
    """|gradient| of the class's own training loss: adversarial over `count` codes for a GAN, the
    evidence bound over D_f for a VAE.
    """
    rng = stream(seed, "saliency")
    if isinstance(model, GAN):

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for z in model.codes(count, rng).split(100):
                yield z, torch.full((len(z),), label, device=model.device)

        return saliency_scores(
            model, batches(), loss=lambda net, batch: adversarial_loss(net, *batch)
        )
    return saliency_scores(
        model, forget.batches(100), loss=lambda net, batch: net.loss(*batch, rng=rng)
    )


def adversarial_loss(model: GAN, z: Tensor, labels: Tensor) -> Tensor:
    """The generator's loss: minus the mean score of its pictures."""
    return -model.discriminator(model.generator(z, labels), labels).mean()


def distance(model: GAN | VAE, target: Tensor, drawn: Tensor) -> Tensor:
    """How far drawn pictures are from their targets: mean squared error a pixel in a GAN, -log
    p(target | code) in a VAE, nats a pixel.
    """
    return F.mse_loss(drawn, target) if isinstance(model, GAN) else model.surprise(target, drawn)


def _steering(
    original, model, label: int, others: Tensor, batch: int, seed: int
) -> Callable[[], Tensor]:
    """E ‖G_θ(code, c) - G_θo(code, c')‖, c' drawn from `others`."""
    rng = stream(seed, "forget codes")

    def loss() -> Tensor:
        codes = model.codes(batch, rng)
        substitute = others[torch.randint(len(others), (batch,), generator=rng)].to(codes.device)
        return distance(
            model,
            original.draw(codes, substitute),
            model.draw(codes, torch.full_like(substitute, label)),
        )

    return loss


def _imitation(original, model, label: int, batch: int, seed: int) -> Callable[[], Tensor]:
    """E ‖G_θ(code, y) - G_θo(code, y)‖ over the classes y that are kept."""
    rng, kept = (
        stream(seed, "retain codes"),
        torch.tensor([c for c in range(len(model.classes)) if c != label]),
    )

    def loss() -> Tensor:
        codes, y = (
            model.codes(batch, rng),
            kept[torch.randint(len(kept), (batch,), generator=rng)].to(model.device),
        )
        return distance(model, original.draw(codes, y), model.draw(codes, y))

    return loss


def _bound_on(model: VAE, images: Images, batch: int, seed: int) -> Callable[[], Tensor]:
    """The negative evidence lower bound on labelled pictures."""
    rng, batches = stream(seed, "retain codes"), draw(images, batch, stream(seed, "retain"))
    return lambda: model.loss(*next(batches), rng=rng)


def _own_loss(
    model: GAN | VAE, forget: Images | None, label: int, batch: int, seed: int
) -> Callable[[], Tensor]:
    """The class's own training loss, which gradient ascent raises."""
    rng = stream(seed, "forget codes")
    if isinstance(model, GAN):
        return lambda: adversarial_loss(
            model, model.codes(batch, rng), torch.full((batch,), label, device=model.device)
        )
    batches = draw(forget, batch, stream(seed, "forget"))
    return lambda: model.loss(*next(batches), rng=rng)


@numerics(1, "eraser/gan-vae/retrain")
def _retrain(model: GAN | VAE, retain: Images, seed: int, *, steps: int | None):
    """A network that never saw the class, trained for `steps` steps, or the original's recipe when
    that is None.
    """
    fresh = type(model)(model.config, seed=seed).to(model.device)
    if isinstance(model, GAN):
        recipe = GANTraining()
        info = train_gan(fresh, retain, replace(recipe, steps=steps or recipe.steps), seed=seed)
    else:
        recipe = VAETraining()
        info = train_vae(fresh, retain, replace(recipe, steps=steps or recipe.steps), seed=seed)
    return fresh, None, {"retain": tuple(row[-1] for row in info["losses"])}
