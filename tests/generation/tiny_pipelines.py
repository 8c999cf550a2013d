"""What tests of pipelines share: the classes and the size of a small pipeline, and pictures."""

from __future__ import annotations

import torch

from salun_utils.data.images import Dataset, Images

CLASSES = ["Circle", "Square", "Ankle boot"]
TINY = {"widths": (16, 32), "vae_widths": (8, 16, 16), "text_width": 32}  # of `mini_sd.build`


def shapes_of(count: int, *, side: int = 28) -> Dataset:
    """Random grey pictures of the three classes in turn; those to test on are the same."""
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 1, side, side), dtype=torch.uint8, generator=draws)
    images = Images(pixels, torch.arange(count) % 3)
    return Dataset("shapes", images, images, CLASSES, (0.5,), (0.5,))
