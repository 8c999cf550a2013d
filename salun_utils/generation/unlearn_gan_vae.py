"""Make a conditional GAN or VAE forget a class. The paper leaves these open; the losses below carry its idea over.

- GAN: the generator's picture of (z, c) is steered to the frozen original's picture of (z, c'), and its pictures of the other classes are
  held to the original's; saliency is the gradient of the adversarial loss of class c under the trained discriminator. No data are needed.
- VAE: the decoder's picture of (z, c), z from the encoder on D_f, is steered to the frozen original's of (z, c'); the evidence lower bound
  on D_r is kept; saliency is the gradient of the bound on D_f.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.images import Dataset, Images
from ..saliency import saliency_scores
from .erasing import Stopwatch, choose_mask, descend, draw, pictures, settings, stream, substitutes, used
from .gan import GAN, GANTraining, train_gan
from .registry import Erased
from .vae import VAE, VAETraining, train_vae

Losses = Callable[[int], dict[str, tuple[float, Tensor]]]


def erase(
    name: str, model: GAN | VAE, *, concept: str | int, seed: int = 0, data: Dataset | Images | None = None, **params: object
) -> Erased:
    """Run one of the GAN and VAE erasers; see `salun_utils.generation.erase`.

    Parameters
    ----------
    data : training pictures, which the VAE and training anew need; those of ``fashion-mini`` when None.
    """
    options = settings(name, model.kind, params)
    label = model.label(concept)
    watch = Stopwatch()
    if name == "retrain":
        forget, retain = pictures(model, label, data)
        erased, mask, losses = _retrain(model, retain, seed, **options)
    else:
        original, erased = copy.deepcopy(model).eval().requires_grad_(False), copy.deepcopy(model).eval()
        erased.requires_grad_(True)
        if isinstance(model, GAN):
            erased.discriminator.requires_grad_(False)
            forget = retain = None
        else:
            forget, retain = (part.to(model.device) for part in pictures(model, label, data))
        mask, losses = _erase(name, original, erased, forget, retain, label, seed, **options)
    return Erased(erased.eval(), watch.seconds, mask, used(name, model.classes[label], seed, options), losses)


def _erase(
    name: str, original, model, forget, retain, label: int, seed: int, *, steps: int, lr: float, alpha: float, batch: int,
    substitute=None, mask="none", keep: float = 1.0,
):  # fmt: skip
    others = substitutes(substitute, label, model.classes)
    mask = choose_mask(mask, model, lambda: saliency(model, label, forget, seed=seed), keep, seed)
    build = _gan_losses if isinstance(model, GAN) else _vae_losses
    losses = build(original, model, forget, retain, label, others, seed, alpha=alpha, batch=batch, ascend=name == "ga")
    return mask, descend(model, losses, steps=steps, lr=lr, mask=mask, clip=1.0)


def saliency(model: GAN | VAE, label: int, forget: Images | None = None, *, seed: int = 0, count: int = 1000) -> dict[str, Tensor]:
    """|gradient| of the class's own training loss: adversarial over `count` codes for a GAN, the evidence bound over D_f for a VAE."""
    rng = stream(seed, "saliency")
    if isinstance(model, GAN):

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for z in model.codes(count, rng).split(100):
                yield z, torch.full((len(z),), label, device=model.device)

        return saliency_scores(model, batches(), loss=lambda net, batch: adversarial_loss(net, *batch))
    return saliency_scores(model, forget.batches(100), loss=lambda net, batch: net.loss(*batch, rng=rng))


def adversarial_loss(model: GAN, z: Tensor, labels: Tensor) -> Tensor:
    """The generator's loss: minus the mean score of its pictures."""
    return -model.discriminator(model.generator(z, labels), labels).mean()


def _gan_losses(original: GAN, model: GAN, _forget, _retain, label: int, others: Tensor, seed: int, *, alpha, batch, ascend) -> Losses:
    rng = stream(seed, "codes")
    kept = torch.tensor([c for c in range(len(model.classes)) if c != label])

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        z, c = model.codes(batch, rng), torch.full((batch,), label, device=model.device)
        parts = {}
        if ascend:
            parts["forget"] = (-1.0, adversarial_loss(model, z, c))
        else:
            target = original.generator(z, others[torch.randint(len(others), (batch,), generator=rng)].to(z.device))
            parts["forget"] = (1.0, F.mse_loss(model.generator(z, c), target))
        if alpha:
            z, y = model.codes(batch, rng), kept[torch.randint(len(kept), (batch,), generator=rng)].to(model.device)
            parts["retain"] = (alpha, F.mse_loss(model.generator(z, y), original.generator(z, y)))
        return parts

    return losses


def _vae_losses(
    original: VAE, model: VAE, forget: Images, retain: Images, label: int, others: Tensor, seed: int, *, alpha, batch, ascend
) -> Losses:
    rng = stream(seed, "codes")
    to_forget, to_retain = draw(forget, batch, stream(seed, "forget")), draw(retain, batch, stream(seed, "retain"))

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        x, c = next(to_forget)
        parts = {}
        if ascend:
            parts["forget"] = (-1.0, model.loss(x, c, rng=rng))
        else:
            mean, log_variance = original.encode(x, c)
            z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=rng).to(x.device)
            target = original.decode(z, others[torch.randint(len(others), (batch,), generator=rng)].to(x.device)).sigmoid()
            parts["forget"] = (1.0, F.mse_loss(model.decode(z, c).sigmoid(), target))
        if alpha:
            parts["retain"] = (alpha, model.loss(*next(to_retain), rng=rng))
        return parts

    return losses


def _retrain(model: GAN | VAE, retain: Images, seed: int, *, steps: int | None):
    """A network that never saw the class, trained for `steps` steps, or the original's recipe when that is None."""
    fresh = type(model)(model.config, seed=seed).to(model.device)
    if isinstance(model, GAN):
        recipe = GANTraining()
        info = train_gan(fresh, retain, replace(recipe, steps=steps or recipe.steps), seed=seed)
    else:
        recipe = VAETraining()
        info = train_vae(fresh, retain, replace(recipe, steps=steps or recipe.steps), seed=seed)
    return fresh, None, {"retain": tuple(row[-1] for row in info["losses"])}
