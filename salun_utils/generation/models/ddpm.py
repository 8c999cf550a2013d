"""A class-conditional diffusion model: diffusers' U-Net and schedulers behind one `nn.Module` that
samples uint8 pictures.

The reverse process, the noise schedule and classifier-free guidance follow Ho et al. (2020), Ho and
Salimans (2022) and, for the guidance weight `w`, the SalUn paper: ε = (1 + w) ε(x_t | c) - w ε(x_t
| no class). diffusers calls 1 + w the guidance scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError, unknown
from ...seeds import generator
from ...units import numerics
from ..files import (
    Labelled,
    checked_labels,
    from_dict,
    load_weights,
    read_config,
    save_model,
    seeded_weights,
)

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UNet2DModel

SCHEDULERS = ("dpm", "ddim")


@dataclass(frozen=True)
class DDPMConfig:
    """What the network is. Everything needed to build it again from its weights.

    Attributes
    ----------
    classes : names, in label order.
    image : (channels, height, width) of the pictures that go in and come out.
    size : side in pixels that pictures are padded to before they enter the network.
    unshuffle : pixels of each `unshuffle` x `unshuffle` square become channels, which makes the
        network's grid that much smaller.
    widths, layers : channels of each level of the U-Net, and residual blocks a level.
    attention : the levels that have self-attention; the middle block always has it.
    groups : groups of each GroupNorm.
    head : width of an attention head.
    """

    name: str
    classes: tuple[str, ...]
    image: tuple[int, int, int] = (1, 28, 28)
    size: int = 32
    unshuffle: int = 2
    widths: tuple[int, ...] = (32, 64, 128)
    layers: int = 1
    attention: tuple[int, ...] = ()
    groups: int = 8
    head: int = 8
    dropout: float = 0.0
    timesteps: int = 1000
    beta_schedule: str = "squaredcos_cap_v2"
    prediction: str = "v_prediction"

    @property
    def null(self) -> int:
        """The label that stands for "no class"."""
        return len(self.classes)


def build_unet(config: DDPMConfig) -> UNet2DModel:
    """The U-Net of a configuration, its weights drawn from the global random state.

    The plain attention processor is set because the fused backward pass with small heads is slower
    on CPUs.
    """
    from diffusers import UNet2DModel
    from diffusers.models.attention_processor import AttnProcessor

    levels = range(len(config.widths))
    channels = config.image[0] * config.unshuffle**2
    unet = UNet2DModel(
        sample_size=config.size // config.unshuffle,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=config.layers,
        block_out_channels=config.widths,
        down_block_types=tuple(
            "AttnDownBlock2D" if i in config.attention else "DownBlock2D" for i in levels
        ),
        up_block_types=tuple(
            "AttnUpBlock2D" if i in config.attention else "UpBlock2D" for i in reversed(levels)
        ),
        attention_head_dim=config.head,
        norm_num_groups=config.groups,
        dropout=config.dropout,
        num_class_embeds=len(config.classes) + 1,
    )
    for module in unet.modules():
        if hasattr(module, "set_processor"):
            module.set_processor(AttnProcessor())
    return unet


@numerics(1, "generator/ddpm")
class DDPM(Labelled):
    """A conditional diffusion model over uint8 pictures.

    Parameters
    ----------
    config : the network's description; `ddpm_training.PRESETS` holds ready ones.
    seed : draws the initial weights.
    """

    kind = "ddpm"

    alpha_bar: Tensor

    def __init__(self, config: DDPMConfig, *, seed: int = 0):
        from diffusers import DDPMScheduler

        super().__init__()
        self.config = config
        with seeded_weights(seed):
            self.unet = build_unet(config)
        self.schedule = DDPMScheduler(**self._schedule_settings())
        self.register_buffer("alpha_bar", self.schedule.alphas_cumprod.clone(), persistent=False)

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

    def noised(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t = √ᾱ_t z + √(1 - ᾱ_t) noise, for steps t (B,)."""
        a = self.alpha_bar[t].view(-1, 1, 1, 1)
        return a.sqrt() * z + (1 - a).sqrt() * noise

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network is trained to return: the noise, or v = √ᾱ_t noise - √(1 - ᾱ_t) z."""
        if self.config.prediction == "epsilon":
            return noise
        a = self.alpha_bar[t].view(-1, 1, 1, 1)
        return a.sqrt() * noise - (1 - a).sqrt() * z

    def forward(self, z_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """The network's prediction (same shape as z_t) for steps t (B,) and labels (B,); label
        `config.null` means no class.
        """
        return self.unet(z_t, t, class_labels=labels, return_dict=False)[0]

    @torch.no_grad()
    def sample(
        self,
        labels: Sequence[int] | Tensor,
        *,
        guidance: float = 2.0,
        steps: int = 12,
        seed: int = 0,
        scheduler: str = "dpm",
        batch_size: int = 250,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Draw one picture for each label.

        Parameters
        ----------
        labels : class indices (N,), N at least 1.
        guidance : w of the paper, at least 0; 0 samples the plain conditional model.
        steps : evaluations of the network a picture (twice that many with guidance).
        seed : draws the starting noise; both schedulers are deterministic after it, so that two
            models can be compared from one noise.
        scheduler : ``"dpm"`` (DPM-Solver++ 2M) or ``"ddim"`` (η = 0).
        noise : starting noise (N, C u², S/u, S/u) instead of the seed's.

        Returns
        -------
        uint8 pictures (N, C, H, W) on the CPU.
        """
        labels = checked_labels(labels, self.config.null)
        check_sampling(guidance, steps, scheduler)
        shape = (len(labels), *self.latent_shape)
        if noise is None:
            noise = torch.randn(shape, generator=generator(seed, "noise"))
        elif tuple(noise.shape) != shape:
            raise InputError(f"noise must have shape {shape}, not {tuple(noise.shape)}")
        training = self.training
        self.eval()
        try:
            parts = [
                self._denoise(z.to(self.device), c.to(self.device), guidance, steps, scheduler)
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
                both = self(
                    torch.cat([z, z]), torch.cat([step, step]), torch.cat([labels, null])
                ).float()
                conditional, free = both.chunk(2)
                out = (1 + guidance) * conditional - guidance * free
            else:
                out = self(z, step, labels).float()
            z = scheduler.step(out, t, z, return_dict=False)[0]
        return self.decode(z).cpu()

    def scheduler(self, name: str = "dpm") -> DPMSolverMultistepScheduler | DDIMScheduler:
        """A fresh sampler. Clipping the predicted picture is off: together with guidance it bloats
        objects.
        """
        from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

        settings = self._schedule_settings()
        if name == "ddim":
            return DDIMScheduler(
                **settings, clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing"
            )
        return DPMSolverMultistepScheduler(
            **settings, algorithm_type="dpmsolver++", solver_order=2, timestep_spacing="trailing"
        )

    def _schedule_settings(self) -> dict:
        return {
            "num_train_timesteps": self.config.timesteps,
            "beta_schedule": self.config.beta_schedule,
            "prediction_type": self.config.prediction,
        }

    def save(self, folder: str | Path, *, half: bool = False) -> Path:
        """Write `weights.safetensors` and `config.json` into a folder, which is made; `half` stores
        16-bit floats.
        """
        return save_model(folder, self.unet, {"kind": "ddpm", **asdict(self.config)}, half=half)

    @classmethod
    def load(cls, folder: str | Path) -> DDPM:
        """Read what `save` wrote, in float32 on the CPU. A missing, damaged or foreign file is an
        `InputError`.
        """
        folder = Path(folder)
        config = read_config(folder, "ddpm")
        model = cls(from_dict(DDPMConfig, config))
        load_weights(model.unet, folder / "weights.safetensors")
        return model.eval()


def check_sampling(guidance: float, steps: int, scheduler: str = "dpm") -> None:
    """Raise `InputError` for a negative guidance, fewer than one step, or a scheduler that isn't
    known.
    """
    if not guidance >= 0:
        raise InputError(f"guidance must be at least 0, not {guidance}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps must be a whole number of at least 1, not {steps!r}")
    if scheduler not in SCHEDULERS:
        raise unknown("scheduler", scheduler, SCHEDULERS)
