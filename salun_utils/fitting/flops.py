"""How many operations a training or an unlearning takes, counted without computing anything."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ..models.contract import logits_of

KEPT = "_counted_flops"  # attribute of a model
BATCH = 2  # pictures: a norm over the batch needs more than one


def training_flops(model: nn.Module, shape: tuple[int, ...]) -> float | None:
    """Operations of one forward and backward pass, by picture.

    A multiplication and an addition are two operations. As `torch.utils.flop_counter` does,
    convolutions, matrix products and attention are counted and what is cheap beside them is not. A
    copy of the network runs on the device "meta", where tensors have shapes only.

    Parameters
    ----------
    model : from pictures (B, C, H, W) to logits (B, classes); left as it is.
    shape : (C, H, W) of a picture.

    Returns
    -------
    The number, or None for a network that looks at values on its way, or keeps tensors that it
    doesn't register. Counting takes a few tenths of a second, so the model (and each copy of it)
    remembers the number while neither its structure nor what is trained of it changes.
    """
    found = _kept(model, shape)
    return None if found is None else found[1]


@dataclass
class Tally:
    """What has been counted so far: operations, or None for a network that can't be counted."""

    flops: float | None = 0.0

    @property
    def pflop(self) -> float | None:
        """The same in units of 10^15."""
        return None if self.flops is None else self.flops / 1e15


@contextlib.contextmanager
def tally(model: nn.Module, shape: tuple[int, ...]) -> Iterator[Tally]:
    """Count the operations of all passes through `model` and through copies of it in the block.

    Each call of the network is a forward pass of as many pictures as it is given, and where what
    it gives has a gradient, a backward pass as well. So a teacher without gradients costs its
    forward pass, and one call under `vmap` or `functional_call` counts as one picture. What is
    computed beside the network (a Fisher matrix, an optimizer's step) is not counted.

    Parameters
    ----------
    model, shape : as of `training_flops`. Copies count that are made in the block, or of a model
        that had been counted before.
    """
    was_counted = KEPT in model.__dict__
    spent = Tally(0.0 if _kept(model, shape) else None)

    def passed(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        found = module.__dict__.get(KEPT, (None, None))[1]
        if found is None or not given or not isinstance(given[0], Tensor):
            return
        learns = any(isinstance(t, Tensor) and t.requires_grad for t in tree_leaves(output))
        spent.flops += len(given[0]) * found[learns]

    handle = register_module_forward_hook(passed) if spent.flops is not None else None
    try:
        yield spent
    finally:
        if handle:
            handle.remove()
        if not was_counted:
            del model.__dict__[KEPT]


def counts_as(new: nn.Module, old: nn.Module) -> nn.Module:
    """`new`, whose passes are counted as those of `old`: the same network with other weights."""
    if KEPT in old.__dict__:
        new.__dict__[KEPT] = old.__dict__[KEPT]
    return new


def _kept(model: nn.Module, shape: tuple[int, ...]) -> tuple[float, float] | None:
    """Operations by picture of a forward pass, and of one forward and backward."""
    trained = tuple((tuple(p.shape), p.requires_grad) for p in model.parameters())
    counted = (shape, repr(model), trained)
    if model.__dict__.get(KEPT, (None, None))[0] != counted:
        model.__dict__[KEPT] = (counted, _count(model, shape))
    return model.__dict__[KEPT][1]


def _count(model: nn.Module, shape: tuple[int, ...]) -> tuple[float, float] | None:
    try:
        with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as counter:
            twin = copy.deepcopy(model).to("meta").train()
            logits = logits_of(twin(torch.zeros(BATCH, *shape, device="meta")))
            forward = counter.get_total_flops()
            labels = torch.zeros(BATCH, dtype=torch.int64, device="meta")
            nn.functional.cross_entropy(logits, labels).backward()
    except Exception:  # networks of users can fail on their way in any manner
        return None
    return forward / BATCH, counter.get_total_flops() / BATCH
