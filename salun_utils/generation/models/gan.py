"""A small conditional generative adversarial network: hinge loss, spectral normalisation and a
projection discriminator
(Miyato et al., 2018; Miyato and Koyama, 2018), the generator averaged over its steps."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ...seeds import generator
from ...units import numerics
from .. import checkpoints
from ..files import (
    Labelled,
    checked_labels,
    from_dict,
    load_weights,
    read_config,
    seeded_weights,
)


@dataclass(frozen=True)
class GANConfig:
    """The network: class names, (channels, height, width) of a picture with sides divisible by 4,
    channels at a quarter and at half of the
    resolution, numbers in a code z and in a class's embedding."""

    name: str
    classes: tuple[str, ...]
    image: tuple[int, int, int] = (1, 28, 28)
    widths: tuple[int, int] = (64, 32)
    latent: int = 64
    embedding: int = 64


@dataclass(frozen=True)
class GANTraining:
    """How it is trained: `steps` of `batch` pictures, one step of each network, Adam with β = (0.5,
    0.99), rates falling to a tenth.
    """

    steps: int = 6000
    batch: int = 64
    lr: float = 4e-4
    ema: float = 0.998


class Generator(nn.Module):
    """Codes z (B, latent) and labels (B,) to pictures (B, C, H, W) in [-1, 1]; both scale and shift
    every stage.
    """

    def __init__(self, config: GANConfig):
        super().__init__()
        a, b = config.widths
        self.grid = (a, config.image[1] // 4, config.image[2] // 4)
        self.embed = nn.Embedding(len(config.classes), config.embedding)
        inputs = config.latent + config.embedding
        self.first = nn.Linear(inputs, a * self.grid[1] * self.grid[2])
        self.up = nn.Conv2d(a, 4 * b, 3, padding=1)
        self.refine = nn.Conv2d(b, b, 3, padding=1)
        self.last = nn.Conv2d(b, 4 * config.image[0], 3, padding=1)
        self.styles = nn.ModuleList([nn.Linear(inputs, 2 * w) for w in (a, b, b)])

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        code = torch.cat([z, self.embed(labels)], 1)
        x = self._styled(self.first(code).view(len(z), *self.grid), code, 0)  # (B, a, H/4, W/4)
        x = self._styled(F.pixel_shuffle(self.up(x), 2), code, 1)  # (B, b, H/2, W/2)
        x = self._styled(self.refine(x), code, 2)
        return F.pixel_shuffle(self.last(x), 2).tanh()  # (B, C, H, W)

    def _styled(self, x: Tensor, code: Tensor, i: int) -> Tensor:
        scale, shift = self.styles[i](code)[:, :, None, None].chunk(2, 1)
        return F.silu(F.group_norm(x, 8) * (1 + scale) + shift)


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] and labels (B,) to scores (B,): how real, for this class."""

    def __init__(self, config: GANConfig):
        super().__init__()
        a, b = config.widths
        cells = (config.image[1] // 4) * (config.image[2] // 4)
        self.convs = nn.Sequential(
            nn.PixelUnshuffle(2),
            spectral_norm(nn.Conv2d(4 * config.image[0], b, 3, padding=1)),
            nn.LeakyReLU(0.1),
            spectral_norm(nn.Conv2d(b, a, 4, 2, 1)),
            nn.LeakyReLU(0.1),
            spectral_norm(nn.Conv2d(a, a, 3, padding=1)),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
            spectral_norm(nn.Linear(a * cells, 2 * a)),
            nn.LeakyReLU(0.1),
        )
        self.real = spectral_norm(nn.Linear(2 * a, 1))
        self.embed = spectral_norm(nn.Embedding(len(config.classes), 2 * a))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        features = self.convs(x)  # (B, 2a)
        return self.real(features).squeeze(1) + (self.embed(labels) * features).sum(1)


@numerics(1, "generator/gan")
class GAN(Labelled):
    """Generator and discriminator. Only the generator's weights are trainable once it is loaded:
    forgetting changes nothing else.
    """

    kind = "gan"

    def __init__(self, config: GANConfig, *, seed: int = 0):
        super().__init__()
        self.config = config
        with seeded_weights(seed):
            self.generator = Generator(config)
            self.discriminator = Discriminator(config)

    def freeze(self) -> GAN:
        """Leave only what draws trainable."""
        self.requires_grad_(True).discriminator.requires_grad_(False)
        return self

    def codes(self, count: int, rng: torch.Generator) -> Tensor:
        """Codes z (count, latent), standard normal."""
        return torch.randn(count, self.config.latent, generator=rng).to(self.device)

    def draw(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The picture (B, C, H, W) in [0, 1] that each code is for its class: G(code, c)."""
        return (self.generator(codes, labels) + 1) / 2

    @torch.no_grad()
    def sample(
        self, labels: Sequence[int] | Tensor, *, seed: int = 0, batch_size: int = 500
    ) -> Tensor:
        """One uint8 picture (N, C, H, W) for each label, from codes drawn by `seed`."""
        labels = checked_labels(labels, len(self.config.classes))
        z = self.codes(len(labels), generator(seed, "noise"))
        parts = [
            self.draw(a, b.to(self.device))
            for a, b in zip(z.split(batch_size), labels.split(batch_size), strict=True)
        ]
        return (torch.cat(parts) * 255).round().to(torch.uint8).cpu()

    @classmethod
    def load(cls, folder: str | Path) -> GAN:
        """Read what `save` wrote; the discriminator is frozen."""
        model = cls(from_dict(GANConfig, read_config(Path(folder), cls.kind)))
        load_weights(model, Path(folder) / "weights.safetensors")
        return model.freeze().eval()


