"""How many operations a training takes, counted without computing anything."""

from __future__ import annotations

import copy

import torch
from torch import nn
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
    trained = tuple((tuple(p.shape), p.requires_grad) for p in model.parameters())
    counted = (shape, repr(model), trained)
    if model.__dict__.get(KEPT, (None, None))[0] != counted:
        model.__dict__[KEPT] = (counted, _count(model, shape))
    return model.__dict__[KEPT][1]


def _count(model: nn.Module, shape: tuple[int, ...]) -> float | None:
    try:
        with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as counter:
            twin = copy.deepcopy(model).to("meta").train()
            logits = logits_of(twin(torch.zeros(BATCH, *shape, device="meta")))
            labels = torch.zeros(BATCH, dtype=torch.int64, device="meta")
            nn.functional.cross_entropy(logits, labels).backward()
    except Exception:  # networks of users can fail on their way in any manner
        return None
    return counter.get_total_flops() / BATCH
