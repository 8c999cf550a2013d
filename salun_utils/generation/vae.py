"""A small conditional variational auto-encoder (Kingma and Welling, 2014; Sohn et al., 2015): two fully connected networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..seeds import generator
from .files import checked_labels, class_label, from_dict, load_weights, read_config, save_model, seeded_weights


@dataclass(frozen=True)
class VAEConfig:
    """The network: class names, (channels, height, width) of a picture, width of the hidden layers, and numbers in a code z."""

    name: str
    classes: tuple[str, ...]
    image: tuple[int, int, int] = (1, 28, 28)
    hidden: tuple[int, ...] = (512, 256)
    latent: int = 16


@dataclass(frozen=True)
class VAETraining:
    """How it is trained: `steps` of `batch` pictures with Adam, the rate falling along a cosine."""

    steps: int = 6000
    batch: int = 128
    lr: float = 1e-3
    beta: float = 1.0


class VAE(nn.Module):
    """q(z | x, c) and p(x | z, c), each pixel a Bernoulli variable; pictures are the means of p."""

    kind = "vae"

    def __init__(self, config: VAEConfig, *, seed: int = 0):
        super().__init__()
        self.config = config
        pixels, classes = config.image[0] * config.image[1] * config.image[2], len(config.classes)
        with seeded_weights(seed):
            self.encoder = _perceptron([pixels + classes, *config.hidden, 2 * config.latent])
            self.decoder = _perceptron([config.latent + classes, *reversed(config.hidden), pixels])

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return list(self.config.classes)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def label(self, concept: str | int) -> int:
        """The label of a class given by name (in any case) or by number."""
        return class_label(concept, self.classes)

    def encode(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, latent) of q(z | x, c) for pictures (B, C, H, W) in [0, 1]."""
        return self.encoder(torch.cat([x.flatten(1), self._one_hot(labels)], 1)).chunk(2, 1)

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """Logits of the pixels (B, C, H, W)."""
        return self.decoder(torch.cat([z, self._one_hot(labels)], 1)).view(-1, *self.config.image)

    def loss(self, x: Tensor, labels: Tensor, *, rng: torch.Generator, beta: float = 1.0) -> Tensor:
        """Negative evidence lower bound in nats a pixel, mean over the batch; `beta` weighs the divergence from the prior."""
        mean, log_variance = self.encode(x, labels)
        z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=rng).to(x.device)
        reconstruction = F.binary_cross_entropy_with_logits(self.decode(z, labels), x, reduction="sum")
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return (reconstruction + beta * divergence) / x.numel()

    @torch.no_grad()
    def sample(self, labels: Sequence[int] | Tensor, *, seed: int = 0) -> Tensor:
        """One uint8 picture (N, C, H, W) for each label, from codes drawn by `seed`."""
        labels = checked_labels(labels, len(self.config.classes))
        z = torch.randn(len(labels), self.config.latent, generator=generator(seed, "noise")).to(self.device)
        return (self.decode(z, labels.to(self.device)).sigmoid() * 255).round().to(torch.uint8).cpu()

    def _one_hot(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, len(self.config.classes)).float()

    def save(self, folder: str | Path, *, half: bool = False) -> Path:
        """Write `weights.safetensors` and `config.json`; `half` stores 16-bit floats."""
        return save_model(folder, self, {"kind": self.kind, **asdict(self.config)}, half=half)

    @classmethod
    def load(cls, folder: str | Path) -> VAE:
        """Read what `save` wrote."""
        model = cls(from_dict(VAEConfig, read_config(Path(folder), cls.kind)))
        load_weights(model, Path(folder) / "weights.safetensors")
        return model.eval()


def _perceptron(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        layers += [nn.Linear(a, b)] + ([nn.SiLU()] if i < len(widths) - 2 else [])
    return nn.Sequential(*layers)


def train_vae(model: VAE, images, config: VAETraining | None = None, *, seed: int = 0) -> dict:
    """Train in place on labelled uint8 pictures; returns {"losses": [(step, mean loss)…], "seconds": …}."""
    from .erasing import draw

    config = config or VAETraining()
    batches, rng = draw(images, config.batch, generator(seed, "pictures")), generator(seed, "codes")
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    losses, since, begun = [], [], time.perf_counter()
    model.train()
    for step in range(1, config.steps + 1):
        x, y = (part.to(model.device) for part in next(batches))
        optimizer.zero_grad(set_to_none=True)
        loss = model.loss(x, y, rng=rng, beta=config.beta)
        loss.backward()
        optimizer.step()
        schedule.step()
        since.append(float(loss.detach()))
        if step % 500 == 0 or step == config.steps:
            losses.append((step, sum(since) / len(since)))
            since = []
    model.eval()
    return {"losses": losses, "seconds": time.perf_counter() - begun}
