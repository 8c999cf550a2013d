"""Load pictures from a folder of one's own: a tree of picture files or Parquet files, decoded once
and kept in the cache.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from . import decode, parquet, pixel_cache, trees
from .images import Dataset, Images
from .listing import Listing
from .places import memory_budget


def load(
    path: str | os.PathLike,
    *,
    size: int | None = None,
    channels: int | None = None,
    name: str | None = None,
    note: str | None = None,
) -> Dataset:
    """Load the pictures in a folder.

    Read are class folders in ``train`` and ``test`` (or ``val``), one flat set of class folders (a
    fifth of each class is then the test set, always the same), Tiny-ImageNet's official layout, and
    Parquet files with an ``image`` and a ``label`` column. The pictures are decoded once, in
    threads, to a uint8 array in the cache folder; it is read into memory if it fits the memory
    budget (`places.memory_budget`), else it stays on disk and batches are read as they are needed.

    Parameters
    ----------
    path : the folder.
    size : edge in pixels; the shorter side is brought to it and the centre cut out. None: the
        pictures' own size, or 64 where they differ.
    channels : 1 or 3. None: 1 where all pictures are greyscale, else 3.
    name, note : of the data set and of this copy of it; None means the folder's name.

    Raises
    ------
    InputError : the folder is missing, empty or in no known layout, or a file in it is damaged
        (named).
    """
    root = _check_folder(path)
    found = parquet.listing(root) if parquet.files(root) else trees.listing(root)

    def build() -> tuple[tuple[int, ...], object]:
        form = decode.survey(found.chunks(), len(found), size=size, channels=channels)
        return (len(found), *form), decode.decode(found.chunks(), len(found), form)

    entry = f"{root.name}-{pixel_cache.key(size, channels, len(found.train), found.files)}"
    pixels, mean, std = pixel_cache.fetch(entry, len(found.train), build)
    train, test = _parts(pixels, found)
    said = ", ".join(text for text in (note or root.name, found.note) if text)
    return Dataset(name or root.name, train, test, found.classes, mean, std, said)


def _check_folder(path: str | os.PathLike) -> Path:
    root = Path(path).expanduser()
    if not root.exists():
        raise InputError(f"there is no folder {root}")
    if not root.is_dir():
        raise InputError(
            f"{root} is a file; give the folder that holds class folders or Parquet files"
        )
    if not any(root.iterdir()):
        raise InputError(f"the folder {root} is empty")
    return root.resolve()


def _parts(pixels: np.ndarray, found: Listing) -> tuple[Images, Images]:
    """Training and test part over one array, in memory where the budget allows it."""
    on_disk = pixels.nbytes > memory_budget()
    whole = torch.from_numpy(pixels if on_disk else np.array(pixels))
    count = len(found.train)
    return _images(whole[:count], found.train, on_disk), _images(whole[count:], found.test, on_disk)


def _images(pixels: Tensor, labels: Tensor, on_disk: bool) -> Images:
    # read by `images.is_memory_mapped`: such a set is never copied to a device whole
    pixels.on_disk = on_disk
    return Images(pixels, labels)
