"""Several processes at one network whose rows don't know of each other: each computes its share of
them, and all get the whole answer.

So a training loop stays as it is, whatever its losses are made of: every process draws the same
noise, computes the same loss from the same answer, and takes the same step once the gradients are
averaged (`Ranks.average`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from .ranks import Ranks, here


@contextlib.contextmanager
def shared(*networks: nn.Module) -> Iterator[Ranks]:
    """While open, calls of these networks are shared out; yields the processes that do so.

    A network may hold no batch norm in training mode: that lets rows know of each other.
    """
    together, names = here(), {id(network): network for network in networks}
    if together.size == 1:
        yield together
        return
    for network in names.values():
        network.forward = _sharing(network.forward, together)
    try:
        yield together
    finally:
        for network in names.values():
            del network.forward  # what hid that of its class


def _sharing(plain: Callable[..., Any], together: Ranks) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.ndim]
        count = len(tensors[0])
        if count < together.size:  # each takes them all
            return plain(*args, **kwargs)

        def mine(x: Any) -> Any:
            whole = isinstance(x, Tensor) and x.ndim and len(x) == count
            return x.tensor_split(together.size)[together.rank] if whole else x

        def all_of(x: Any) -> Any:
            return _Whole.apply(x, count, together) if isinstance(x, Tensor) else x

        return tree_map(all_of, plain(*tree_map(mine, args), **tree_map(mine, kwargs)))

    return forward


class _Whole(torch.autograd.Function):
    """The rows of all processes from those of each.

    All know the gradient of the whole, so each takes that of its own rows. They are multiplied by
    the number of processes, since what comes of them is a sum over processes, and gradients are
    averaged: what a loss takes from the weights without the network is in all of them alike.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int, together: Ranks) -> Tensor:
        rows = torch.arange(count).tensor_split(together.size)[together.rank]
        ctx.rows, ctx.size = slice(int(rows[0]), int(rows[-1]) + 1), together.size
        whole = torch.zeros(count, *x.shape[1:], dtype=torch.float32, device=x.device)
        whole[ctx.rows] = x.float()
        torch.distributed.all_reduce(whole)
        return whole.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.rows] * ctx.size, None, None
