"""Public data sets through torchvision, which checks their checksums: Fashion-MNIST, CIFAR-10 and
-100, SVHN, Imagenette.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import http.client
import os
import pickle  # nosec B403
import shutil
import socket
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from ..errors import InputError
from .embedded import FASHION_CLASSES
from .images import Dataset, Images
from .places import data_folder
from .reading import folders
from .statistics import KNOWN

# of Debian's package dataset-fashion-mnist
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_FILES = tuple(
    f"{part}-{what}-ubyte.gz"
    for part in ("train", "t10k")
    for what in ("images-idx3", "labels-idx1")
)
# pixels: of a picture by default, and of the shorter side in the smaller files
IMAGENETTE_SIZE, IMAGENETTE_EDGE = 64, 160
SECONDS_WITHOUT_ANSWER = 30
# What torchvision raises when files are absent or damaged, and, the second list, when the network
# or the disk fails.
UNREADABLE = (
    RuntimeError,
    OSError,
    ValueError,
    AssertionError,
    EOFError,
    KeyError,
    pickle.UnpicklingError,
    struct.error,
)
FAILED = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


@dataclass(frozen=True)
class Source:
    """How to get one data set.

    Attributes
    ----------
    open : (root, download) -> the training and the test part, as torchvision's objects; raises
        where they are absent or damaged.
    files : what a person would put under the data folder by hand; torchvision unpacks it.
    note : which copy this is.
    """

    open: Callable[[Path, bool], list[Any]]
    files: tuple[str, ...]
    note: str


def _by_flag(kind: str) -> Callable[[Path, bool], list[Any]]:
    def opener(root: Path, download: bool) -> list[Any]:
        from torchvision import datasets

        return [
            getattr(datasets, kind)(root, train=train, download=download) for train in (True, False)
        ]

    return opener


def _by_split(
    kind: str, parts: tuple[str, str], **options: Any
) -> Callable[[Path, bool], list[Any]]:
    def opener(root: Path, download: bool) -> list[Any]:
        from torchvision import datasets

        return [
            getattr(datasets, kind)(root, split=part, download=download, **options)
            for part in parts
        ]

    return opener


SOURCES = {
    "fashion-mnist": Source(
        _by_flag("FashionMNIST"),
        tuple(f"FashionMNIST/raw/{name}" for name in FASHION_FILES),
        "Fashion-MNIST, official files",
    ),
    "cifar10": Source(_by_flag("CIFAR10"), ("cifar-10-python.tar.gz",), "CIFAR-10, official files"),
    "cifar100": Source(
        _by_flag("CIFAR100"), ("cifar-100-python.tar.gz",), "CIFAR-100, official files"
    ),
    "svhn": Source(
        _by_split("SVHN", ("train", "test")),
        ("train_32x32.mat", "test_32x32.mat"),
        "SVHN, official cropped digits",
    ),
    "imagenette": Source(
        _by_split("Imagenette", ("train", "val"), size="160px"),
        ("imagenette2-160.tgz",),
        "Imagenette2, official 160-pixel files",
    ),
}
# Pictures wanted larger than these files have them are read from those of full size.
IMAGENETTE_FULL = Source(
    _by_split("Imagenette", ("train", "val"), size="full"),
    ("imagenette2.tgz",),
    "Imagenette2, official files of full size",
)


def load(
    name: str,
    *,
    root: Path | None = None,
    size: int | None = None,
    channels: int | None = None,
    download: bool = True,
) -> Dataset:
    """Load one of `SOURCES`, from the data folder where it is there, else by a download into it.

    Parameters
    ----------
    root : the data folder; None means `places.data_folder()`.
    size, channels : used for Imagenette only (64 and 3 by default); the others come as they are.
    download : False never asks the network.

    Raises
    ------
    InputError : the files are absent or damaged and could not be had; says which file to put where.
    """
    root = data_folder() if root is None else root
    source = (
        IMAGENETTE_FULL if name == "imagenette" and (size or 0) > IMAGENETTE_EDGE else SOURCES[name]
    )
    parts = _present(source, root)
    if (
        parts is None
        and name == "fashion-mnist"
        and all((DEBIAN_FASHION / file).is_file() for file in FASHION_FILES)
    ):
        return _debian_fashion()
    if parts is None:
        parts = _fetch(name, source, root, download)
    if name == "imagenette":
        return _imagenette(root, source, size or IMAGENETTE_SIZE, channels)
    mean, std = KNOWN[name]
    classes = [str(i) for i in range(10)] if name == "svhn" else list(parts[0].classes)
    train, test = (_images(part) for part in parts)
    return Dataset(name, train, test, classes, mean, std, source.note)


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of bytes: uint8 (N, H, W) for pictures, (N,) for labels."""
    try:
        with gzip.open(path, "rb") as stream:
            kind, ndim = struct.unpack(">HBB", stream.read(4))[1:]
            shape = struct.unpack(f">{ndim}I", stream.read(4 * ndim))
            values = np.frombuffer(stream.read(), np.uint8)
        if kind != 8 or len(values) != np.prod(shape):
            raise ValueError("not as many bytes as its head announces")
        return values.reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise InputError(f"{path} is not a readable IDX file: {error}") from error


