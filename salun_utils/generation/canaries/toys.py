"""Generators that are small, and the same everywhere."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch
from torch import Tensor

from ...runs.canaries import toy
from ...runs.canaries.figures import Near, projected
from ..models import mini_sd, pipelines
from ..models.diffusion.ddpm import DDPM, DDPMConfig
from ..models.diffusion.dit import DiT, DiTConfig
from ..models.gan import GAN, GANConfig
from ..models.judges import Judge
from ..models.vae import VAE, VAEConfig

CLASSES = tuple(toy.dataset().classes)
IMAGE = (1, toy.SIDE, toy.SIDE)
DRAWN = 5e-3  # of pictures of 8 bits, some of which are rounded the other way


def ddpm() -> DDPM:
    """A DDPM; its name is that of one with a recipe, which training anew needs."""
    config = DDPMConfig("ddpm-fashion", CLASSES, IMAGE, size=8, widths=(8, 16), groups=4, head=8)
    return DDPM(config, seed=1).eval()


def dit() -> DiT:
    """A DiT, whose blocks begin with random weights too: at nothing, most of it would not count."""
    config = DiTConfig("dit-fashion", CLASSES, IMAGE, size=8, patch=4, width=16, heads=2, layers=2)
    model = DiT(config, seed=1).eval()
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            if not p.any():
                p.copy_(0.1 * torch.randn(p.shape, generator=draws))
    return model


def gan() -> GAN:
    """A GAN."""
    return GAN(
        GANConfig("gan-toy", CLASSES, IMAGE, widths=(8, 8), latent=6, embedding=6), seed=1
    ).eval()


def vae() -> VAE:
    """A VAE."""
    return VAE(
        VAEConfig("vae-toy", CLASSES, IMAGE, hidden=(16,), latent=3, components=4), seed=1
    ).eval()


@functools.cache
def _pipe() -> Any:
    return mini_sd.build(CLASSES, widths=(16, 32), vae_widths=(8, 16, 16), text_width=32, seed=1)


def pipe() -> Any:
    """A text-to-image pipeline, with a U-Net of its own."""
    made = _pipe()
    own = type(made)(
        **made.components | {"unet": copy.deepcopy(made.unet)}, requires_safety_checker=False
    )
    own.set_progress_bar_config(disable=True)
    return own


MAKE = {"ddpm": ddpm, "dit": dit, "gan": gan, "vae": vae, "pipeline": pipe}


def judge(side: int = toy.SIDE) -> Judge:
    """A judge with the weights of `toy.network`."""
    model: Any = toy.network()
    model.recipe = {"channels": 1, "image_size": side}
    return Judge(model, CLASSES, name="toy", accuracy=50.0)


@torch.no_grad()
def answers(model: Any) -> Tensor:
    """What the network that erasers change answers to fixed questions: outputs, since some weights
    have no say in them and would move by rounding alone.
    """
    labels, draws = torch.arange(6) % 3, torch.Generator().manual_seed(0)
    kind = getattr(model, "kind", "pipeline")
    if kind in ("gan", "vae"):
        return model.draw(model.codes(6, draws), labels).float()
    if kind in ("ddpm", "dit"):
        return model(toy.numbers(6, *model.latent_shape), torch.arange(6) * 150, labels).float()
    text = pipelines.encode(model, [f"a photo of a {CLASSES[i]}" for i in labels])
    return model.unet(toy.numbers(6, 4, 8, 8), torch.arange(6) * 150, text).sample.float()


def moved(before: Tensor, model: Any, within: float = 1e-2) -> Near:
    """How far the answers have moved."""
    return projected({"answers": answers(model) - before}, within)


def seen(pixels: Tensor) -> Near:
    """What tells drawings from others."""
    return projected({"pixels": pixels.float() - 128}, DRAWN)
