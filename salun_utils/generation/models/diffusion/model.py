"""What class-conditional diffusion models share: pictures in and out, guidance, and drawing.

Classifier-free guidance follows Ho and Salimans (2022) and, for the guidance weight `w`, the SalUn
paper: out = (1 + w) f(x_t | c) - w f(x_t | no class). diffusers calls 1 + w the guidance scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....errors import InputError, check_whole, unknown
from ....seeds import generator
from ...files import Labelled, checked_labels, from_dict, load_weights, read_config


class Diffusion(Labelled):
    """A class-conditional diffusion model over uint8 pictures.

    A kind of it says how pictures are mixed with noise (`noised`), what the network answers
    (`target`, `forward`), and how one draws (`scheduler`). Its configuration has the fields
    `classes`, `null` (the label that stands for "no class"), `image` (channels, height, width),
    `size` (side in pixels that pictures are padded to), `unshuffle` (pixels of each square of that
    side become channels) and `timesteps`.

    Attributes
    ----------
    kind : as `config.json` and cards name it. part : attribute that holds the network.
    configuration : class of `config`. samplers : names that `scheduler` takes, the usual one first.
    steps : evaluations of the network a picture, when none are asked for.
    """

    kind: ClassVar[str]
    part: ClassVar[str]
    configuration: ClassVar[type]
    samplers: ClassVar[tuple[str, ...]]
    steps: ClassVar[int] = 12
    config: Any

    @property
    def network(self) -> nn.Module:
        """What is trained, and what a folder of weights holds."""
        return getattr(self, self.part)

    def noised(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Pictures `z` mixed with `noise` (both (B, …)) at steps t (B,)."""
        raise NotImplementedError

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network is trained to return, of the shape of `z`."""
        raise NotImplementedError

    def scheduler(self, name: str | None = None) -> Any:
        """A fresh sampler of diffusers."""
        raise NotImplementedError

    def answer(self, z_t: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        """The network's prediction at a time (B,) as the sampler counts it."""
        return self(z_t, time, labels)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [0, 1] to the network's grid (B, C u², S/u, S/u) in [-1, 1], u =
        `unshuffle`.
        """
        _, height, width = self.config.image
        down, right = self.config.size - height, self.config.size - width
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.pixel_unshuffle(x * 2 - 1, self.config.unshuffle)

    def decode(self, z: Tensor) -> Tensor:
        """The inverse of `encode`, rounded: uint8 pictures (B, C, H, W)."""
        x = F.pixel_shuffle(z, self.config.unshuffle)
        _, height, width = self.config.image
        top, left = (self.config.size - height) // 2, (self.config.size - width) // 2
        x = x[..., top : top + height, left : left + width]
        return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    @torch.no_grad()
    def sample(
        self,
        labels: Sequence[int] | Tensor,
        *,
        guidance: float = 2.0,
        steps: int | None = None,
        seed: int = 0,
        scheduler: str | None = None,
        batch_size: int = 250,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Draw one picture for each label.

        Parameters
        ----------
        labels : class indices (N,), N at least 1.
        guidance : w of the paper, at least 0; 0 samples the plain conditional model.
        steps : evaluations of the network a picture (twice that many with guidance); None are as
            many as the kind needs.
        seed : draws the starting noise; all samplers are deterministic after it, so that two models
            can be compared from one noise.
        scheduler : one of `samplers`; None is the first of them.
        noise : starting noise (N, C u², S/u, S/u) instead of the seed's.

        Returns
        -------
        uint8 pictures (N, C, H, W) on the CPU.
        """
        labels = checked_labels(labels, self.config.null)
        steps = self.steps if steps is None else steps
        name = self.samplers[0] if scheduler is None else scheduler
        check_sampling(guidance, steps)
        if name not in self.samplers:
            raise unknown("scheduler", name, self.samplers)
        shape = (len(labels), *self.latent_shape)
        if noise is None:
            noise = torch.randn(shape, generator=generator(seed, "noise"))
        elif tuple(noise.shape) != shape:
            raise InputError(f"noise must have shape {shape}, not {tuple(noise.shape)}")
        training = self.training
        self.eval()
        try:
            parts = [
                self._denoise(z.to(self.device), c.to(self.device), guidance, steps, name)
                for z, c in zip(noise.split(batch_size), labels.split(batch_size))
            ]
        finally:
            self.train(training)
        return torch.cat(parts)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the grid that the network works on."""
        u, side = self.config.unshuffle, self.config.size // self.config.unshuffle
        return self.config.image[0] * u * u, side, side

    def _denoise(self, z: Tensor, labels: Tensor, guidance: float, steps: int, name: str) -> Tensor:
        scheduler = self.scheduler(name)
        scheduler.set_timesteps(steps, device=z.device)
        null = torch.full_like(labels, self.config.null)
        for t in scheduler.timesteps:
            step = t.expand(len(z)) if torch.is_tensor(t) else torch.full((len(z),), t)
            if guidance:
                both = self.answer(
                    torch.cat([z, z]), torch.cat([step, step]), torch.cat([labels, null])
                ).float()
                conditional, free = both.chunk(2)
                out = (1 + guidance) * conditional - guidance * free
            else:
                out = self.answer(z, step, labels).float()
            z = scheduler.step(out, t, z, return_dict=False)[0]
        return self.decode(z).cpu()

    def _saved(self) -> nn.Module:
        return self.network

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote, in float32 on the CPU. A missing, damaged or foreign file is an
        `InputError`.
        """
        folder = Path(folder)
        config: Any = from_dict(cls.configuration, read_config(folder, cls.kind))
        model = cls(config)  # type: ignore[call-arg]
        load_weights(model.network, folder / "weights.safetensors")
        return model.eval()


def check_sampling(guidance: float, steps: int) -> None:
    """Raise `InputError` for a negative guidance or fewer than one step."""
    if not guidance >= 0:
        raise InputError(f"guidance must be at least 0, not {guidance}")
    check_whole("steps", steps)
