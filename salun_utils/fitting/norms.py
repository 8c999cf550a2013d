"""Batch norms of several processes that train together: statistics of the whole batch.

With statistics of each process' share a network would be trained otherwise than by one process, and
the more so the more processes there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def together(size: int, pictures: int | None) -> AbstractContextManager:
    """While open, batch norms in training mode go by the statistics of all `size` processes.

    Parameters
    ----------
    pictures : how many of the batch are this process' share; None where each has all of them, and
        by one process' own statistics.
    """
    if size == 1 or pictures is None:
        return contextlib.nullcontext()
    return _Together(size, pictures)


class _Total(torch.autograd.Function):
    """The sum over all processes; its gradient is summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        found = x.clone()
        torch.distributed.all_reduce(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        found = gradients[0].clone()
        torch.distributed.all_reduce(found)
        return found


class _Together(TorchFunctionMode):
    """Replaces `torch.nn.functional.batch_norm`, which every kind of batch norm calls."""

    def __init__(self, size: int, pictures: int):
        super().__init__()
        self.size, self.pictures = size, pictures

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.batch_norm:
            return self.batch_norm(func, *args, **kwargs)
        return func(*args, **kwargs)

    def batch_norm(
        self,
        plain: Callable[..., Tensor],
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """x (B, C, …), normalised by mean and variance over the pictures of all processes."""
        if not training:
            return plain(x, running_mean, running_var, weight, bias, training, momentum, eps)
        with torch.autocast(x.device.type, enabled=False):
            values, shape = x.float(), (1, -1, *[1] * (x.ndim - 2))
            mean, var, seen = self.moments(values, shape)
            if running_mean is not None and running_var is not None:
                _follow(running_mean, mean, momentum)
                _follow(running_var, var * seen / (seen - 1), momentum)
            found = (values - mean.view(shape)) * (var + eps).rsqrt().view(shape)
            if weight is not None:
                found = found * weight.view(shape)
            return (found if bias is None else found + bias.view(shape)).to(x.dtype)

    def moments(self, values: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance (C,), and of how many values a channel they are. A batch that each
        process has whole, beside its share of another, is none the larger for it.
        """
        axes, count = [0, *range(2, values.ndim)], values.numel() // values.shape[1]
        facts = values.new_tensor([count, len(values) == self.pictures])
        found = _Total.apply(torch.cat([values.sum(axes), facts]))
        n, parts = found[-2:].detach()
        mean = found[:-2] / n
        var = _Total.apply((values - mean.view(shape)).square().sum(axes)) / n
        seen = torch.where(parts == self.size, n, count)
        if count == 1 and seen.item() == 1:
            raise ValueError("Expected more than 1 value per channel when training")
        return mean, var, seen


@torch.no_grad()
def _follow(running: Tensor, value: Tensor, momentum: float) -> None:
    running.mul_(1 - momentum).add_(value, alpha=momentum)
