"""Pipelines in 16-bit floats, or with parts of different types: trained in float32, given back as
they were.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def as_float32(module: nn.Module) -> nn.Module:
    """The module itself where all its floats are float32, else a float32 copy."""
    if {x.dtype for _, x in _floats(module)} <= {torch.float32}:
        return module
    return copy.deepcopy(module).float()


def types_of(module: nn.Module) -> dict[str, torch.dtype]:
    """Name -> type of every floating weight and buffer."""
    return {name: x.dtype for name, x in _floats(module)}


@torch.no_grad()
def give_types_back(module: nn.Module, types: dict[str, torch.dtype], original: nn.Module) -> float:
    """Turn each weight into the type it had.

    Returns
    -------
    the share, 0 to 1, of the weights changed against `original` that rounding put back to their old
    value.
    """
    before, changed, undone = dict(_floats(original)), 0, 0
    for name, x in _floats(module):
        old = before[name].to(x.dtype)
        moved = x != old
        x.data = x.data.to(types[name])
        changed += int(moved.sum())
        undone += int((moved & (x.to(old.dtype) == old)).sum())
    return undone / changed if changed else 0.0


def with_parts(pipe, **parts):
    """The same pipeline with some of its parts replaced; the one passed in stays as it is."""
    changed = copy.copy(pipe)
    changed.register_modules(**parts)
    return changed


def in_float32(pipe, *names: str):
    """The pipeline with those of its parts, by default all, in float32; itself where they are."""
    chosen = {
        name: part
        for name, part in pipe.components.items()
        if isinstance(part, nn.Module) and (not names or name in names)
    }
    copies = {name: as_float32(part) for name, part in chosen.items()}
    changed = {name: part for name, part in copies.items() if part is not chosen[name]}
    return with_parts(pipe, **changed) if changed else pipe


def agreeing(pipe):
    """The pipeline itself where all its parts are of the U-Net's type, else one with copies of the
    others in that type (float32 where the U-Net itself is of several), so that it can draw.
    """
    nets = {k: m for k, m in pipe.components.items() if isinstance(m, nn.Module)}
    own = {x.dtype for _, x in _floats(pipe.unet)}
    wanted = own.pop() if len(own) == 1 else torch.float32
    odd = {k: m for k, m in nets.items() if {x.dtype for _, x in _floats(m)} - {wanted}}
    if not odd:
        return pipe
    return with_parts(pipe, **{k: copy.deepcopy(m).to(wanted) for k, m in odd.items()})


def _floats(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, x in (*module.named_parameters(), *module.named_buffers()):
        if x.is_floating_point():
            yield name, x
