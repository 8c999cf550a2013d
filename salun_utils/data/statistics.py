"""Per-channel mean and deviation of pictures, and the fixed draw that makes a test set where none
came along.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..seeds import generator

# Per channel, of the training pictures in [0, 1]: the values in common use for these sets.
KNOWN: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "fashion-mini": ((0.2867,), (0.3540,)),
    "fashion-mnist": ((0.2860,), (0.3530,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}
SMALLEST_STD = 1 / 255  # a channel that never varies must not be divided by zero
CHUNK_BYTES = 2**24


def mean_std(pixels: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pictures and positions, of pixels in [0,
    1].

    Parameters
    ----------
    pixels : uint8 (N, C, H, W), N at least 1; may be memory-mapped, since it is read in chunks.

    Returns
    -------
    mean, std : C floats each. From exact counts of the 256 values, so the chunk size makes no
        difference; the smallest std is 1/255.
    """
    channels = pixels.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.int64, device=pixels.device)
    for chunk in pixels.split(max(1, CHUNK_BYTES // max(1, pixels[0].numel()))):
        for c in range(channels):
            counts[c] += torch.bincount(chunk[:, c].flatten(), minlength=256)
    values = torch.arange(256, dtype=torch.float64) / 255
    share = counts.cpu().double() / counts[0].sum().item()
    mean = (share * values).sum(1)
    std = (share * (values - mean[:, None]) ** 2).sum(1).sqrt().clamp_min(SMALLEST_STD)
    return tuple(mean.tolist()), tuple(std.tolist())


def fixed_test_rows(labels: Tensor, share: float = 0.2) -> Tensor:
    """Choose a test set, `share` of each class, the same on every call and machine.

    Parameters
    ----------
    labels : int64 (N,).
    share : of each class, rounded; a class of two or more pictures gives at least one and keeps at
        least one.

    Returns
    -------
    bool tensor (N,), True for test.
    """
    draws = generator(0, "fixed test set")
    out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        members = (labels == label).nonzero().flatten()
        count = min(max(1, round(share * len(members))), len(members) - 1)
        out[members[torch.randperm(len(members), generator=draws)[:count]]] = True
    return out
