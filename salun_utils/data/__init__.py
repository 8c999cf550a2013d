"""Data sets as uint8 pictures, and their cuts into what is forgotten and what is retained.

>>> data = load("fashion-mini")
>>> split = random_split(data, fraction=0.1, seed=0)
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, unknown
from . import downloads, embedded, forget_sets
from .images import Dataset, Images
from .reading import folders
from .splits import ForgetSplit, class_split, random_split, subset_split
from .statistics import mean_std

EMBEDDED = {
    "fashion-mini": embedded.fashion_mini,
    "digits": embedded.digits,
}
NAMES = (*EMBEDDED, *downloads.SOURCES)

__all__ = [
    "NAMES",
    "Dataset",
    "ForgetSplit",
    "Images",
    "class_split",
    "forget_sets",
    "from_tensors",
    "load",
    "random_split",
    "subset_split",
]


def load(
    name_or_path: str | os.PathLike,
    *,
    root: str | os.PathLike | None = None,
    size: int | None = None,
    download: bool = True,
    channels: int | None = None,
    note: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Dataset:
    """Load a data set by name, or the pictures in a folder.

    Parameters
    ----------
    name_or_path : one of `NAMES`, or a folder (see `folders.load` for the layouts).
    root : where downloads are kept; None means ``$SALUN_DATA``, else the platform's cache folder.
    size : edge in pixels of the square pictures wanted; None keeps their own (64 for Imagenette and
        for folders of differing sizes).
    download : False never asks the network.
    channels : 1 (greyscale) or 3 (colour); None keeps what there is.
    note : which copy of the data this is, shown beside every number; None means what is known of
        it.
    image_column, label_column : of a folder of tables whose columns have uncommon names; None
        chooses them.

    Returns
    -------
    `Dataset` with uint8 pictures (N, C, H, W) and int64 labels (N,).

    Raises
    ------
    InputError : an unknown name, a folder that cannot be read (the damaged file is named), or a
        download that failed.
    """
    _check_options(size, channels)
    if not isinstance(name_or_path, (str, os.PathLike)) or not os.fspath(name_or_path):
        raise InputError(
            f"a data set is a name ({', '.join(NAMES)}) or the path of a folder, not"
            f" {name_or_path!r}"
        )
    text = os.fspath(name_or_path)
    own = {"image_column": image_column, "label_column": label_column}
    for what, column in own.items():
        if column is not None and not isinstance(column, str):
            raise InputError(f"{what} is the name of a column, not {column!r}")
    if (text in EMBEDDED or text in downloads.SOURCES) and any(c is not None for c in own.values()):
        raise InputError(f"{text} has no columns: these are named for a folder of tables")
    if text in EMBEDDED:
        data = EMBEDDED[text]()
    elif text in downloads.SOURCES:
        folder = None if root is None else Path(root).expanduser()
        data = downloads.load(text, root=folder, size=size, channels=channels, download=download)
    elif (
        not isinstance(name_or_path, str)
        or any(sign in text for sign in "/\\~.")
        or Path(text).is_dir()
    ):
        return folders.load(text, size=size, channels=channels, note=note, **own)
    else:
        raise unknown("data set", text, (*NAMES, "or the path of a folder"))
    data = _reshape(data, size, channels)
    return data if note is None else dataclasses.replace(data, note=note)


def from_tensors(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    classes: Sequence[str] | None = None,
    *,
    name: str = "tensors",
    note: str = "",
) -> Dataset:
    """Make a data set of pictures that are at hand.

    Parameters
    ----------
    train, test : (x, y) each, x uint8 (N, C, H, W), y whole numbers (N,) from 0; tensors or NumPy
        arrays. C, H, W are the same in both.
    classes : one name for each label; None numbers them.
    name, note : what to call the set, and which copy of the data it is.

    Raises
    ------
    InputError : another dtype or shape, an empty part, a label out of range, fewer than two
        classes; without `classes` also labels that leave most numbers from 0 unused.
    """
    (x, y), (x_test, y_test) = _checked_part("train", train), _checked_part("test", test)
    if classes is not None and not isinstance(classes, Iterable):
        raise InputError(f"classes must be names, one for each label, not {classes!r}")
    if x.shape[1:] != x_test.shape[1:]:
        raise InputError(
            f"train pictures are {tuple(x.shape[1:])} and test pictures {tuple(x_test.shape[1:])}:"
            " they must agree"
        )
    if classes is None:
        _check_dense(torch.cat([y.cpu(), y_test.cpu()]).unique().tolist())
    names = (
        [str(i) for i in range(int(y.max()) + 1)] if classes is None else [str(c) for c in classes]
    )
    if isinstance(classes, str) or len(names) < 2 or len(y.unique()) < 2:
        raise InputError(
            "unlearning needs two or more classes, each with a name and at least two of them with"
            " training pictures"
        )
    for part, labels in (("train", y), ("test", y_test)):
        if int(labels.min()) < 0 or int(labels.max()) >= len(names):
            raise InputError(
                f"{part} labels must lie in 0 to {len(names) - 1}, not {int(labels.min())} to"
                f" {int(labels.max())}"
            )
    mean, std = mean_std(x)
    return Dataset(name, Images(x, y), Images(x_test, y_test), names, mean, std, note)


def _check_dense(labels: list[int]) -> None:
    """Refuse labels that count from 1 or are identifiers: they would make classes without
    pictures.
    """
    if labels[0] > 0 or labels[-1] + 1 > 2 * len(labels):
        raise InputError(
            f"the {len(labels)} labels run from {labels[0]} to {labels[-1]}, and count from 0 where"
            " no classes are named; take torch.unique(y, return_inverse=True), or name a class for"
            " every number from 0"
        )


def _checked_part(part: str, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise InputError(f"{part} must be a pair (pictures, labels)")
    if not all(isinstance(t, (Tensor, np.ndarray)) for t in pair):
        raise InputError(
            f"{part} pictures and labels must be tensors or arrays, not"
            f" {', '.join(type(t).__name__ for t in pair)}"
        )
    x, y = (_as_tensor(f"{part} {what}", t) for what, t in zip(("pictures", "labels"), pair))
    if x.dtype != torch.uint8:
        hint = (
            "; for floats in [0, 1] take (x * 255).round().to(torch.uint8)"
            if x.is_floating_point()
            else ""
        )
        raise InputError(
            f"{part} pictures must be uint8, not {str(x.dtype).removeprefix('torch.')}{hint}"
        )
    if x.ndim != 4 or 0 in x.shape:
        raise InputError(
            f"{part} pictures must have the shape (N, C, H, W) with nothing empty, not"
            f" {tuple(x.shape)}"
        )
    if x.shape[3] in (1, 3) and x.shape[1] > 4:
        raise InputError(
            f"{part} pictures {tuple(x.shape)} have their channels last; take x.permute(0, 3, 1, 2)"
        )
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise InputError(
            f"{part} labels must be whole numbers (int64), not"
            f" {str(y.dtype).removeprefix('torch.')}"
        )
    if y.shape != (len(x),):
        raise InputError(
            f"{part} needs one label for each of its {len(x)} pictures, not labels of the shape"
            f" {tuple(y.shape)}"
        )
    if x.device != y.device:
        raise InputError(
            f"{part} pictures are on {x.device} and labels on {y.device}: they must agree"
        )
    return x.contiguous(), y.long()


def _as_tensor(what: str, values: Tensor | np.ndarray) -> Tensor:
    """An array in whatever order its bytes and rows lie, or a tensor that holds its numbers."""
    if isinstance(values, Tensor):
        if values.is_meta or values.layout != torch.strided:
            kind = "on the meta device" if values.is_meta else f"of the layout {values.layout}"
            raise InputError(f"{what} must be a dense tensor that holds numbers, not one {kind}")
        return values
    if values.dtype.kind not in "biuf":
        raise InputError(f"{what} must be numbers, not of the type {values.dtype}")
    if any(step < 0 for step in values.strides) or not values.dtype.isnative:
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    with warnings.catch_warnings():  # an array that can't be written: nothing here writes
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.as_tensor(values)


def _check_options(size: object, channels: object) -> None:
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int) or not 4 <= size <= 4096
    ):
        raise InputError(f"size must be a whole number of pixels from 4 to 4096, not {size!r}")
    if channels not in (None, 1, 3) or isinstance(channels, bool):
        raise InputError(f"channels must be 1 or 3, not {channels!r}")


def _reshape(data: Dataset, size: int | None, channels: int | None) -> Dataset:
    """The data set at another size or number of channels; unchanged where it fits already."""
    c, h, w = data.train.shape
    if (channels or c, size or h, size or w) == (c, h, w):
        return data
    train, test = (
        Images(_resized(part.pixels, size or h, size or w, channels or c), part.labels)
        for part in (data.train, data.test)
    )
    mean, std = mean_std(train.pixels)
    note = f"{data.note}, brought to {'×'.join(map(str, train.shape))}"
    return dataclasses.replace(data, train=train, test=test, mean=mean, std=std, note=note)


def _resized(pixels: Tensor, height: int, width: int, channels: int) -> Tensor:
    """uint8 (N, C, H, W) at another size (antialiased bilinear) and 1 or 3 channels (luma of ITU-R
    601).
    """
    done = []
    for x in pixels.split(4096):
        x = x.float()
        if x.shape[1] == 3 and channels == 1:
            x = (x * torch.tensor([0.299, 0.587, 0.114], device=x.device)[:, None, None]).sum(
                1, keepdim=True
            )
        if x.shape[-2:] != (height, width):
            x = torch.nn.functional.interpolate(x, (height, width), mode="bilinear", antialias=True)
        done.append(x.round().clamp(0, 255).to(torch.uint8).expand(-1, channels, -1, -1))
    return torch.cat(done)