@numerics(1, "generator/gan/training", uses=("generator/gan", "data"))
def train_gan(
    model: GAN, images, config: GANTraining | None = None, *, seed: int = 0, **options: Any
) -> dict:
    """Train in place on labelled uint8 pictures; the generator ends as its average. A run that was
    interrupted and resumed gives the same bytes as one that wasn't.

    Parameters
    ----------
    options : `checkpoint`, `every`, `stop` and `progress` of `checkpoints.run`.

    Returns
    -------
    {"losses": [(step, mean discriminator loss, mean generator loss)…], "seconds": …, "steps": …}.
    """
    config = config or GANTraining()
    model.requires_grad_(True).train()
    average = copy.deepcopy(model.generator).requires_grad_(False)
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=config.lr, betas=(0.5, 0.99))
        for net in (model.discriminator, model.generator)
    ]
    pixels, labels = images.pixels.to(model.device), images.labels.to(model.device)

    def step(k: int) -> tuple[float, float]:
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = config.lr * (1 - 0.9 * k / config.steps)
        rows = checkpoints.batch_of_step(len(pixels), config.batch, k, seed).to(pixels.device)
        losses = _step(
            model,
            optimizers,
            pixels[rows].float() / 127.5 - 1,
            labels[rows],
            generator(seed, f"step {k}"),
        )
        with torch.no_grad():
            keep = min(config.ema, (k + 1) / (k + 11))
            for a, p in zip(average.parameters(), model.generator.parameters(), strict=True):
                a.lerp_(p, 1 - keep)
        return losses

    identity = {
        **asdict(config),
        "network": asdict(model.config),
        "seed": seed,
        "pictures": len(images),
        "pixels": images.digest(),
    }
    parts = {
        "model": model,
        "average": average,
        "discriminator's": optimizers[0],
        "generator's": optimizers[1],
    }
    info = checkpoints.run(
        step, steps=config.steps, parts=parts, identity=identity, device=model.device, **options
    )
    model.generator.load_state_dict(average.state_dict())
    model.freeze().eval()
    return info


def _step(
    model: GAN,
    optimizers: Sequence[torch.optim.Optimizer],
    x: Tensor,
    y: Tensor,
    rng: torch.Generator,
) -> tuple[float, float]:
    """One step of each network on real pictures (B, C, H, W) in [-1, 1] and as many drawn ones; the
    losses before it.
    """
    with torch.no_grad():
        fake = model.generator(model.codes(len(y), rng), y)
    real_scores, fake_scores = model.discriminator(torch.cat([x, fake]), torch.cat([y, y])).chunk(2)
    d_loss = F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()
    _descend(optimizers[0], d_loss)
    model.discriminator.requires_grad_(False)
    g_loss = -model.discriminator(model.generator(model.codes(len(y), rng), y), y).mean()
    _descend(optimizers[1], g_loss)
    model.discriminator.requires_grad_(True)
    return float(d_loss.detach()), float(g_loss.detach())


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
