"""Load pictures from a folder of one's own: a tree of picture files, or tables, decoded once and
kept in the cache.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..images import Dataset, Images
from ..places import memory_budget
from . import decode, pixel_cache, shards, tables, trees
from .listing import Listing


def load(
    path: str | os.PathLike,
    *,
    size: int | None = None,
    channels: int | None = None,
    name: str | None = None,
    note: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Dataset:
    """Load the pictures in a folder.

    Read are class folders in ``train`` and ``test`` (or ``val``), one flat set of class folders (a
    fifth of each class is then the test set, always the same), Tiny-ImageNet's official layout, and
    Parquet or Arrow files with a column of encoded pictures and one of labels. Parts are known by
    the words train, test and val anywhere in the names of folders and files. `preview.preview` says
    what would be loaded, and a warning says which pictures are not. The pictures are decoded once,
    in threads, to a uint8 array in the cache folder; it is read into memory if it fits the memory
    budget (`places.memory_budget`), else it stays on disk and batches are read as they are needed.

    Parameters
    ----------
    path : the folder.
    size : edge in pixels; the shorter side is brought to it and the centre cut out. None: the
        pictures' own size, or 64 where they differ.
    channels : 1 or 3. None: 1 where all pictures are greyscale, else 3.
    name, note : of the data set and of this copy of it; None means the folder's name.
    image_column, label_column : of tables; None chooses them by their types and names.

    Raises
    ------
    InputError : the folder is missing, empty or in no known layout, or a file in it is damaged
        (named).
    """
    root = check_folder(path)
    found = listing(root, image_column=image_column, label_column=label_column)
    if loud := [str(one) for one in found.left_out if one.loud]:
        more = f"; and {len(loud) - 5} more kinds" if len(loud) > 5 else ""
        warnings.warn(f"left out of {root}: {'; '.join(loud[:5])}{more}", stacklevel=3)

    for doubt in found.doubts:
        warnings.warn(f"{root}: {doubt}", stacklevel=3)

    def build() -> tuple[tuple[int, ...], Iterator[np.ndarray]]:
        form = decode.survey(found.chunks(), len(found), size=size, channels=channels)
        return (len(found), *form), decode.decode(found.chunks(), len(found), form)

    what = pixel_cache.key(size, channels, len(found.train), found.files, found.columns)
    entry = f"{root.name}-{what}"
    pixels, mean, std = pixel_cache.fetch(entry, len(found.train), build)
    train, test = _parts(pixels, found)
    said = ", ".join(text for text in (note or root.name, found.note) if text)
    return Dataset(name or root.name, train, test, found.classes, mean, std, said)


def listing(
    root: Path, *, image_column: str | None = None, label_column: str | None = None
) -> Listing:
    """What the folder `root` holds, before anything is decoded: tables where there are any, else
    class folders.
    """
    if shards.files(root):
        return tables.listing(root, image_column=image_column, label_column=label_column)
    if image_column is not None or label_column is not None:
        raise InputError(
            f"{root} holds no tables: image_column and label_column name nothing there"
        )
    return trees.listing(root)


def check_folder(path: str | os.PathLike) -> Path:
    """Return the folder, resolved, else raise `InputError` for one that is not there or empty."""
    try:
        root = Path(path).expanduser()
        root.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, no such user
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{str(path)[:200]!r} is no path of a folder: {reason}") from error
    if root.is_symlink() and not root.exists():
        raise InputError(f"{root} is a link that leads nowhere ({os.readlink(root)})")
    if not root.exists():
        raise InputError(f"there is no folder {root}")
    if not root.is_dir():
        raise InputError(f"{root} is a file; give the folder that holds class folders or tables")
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
    pixels.on_disk = on_disk  # type: ignore[attr-defined]
    return Images(pixels, labels)
