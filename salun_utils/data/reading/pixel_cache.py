"""Decoded pictures on disk: one array a set, written whole or not at all, verified by checksum when
read.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from ...errors import InputError
from ...files import DamagedError, atomic, sealed, sha256, unsealed
from ..places import cache_folder
from ..statistics import mean_std

VERSION = 2  # raise it when the same files would decode to other pixels or another order


def key(*parts: object) -> str:
    """A short name for what the cached pixels depend on: anything `json.dumps` takes."""
    return hashlib.sha256(json.dumps([VERSION, *parts]).encode()).hexdigest()[:20]


def fetch(
    name: str, train_count: int, build: Callable[[], tuple[tuple[int, ...], Iterator[np.ndarray]]]
) -> tuple[np.ndarray, tuple[float, ...], tuple[float, ...]]:
    """The pixels cached as `name`, decoded first where they are not there or damaged.

    Parameters
    ----------
    name : of the entry, with everything it depends on in it (see `key`).
    train_count : how many of the pictures, from the first, are for training; mean and std are
        theirs.
    build : gives the shape (N, C, H, W) and the uint8 arrays that make it up in order; called where
        needed only.

    Returns
    -------
    pixels : uint8 (N, C, H, W), memory-mapped (copy on write). mean, std : per channel.

    Raises
    ------
    InputError : the cache folder cannot be written.
    """
    path = cache_folder() / "pictures" / f"{name}.npy"
    try:
        found = _read(path)
        if found is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                found = _read(path, quiet=True)  # another process may have decoded it meanwhile
                if found is None:
                    for left_by_a_killed_process in path.parent.glob(f".{path.name}.*.part"):
                        left_by_a_killed_process.unlink()
                    _write(path, train_count, *build())
                    found = _read(path)
    except OSError as error:
        raise InputError(
            f"cannot write decoded pictures to {path.parent}: {error.strerror or error}; set"
            " SALUN_CACHE"
        ) from error
    if found is None:
        raise InputError(
            f"decoded pictures in {path.parent} change while they are read: is the disk sound? set"
            " SALUN_CACHE to another"
        )
    return found


def _read(
    path: Path, *, quiet: bool = False
) -> tuple[np.ndarray, tuple[float, ...], tuple[float, ...]] | None:
    """What is cached, or None where nothing is or it is damaged."""
    about = path.with_suffix(".json")
    if not about.is_file():
        return None
    try:
        facts = unsealed(about.read_bytes())
        if sha256(path) == facts["sha256"]:
            return (
                np.load(path, mmap_mode="c", allow_pickle=False),
                tuple(facts["mean"]),
                tuple(facts["std"]),
            )
        reason = "its checksum differs"
    except (OSError, DamagedError, ValueError, KeyError, TypeError) as error:
        reason = str(error)
    if not quiet:
        warnings.warn(
            f"the cached pictures {path} are damaged ({reason}): decoding them again", stacklevel=5
        )
    return None


def _write(
    path: Path, train_count: int, shape: tuple[int, ...], arrays: Iterator[np.ndarray]
) -> None:
    """Write the array, then the facts about it: without these the array does not count."""
    with atomic(path) as partial, open(partial, "wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for array in arrays:
            stream.write(np.ascontiguousarray(array).data)
        stream.flush()
        digest = sha256(partial)
        pixels = np.load(partial, mmap_mode="c")
        mean, std = mean_std(torch.from_numpy(pixels[:train_count]))
        del pixels
    facts = {
        "version": VERSION,
        "shape": shape,
        "train": train_count,
        "sha256": digest,
        "mean": mean,
        "std": std,
    }
    with atomic(path.with_suffix(".json")) as partial:
        partial.write_text(sealed(facts))
