"""A denoising diffusion model (DDPM): diffusers' U-Net and schedulers behind one `nn.Module` that
draws uint8 pictures of a class. Reverse process and noise schedule follow Ho et al. (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ....units import numerics
from ...files import seeded_weights
from .model import Diffusion

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UNet2DModel


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
class DDPM(Diffusion):
    """A conditional diffusion model over uint8 pictures.

    Parameters
    ----------
    config : the network's description; `training.PRESETS` holds ready ones.
    seed : draws the initial weights.
    """

    kind = "ddpm"
    part = "unet"
    configuration = DDPMConfig
    samplers = ("dpm", "ddim")

    alpha_bar: Tensor

    def __init__(self, config: DDPMConfig, *, seed: int = 0):
        from diffusers import DDPMScheduler

        super().__init__()
        self.config = config
        with seeded_weights(seed):
            self.unet = build_unet(config)
        self.schedule = DDPMScheduler(**self._schedule_settings())
        self.register_buffer("alpha_bar", self.schedule.alphas_cumprod.clone(), persistent=False)

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

    def scheduler(self, name: str | None = "dpm") -> DPMSolverMultistepScheduler | DDIMScheduler:
        """A fresh sampler: ``"dpm"`` (DPM-Solver++ 2M) or ``"ddim"`` (η = 0). Clipping the
        predicted picture is off: together with guidance it bloats objects.
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