def _debian_fashion() -> Dataset:
    train, test = (
        Images(
            torch.from_numpy(read_idx(DEBIAN_FASHION / pictures).copy()).unsqueeze(1),
            torch.from_numpy(read_idx(DEBIAN_FASHION / labels).astype(np.int64)),
        )
        for pictures, labels in (FASHION_FILES[:2], FASHION_FILES[2:])
    )
    mean, std = KNOWN["fashion-mnist"]
    return Dataset(
        "fashion-mnist",
        train,
        test,
        list(FASHION_CLASSES),
        mean,
        std,
        SOURCES["fashion-mnist"].note,
    )


def _imagenette(root: Path, source: Source, size: int, channels: int | None) -> Dataset:
    from torchvision.datasets import Imagenette

    data = folders.load(
        root / source.files[0].removesuffix(".tgz"),
        size=size,
        channels=channels or 3,
        name="imagenette",
        note=source.note,
    )
    classes = [Imagenette._WNID_TO_CLASS.get(wnid, (wnid,))[0] for wnid in data.classes]
    return Dataset(
        data.name,
        data.train,
        data.test,
        classes,
        data.mean,
        data.std,
        f"{data.note} at {size}×{size}",
    )


def _images(part: Any) -> Images:
    """One part of a torchvision data set as `Images`; its arrays are (N, H, W), (N, H, W, 3) or,
    for SVHN, (N, 3, H, W).
    """
    pixels = torch.as_tensor(part.data)
    if pixels.ndim == 3:
        pixels = pixels.unsqueeze(1)
    elif pixels.shape[1] != 3:
        pixels = pixels.permute(0, 3, 1, 2)
    labels = torch.as_tensor(part.targets if hasattr(part, "targets") else part.labels).long()
    return Images(pixels.contiguous(), labels)


def _present(source: Source, root: Path) -> list[Any] | None:
    try:
        return source.open(root, False)
    except UNREADABLE:
        return None


def _fetch(name: str, source: Source, root: Path, download: bool) -> list[Any]:
    """Download (or unpack what was put there by hand) beside the final place and move it there when
    it is whole.
    """
    if not download and not all((root / file).is_file() for file in source.files):
        raise InputError(f"{name} is not in {root}; {_by_hand(source, root)}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            parts = _present(source, root)  # another process may have fetched it meanwhile
            if parts is None:
                for left_by_a_killed_process in root.glob(f".{name}-*"):
                    shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
                with (
                    tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as partial,
                    _impatient(),
                ):
                    _copy_if_there(source, root, Path(partial))
                    source.open(Path(partial), True)
                    _move_into(Path(partial), root)
                parts = source.open(root, False)
            return parts
    except FAILED as error:
        if isinstance(error, OSError) and error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
        ):
            raise InputError(
                f"cannot write {name} to {root}: {error.strerror}; set SALUN_DATA to another folder"
            ) from error
        reason = (
            str(getattr(error, "reason", "") or error).strip().replace("\n", " ")[:200]
            or type(error).__name__
        )
        raise InputError(
            f"could not download {name} ({reason}); {_by_hand(source, root)}"
        ) from error


def _by_hand(source: Source, root: Path) -> str:
    damaged = [file for file in source.files if (root / file).is_file()]
    again = (
        f" (what is there now, {', '.join(damaged)}, is damaged or not enough)" if damaged else ""
    )
    return (
        f"put {', '.join(source.files)} into {root}{again}, or set SALUN_DATA to a folder that has"
        " it; fashion-mini needs no download"
    )


def _copy_if_there(source: Source, root: Path, partial: Path) -> None:
    for file in source.files:
        if (root / file).is_file():
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / file, partial / file)


def _move_into(partial: Path, root: Path) -> None:
    """Move everything under `partial` to `root`; a folder that is not there yet appears whole."""
    for item in sorted(partial.iterdir()):
        target = root / item.name
        if item.is_dir() and target.is_dir():
            _move_into(item, target)
        else:
            os.replace(item, target)


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Give up on a server that is silent; without this a network that swallows packets holds the
    caller for minutes.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_WITHOUT_ANSWER)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
