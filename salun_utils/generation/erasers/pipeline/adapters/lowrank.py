"""Adapters of low rank beside layers of the U-Net: what MACE and SPM train, and fold into the
weights when they are done.

    y = W x + up (down x),   W' = W + up down
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from .....training import TrainingDivergedError, use_bf16
from .....units import numerics
from ..loop import Job


class Adapter(nn.Module):
    """`rank` directions that a layer reads, and what it answers to each; nothing at first.

    Attributes
    ----------
    down : (rank, in) of a linear layer, (rank, in, k, k) of a convolution; normal with deviation
        `std`, drawn on the CPU. up : (out, rank), zeros.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int, std: float, draws: torch.Generator):
        super().__init__()
        weight, out = layer.weight, layer.weight.shape[0]
        down = std * torch.randn(rank, *weight.shape[1:], generator=draws)
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(out, rank))
        own = isinstance(layer, nn.Conv2d)
        self.moves: dict[str, Any] = (
            {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
            if own
            else {}
        )

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the layer's answer to `x`."""
        if self.down.dim() == 2:
            return linear(linear(x, self.down), self.up)
        return conv2d(conv2d(x, self.down, **self.moves), self.up[..., None, None])

    @torch.no_grad()
    def delta(self) -> Tensor:
        """What is added to the layer's weight, in double precision and the weight's shape."""
        flat = self.up.double() @ self.down.double().flatten(1)
        return flat.view(len(flat), *self.down.shape[1:])


def adapters(
    unet: nn.Module,
    chosen: Callable[[str], bool],
    *,
    rank: int,
    std: Callable[[int], float],
    draws: torch.Generator,
) -> dict[str, Adapter]:
    """name -> a new adapter, of every linear layer and convolution whose name is chosen.

    Parameters
    ----------
    std : number of inputs to one output of the layer -> deviation of `down`.
    """
    found = {}
    for name, layer in unet.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and chosen(name):
            found[name] = Adapter(layer, rank, std(layer.weight[0].numel()), draws)
    return found


@contextlib.contextmanager
def attached(unet: nn.Module, added: Mapping[str, Adapter]) -> Iterator[None]:
    """While open, the layers answer with what their adapters add."""

    def adding(adapter: Adapter):
        return lambda _layer, given, answer: answer + adapter(given[0])

    hooks = [
        unet.get_submodule(name).register_forward_hook(adding(adapter))
        for name, adapter in added.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def fold(unet: nn.Module, added: Mapping[str, Adapter], strength: float = 1.0) -> None:
    """Put `strength` times each adapter into the weight of its layer."""
    for name, adapter in added.items():
        weight = unet.get_parameter(f"{name}.weight")
        weight.copy_((weight.double() + strength * adapter.delta()).to(weight.dtype))


Schedule = Callable[[int], float]


@numerics(1, "erasing/low-rank")
def train(
    job: Job,
    added: Mapping[str, Adapter],
    loss: Callable[[], Tensor],
    *,
    steps: int,
    lr: float,
    precision: str,
    clip: float = 0.0,
    schedule: Schedule = lambda step: 1.0,
) -> list[float]:
    """Minimise `loss` over the adapters, attached to ``job.unet``, whose own weights stay; the loss
    of each step.

    AdamW with its usual weight decay, as both papers have it. `clip` bounds the norm of the
    gradient; 0 leaves it. `schedule` gives the share of `lr` in each step.
    """
    job.unet.requires_grad_(False)
    params = [p for adapter in added.values() for p in adapter.parameters()]
    optimizer = torch.optim.AdamW(params, lr)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    bf16 = use_bf16(precision, job.device)
    losses: list[float] = []
    with attached(job.unet, added):
        for _ in range(steps):
            with torch.autocast(job.device.type, torch.bfloat16, enabled=bf16):
                value = loss()
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            if clip:
                nn.utils.clip_grad_norm_(params, clip)
            optimizer.step()
            rates.step()
            losses.append(value.item())
            if not math.isfinite(losses[-1]):
                raise TrainingDivergedError(
                    f"the loss became {losses[-1]} in step {len(losses)} of {steps} (lr {lr})"
                )
    return losses
