"""A small conditional variational auto-encoder (Kingma and Welling, 2014; Sohn et al., 2015): two
fully connected networks, and for each class a prior of its own, a mixture of Gaussians learned with
them (Tomczak and Welling, 2018, learn mixtures without classes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
class VAEConfig:
    """The network: class names, (channels, height, width) of a picture, width of the hidden layers,
    numbers in a code z, Gaussians in the prior of a class, and the temperature that their
    deviations are multiplied with when pictures are drawn.
    """

    name: str
    classes: tuple[str, ...]
    image: tuple[int, int, int] = (1, 28, 28)
    hidden: tuple[int, ...] = (512, 256)
    latent: int = 16
    components: int = 40
    temperature: float = 0.8


@dataclass(frozen=True)
class VAETraining:
    """How it is trained: `steps` of `batch` pictures with Adam, both rates falling to 0 along a
    cosine; the prior's is its own.

    Decoders blur what tells similar classes apart. So a small classifier, trained alongside on the
    real pictures and thrown away afterwards, adds `class_weight` times its cross-entropy on the
    decoded ones to the bound, in nats a picture (Bao et al., 2017, use one to that end too).
    """

    steps: int = 20_000
    batch: int = 64
    lr: float = 2e-3
    prior_lr: float = 1e-2
    class_weight: float = 20.0
    classifier_width: int = 128
    classifier_lr: float = 1e-3


class Prior(nn.Module):
    """p(z | c) = Σ_k π_ck N(z; μ_ck, diag σ_ck²): for each class its own mixture of `components`
    Gaussians.
    """

    def __init__(self, classes: int, components: int, latent: int):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(classes, components, latent))  # μ
        self.log_deviation = nn.Parameter(torch.zeros(classes, components, latent))  # log σ
        self.weight = nn.Parameter(torch.zeros(classes, components))  # π before the softmax

    def log_density(self, z: Tensor, labels: Tensor) -> Tensor:
        """log p(z | c) without its constant -½ log 2π a number, for z (B, latent): (B,)."""
        # (B, components, latent)
        standard = (z[:, None] - self.mean[labels]) * (-self.log_deviation[labels]).exp()
        each = (-0.5 * standard.square() - self.log_deviation[labels]).sum(2)
        return torch.logsumexp(self.weight[labels].log_softmax(1) + each, 1)

    def place(self, codes: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
        """z (B, latent) of codes (B, 1 + latent): the first number picks a Gaussian by its share,
        the others are the place in it.
        """
        upper = self.weight[labels].softmax(1).cumsum(1)  # (B, components)
        chosen = (codes[:, :1] > upper[:, :-1]).sum(1)
        return (
            self.mean[labels, chosen]
            + temperature * self.log_deviation[labels, chosen].exp() * codes[:, 1:]
        )


@numerics(1, "generator/vae")
class VAE(Labelled):
    """q(z | x, c), p(z | c) and p(x | z, c), where each pixel has a Laplace distribution of one
    scale b around the decoder's output.

    A picture that is drawn is the centre of p(x | z, c). Only what draws stays trainable once the
    model is trained: decoder and prior.
    """

    kind = "vae"

    def __init__(self, config: VAEConfig, *, seed: int = 0):
        super().__init__()
        self.config = config
        pixels, classes = config.image[0] * config.image[1] * config.image[2], len(config.classes)
        with seeded_weights(seed):
            self.encoder = _perceptron([pixels + classes, *config.hidden, 2 * config.latent])
            self.decoder = _perceptron([config.latent + classes, *reversed(config.hidden), pixels])
            self.prior = Prior(classes, config.components, config.latent)
        self.log_scale = nn.Parameter(torch.tensor(-2.0))  # log b

    def freeze(self) -> VAE:
        """Leave only what draws trainable."""
        self.requires_grad_(True).encoder.requires_grad_(False)
        self.log_scale.requires_grad_(False)
        return self

    def encode(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation (B, latent) of q(z | x, c) for pictures (B, C, H, W) in [0, 1]."""
        return self.encoder(torch.cat([x.flatten(1), self._one_hot(labels)], 1)).chunk(2, 1)

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """The centre of p(x | z, c): pictures (B, C, H, W) in [0, 1]."""
        return (
            self.decoder(torch.cat([z, self._one_hot(labels)], 1))
            .view(-1, *self.config.image)
            .sigmoid()
        )

    def surprise(self, x: Tensor, centre: Tensor) -> Tensor:
        """-log p(x | z, c) in nats a pixel, mean over the batch, for pictures x and the decoder's
        output.
        """
        return (x - centre).abs().mean() / self.log_scale.exp() + self.log_scale + math.log(2)

    def loss(self, x: Tensor, labels: Tensor, *, rng: torch.Generator) -> Tensor:
        """Negative evidence lower bound, nats a pixel, mean over the batch; one z a picture."""
        return self.loss_and_decoded(x, labels, rng=rng)[0]

    def loss_and_decoded(
        self, x: Tensor, labels: Tensor, *, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """`loss`, and the decoder's pictures (B, C, H, W) that it compares x with."""
        mean, log_deviation = self.encode(x, labels)
        noise = torch.randn(mean.shape, generator=rng).to(x.device)
        z = mean + log_deviation.exp() * noise
        # the constant is left out here as in the prior
        log_q = (-0.5 * noise.square() - log_deviation).sum(1)
        divergence = (log_q - self.prior.log_density(z, labels)).sum() / x.numel()
        decoded = self.decode(z, labels)
        return self.surprise(x, decoded) + divergence, decoded

    def codes(self, count: int, rng: torch.Generator) -> Tensor:
        """Codes (count, 1 + latent): one number from [0, 1), the others standard normal."""
        parts = (
            torch.rand(count, 1, generator=rng),
            torch.randn(count, self.config.latent, generator=rng),
        )
        return torch.cat(parts, 1).to(self.device)

    def draw(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The picture (B, C, H, W) in [0, 1] that each code is for its class: G(code, c)."""
        return self.decode(self.prior.place(codes, labels, self.config.temperature), labels)

    @torch.no_grad()
    def sample(self, labels: Sequence[int] | Tensor, *, seed: int = 0) -> Tensor:
        """One uint8 picture (N, C, H, W) for each label, from codes drawn by `seed`."""
        labels = checked_labels(labels, len(self.config.classes))
        codes = self.codes(len(labels), generator(seed, "noise"))
        return (self.draw(codes, labels.to(self.device)) * 255).round().to(torch.uint8).cpu()

    def _one_hot(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, len(self.config.classes)).float()

    @classmethod
    def load(cls, folder: str | Path) -> VAE:
        """Read what `save` wrote."""
        model = cls(from_dict(VAEConfig, read_config(Path(folder), cls.kind)))
        load_weights(model, Path(folder) / "weights.safetensors")
        return model.freeze().eval()


def _perceptron(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        layers += [nn.Linear(a, b)] + ([nn.SiLU()] if i < len(widths) - 2 else [])
    return nn.Sequential(*layers)


@numerics(1, "generator/vae/training", uses=("generator/vae", "data"))
def train_vae(
    model: VAE, images, config: VAETraining | None = None, *, seed: int = 0, **options: Any
) -> dict:
    """Train in place on labelled uint8 pictures; a run that was interrupted and resumed gives the
    same bytes as one that wasn't.

    Parameters
    ----------
    options : `checkpoint`, `every`, `stop` and `progress` of `checkpoints.run`.

    Returns
    -------
    {"losses": [(step, mean negative bound)…], "seconds": …, "steps": …}.
    """
    config = config or VAETraining()
    model.requires_grad_(True).train()
    with seeded_weights(seed):
        classifier = _perceptron(
            [len(images.pixels[0].flatten()), config.classifier_width, len(model.classes)]
        ).to(model.device)
    optimizer, teaching = _optimizers(model, classifier)
    rates = {"prior": config.prior_lr, "others": config.lr, "classifier": config.classifier_lr}
    pixels, labels = images.pixels.to(model.device), images.labels.to(model.device)

    def step(k: int) -> tuple[float]:
        for group in (*optimizer.param_groups, *teaching.param_groups):
            group["lr"] = rates[group["name"]] * (0.5 + 0.5 * math.cos(math.pi * k / config.steps))
        rows = checkpoints.batch_of_step(len(pixels), config.batch, k, seed).to(pixels.device)
        x, y = pixels[rows].float() / 255, labels[rows]
        _descend(teaching, F.cross_entropy(classifier(x.flatten(1)), y))
        loss, decoded = model.loss_and_decoded(x, y, rng=generator(seed, f"step {k}"))
        seen = F.cross_entropy(classifier(decoded.flatten(1)), y, reduction="sum") / x.numel()
        _descend(optimizer, loss + config.class_weight * seen)
        return (float(loss.detach()),)

    identity = {
        **asdict(config),
        "network": asdict(model.config),
        "seed": seed,
        "pictures": len(images),
        "pixels": images.digest(),
    }
    parts = {
        "model": model,
        "classifier": classifier,
        "optimizer": optimizer,
        "classifier's": teaching,
    }
    info = checkpoints.run(
        step, steps=config.steps, parts=parts, identity=identity, device=model.device, **options
    )
    model.freeze().eval()
    return info


def _optimizers(
    model: VAE, classifier: nn.Module
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    others = [p for name, p in model.named_parameters() if not name.startswith("prior")]
    groups = [
        {"params": list(model.prior.parameters()), "name": "prior"},
        {"params": others, "name": "others"},
    ]
    return torch.optim.Adam(groups), torch.optim.Adam(
        [{"params": list(classifier.parameters()), "name": "classifier"}]
    )


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
