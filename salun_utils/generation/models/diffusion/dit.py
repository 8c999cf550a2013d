"""A transformer that draws: diffusers' DiT (Peebles and Xie, ICCV 2023) trained by flow matching
(Lipman et al., ICLR 2023; the straight paths of Liu et al., ICLR 2023), as Stable Diffusion 3 and
FLUX are, behind one `nn.Module` that draws uint8 pictures of a class.

    x_σ = (1 - σ) x + σ · noise,  σ = (t + 1) / T;  the network returns noise - x
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ....errors import InputError
from ....units import numerics
from ...files import seeded_weights
from .model import Diffusion

if TYPE_CHECKING:
    from diffusers import DiTTransformer2DModel, FlowMatchEulerDiscreteScheduler


@dataclass(frozen=True)
class DiTConfig:
    """What the network is. Everything needed to build it again from its weights.

    Attributes
    ----------
    classes : names, in label order.
    image : (channels, height, width) of the pictures that go in and come out.
    size : side in pixels that pictures are padded to before they enter the network.
    unshuffle : pixels of each `unshuffle` x `unshuffle` square become channels.
    patch : side of the squares that are one token each, after that.
    width, heads, layers : of the transformer.
    timesteps : T, into how many steps the path from picture to noise is divided.
    """

    name: str
    classes: tuple[str, ...]
    image: tuple[int, int, int] = (1, 28, 28)
    size: int = 28
    unshuffle: int = 1
    patch: int = 4
    width: int = 160
    heads: int = 4
    layers: int = 4
    timesteps: int = 1000

    def __post_init__(self):
        if self.width % self.heads:
            raise InputError(f"width must be a multiple of heads ({self.heads}), not {self.width}")
        if self.size % (self.unshuffle * self.patch):
            side = self.unshuffle * self.patch
            raise InputError(f"size must be a multiple of {side} pixels, not {self.size}")

    @property
    def null(self) -> int:
        """The label that stands for "no class"."""
        return len(self.classes)


def build_transformer(config: DiTConfig) -> DiTTransformer2DModel:
    """The transformer of a configuration, its weights drawn from the global random state.

    Its own dropout of labels is off: training drops them from a stream of its own.
    """
    from diffusers import DiTTransformer2DModel

    channels = config.image[0] * config.unshuffle**2
    network = DiTTransformer2DModel(
        num_attention_heads=config.heads,
        attention_head_dim=config.width // config.heads,
        in_channels=channels,
        out_channels=channels,
        num_layers=config.layers,
        sample_size=config.size // config.unshuffle,
        patch_size=config.patch,
        num_embeds_ada_norm=len(config.classes),  # and one for "no class"
    )
    for module in network.modules():
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    _start_at_nothing(network)
    return network


def _start_at_nothing(network: DiTTransformer2DModel) -> None:
    """As the authors begin: every block leaves its tokens as they are, and the answer is 0."""
    for block in network.transformer_blocks:
        torch.nn.init.zeros_(block.norm1.linear.weight)
        torch.nn.init.zeros_(block.norm1.linear.bias)
    for last in (network.proj_out_1, network.proj_out_2):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)


@numerics(1, "generator/dit")
class DiT(Diffusion):
    """A conditional flow-matching transformer over uint8 pictures.

    Parameters
    ----------
    config : the network's description; `training.PRESETS` holds ready ones.
    seed : draws the initial weights.
    """

    kind = "dit"
    part = "transformer"
    configuration = DiTConfig
    samplers = ("euler",)
    steps = 20

    def __init__(self, config: DiTConfig, *, seed: int = 0):
        super().__init__()
        self.config = config
        with seeded_weights(seed):
            self.transformer = build_transformer(config)

    def noised(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_σ = (1 - σ) z + σ noise, for steps t (B,)."""
        share = ((t + 1) / self.config.timesteps).view(-1, 1, 1, 1)
        return (1 - share) * z + share * noise

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The velocity along the straight path, the same at every step."""
        return noise - z

    def forward(self, z_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """The network's prediction (same shape as z_t) for steps t (B,) and labels (B,); label
        `config.null` means no class.
        """
        return self.answer(z_t, t + 1, labels)

    def answer(self, z_t: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        """The same at times T σ (B,), as the sampler counts them."""
        return self.transformer(z_t, timestep=time, class_labels=labels, return_dict=False)[0]

    def scheduler(self, name: str | None = "euler") -> FlowMatchEulerDiscreteScheduler:
        """A fresh sampler: steps of equal length along the path."""
        from diffusers import FlowMatchEulerDiscreteScheduler

        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=self.config.timesteps)
