"""A mask on disk: a safetensors file of packed bits, with shapes, rule and a checksum.

A mask that was saved before masks carried a checksum is taken if it can be verified by what it
holds: its rule says which share is kept ("top 0.5"), exactly that many bits are set, and none
beyond the last weight.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import InputError
from ..files import atomic

ABOUT = {"shapes", "rule", "checksum"}  # what a mask file says besides its bits
UNREADABLE = (  # what a damaged file can raise
    SafetensorError,
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class Parts(NamedTuple):
    """What a mask is made of: its bits, eight weights a byte, and their shapes, by name; and the
    rule that chose them.
    """

    packed: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    rule: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of names, shapes and bits."""
        digest = hashlib.sha256(json.dumps(self.shapes).encode())
        for bits in self.packed.values():
            digest.update(bits.tobytes())
        return digest.hexdigest()

    @property
    def checksum(self) -> str:
        """SHA-256 (hex) of all."""
        return hashlib.sha256(f"{self.fingerprint}\n{self.rule}".encode()).hexdigest()

    @property
    def fit(self) -> bool:
        """Whether the bits are as many bytes as the shapes need."""
        return all(
            min(shape, default=0) >= 0
            and self.packed[name].dtype == np.uint8
            and self.packed[name].shape == (-(-math.prod(shape) // 8),)
            for name, shape in self.shapes.items()
        )


def write(parts: Parts, path: str | os.PathLike) -> None:
    """Write a mask file; it appears whole or not at all."""
    about = {
        "shapes": json.dumps(parts.shapes),
        "rule": parts.rule,
        "checksum": parts.checksum,
    }
    with atomic(path) as partial:
        save_file({n: torch.from_numpy(p) for n, p in parts.packed.items()}, partial, about)


def read(path: str | os.PathLike) -> Parts:
    """Read a mask file.

    Raises
    ------
    InputError : there is none, it is damaged or something else, or nothing shows that it is whole.
    """
    try:
        with safe_open(path, "np") as file:
            about = file.metadata() or {}
            shapes = {n: tuple(s) for n, s in json.loads(about["shapes"]).items()}
            parts = Parts({n: file.get_tensor(n) for n in shapes}, shapes, about.get("rule", ""))
            more = (set(file.keys()) - set(shapes)) | (set(about) - ABOUT)
        fits = not more and parts.fit
    except FileNotFoundError:
        raise InputError(f"there is no mask file {path}") from None
    except UNREADABLE as error:
        raise InputError(f"{path} is no readable mask file ({type(error).__name__})") from error
    if not fits:
        raise InputError(f"{path} is no readable mask file: its parts don't fit its shapes")
    if "checksum" not in about and not as_its_rule_says(parts):
        raise InputError(
            f"{path} is no readable mask file: it has no checksum, and nothing in it shows that"
            " it is whole; make it again"
        )
    if about.get("checksum", parts.checksum) != parts.checksum:
        raise InputError(f"{path} is no readable mask file: damaged, its checksum differs")
    return parts


def as_its_rule_says(parts: Parts) -> bool:
    """Whether as many bits are set as the rule names a share of, and none beyond the last
    weight.
    """
    sizes = {n: math.prod(s) for n, s in parts.shapes.items()}
    spare = {n: len(p) * 8 - sizes[n] for n, p in parts.packed.items()}
    if any(k and parts.packed[n][-1] & ((1 << k) - 1) for n, k in spare.items()):
        return False
    said = re.fullmatch(r"(inverted )?(top|lowest|random|magnitude) ([0-9.e-]+)", parts.rule)
    if said is None:
        return False
    try:
        share = float(said[3])
    except ValueError:
        return False
    if not 0 <= share <= 1:
        return False
    size = sum(sizes.values())
    kept = sum(int(np.unpackbits(p).sum()) for p in parts.packed.values())
    kept = size - kept if said[1] else kept
    # a rule gives its share in six digits: with fewer it is the very share
    rounded = 5e-6 if len(said[3].lstrip("0.").replace(".", "")) >= 6 else 0.0
    low, high = (int(share * (1 + r) * size) for r in (-rounded, rounded))
    return low <= kept <= high


def read_tensors(path: str | os.PathLike) -> dict[str, torch.Tensor] | None:
    """What a safetensors file holds that says nothing of itself, and so is none of `write`; None
    for any other file. No single damaged bit makes one of ours look like that.
    """
    try:
        with safe_open(path, "pt") as file:
            if set(file.metadata() or {}) - {"format"}:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except UNREADABLE:
        return None


def read_dictionary(path: str | os.PathLike) -> Any:
    """What a ``.pt`` file holds.

    Raises
    ------
    InputError : there is none, or it can't be read.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"there is no mask file {path}") from None
    except Exception as error:  # pickles can fail in any way
        raise InputError(f"{path} is no readable mask file ({type(error).__name__})") from error
