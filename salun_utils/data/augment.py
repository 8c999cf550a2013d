"""What is done at random to a batch of pictures while a network trains: crops, shifts, flips."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError

AUGMENTATIONS = (None, "crop-flip", "crop", "shift-flip")
SHIFT = 2  # pixels by which "shift-flip" moves a picture at most


def check_augment(augment: str | bool | None) -> str | None:
    """Return a member of `AUGMENTATIONS`; True means "crop-flip" and False means None."""
    if isinstance(augment, bool):
        augment = "crop-flip" if augment else None
    if augment not in AUGMENTATIONS:
        raise InputError(
            f"augment must be one of {', '.join(map(str, AUGMENTATIONS))}, not {augment!r}"
        )
    return augment


def augmented(x: Tensor, how: str, generator: torch.Generator) -> Tensor:
    """A batch (B, C, H, W) under one of `AUGMENTATIONS`, the same draws on every device."""
    pad = SHIFT if how == "shift-flip" else None
    return crop_and_flip(x, generator, flip=how != "crop", pad=pad)


def crop_and_flip(
    x: Tensor, generator: torch.Generator, *, flip: bool, pad: int | None = None
) -> Tensor:
    """Random crop after zero padding and, if asked, a horizontal flip of half of the pictures, for
    a whole batch at once.

    Parameters
    ----------
    x : (B, C, H, W).
    pad : pixels of zeros on each side; None means 4 from 32 pixels upward and H // 8 below.
    generator : a CPU generator, so that the draws are the same on every device.
    """
    count, _, height, width = x.shape
    if pad is None:
        pad = 4 if height >= 32 else height // 8
    top = torch.randint(0, 2 * pad + 1, (count, 1), generator=generator) + torch.arange(height)
    left = torch.randint(0, 2 * pad + 1, (count, 1), generator=generator) + torch.arange(width)
    if flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        left = torch.where(mirrored, left.flip(1), left)
    padded = torch.nn.functional.pad(x, (pad, pad, pad, pad))
    rows = torch.arange(count, device=x.device)[:, None, None]
    picked = padded.permute(0, 2, 3, 1)[
        rows, top.to(x.device)[:, :, None], left.to(x.device)[:, None, :]
    ]
    return picked.permute(0, 3, 1, 2)
