"""What a folder of pictures holds before anything is decoded, and the rules every such folder is
held to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from .decode import Chunk

CHUNK = 256  # pictures a thread decodes at a time
PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test",
         "val": "val", "valid": "val", "validation": "val"}  # fmt: skip
FIXED_SPLIT = "fixed 80/20 split"


@dataclass(frozen=True)
class Listing:
    """Pictures in order, the training part first.

    Attributes
    ----------
    classes : a name for each label. train, test : int64 labels.
    files : (relative name, bytes, modification time in ns) of each file; the cache hangs on them.
    chunks : gives the pictures, at most `CHUNK` at a time, without mixing the two parts up.
    note : what a reader should know about the parts, such as "validation part as test set".
    """

    classes: list[str]
    train: Tensor
    test: Tensor
    files: list[tuple[str, int, int]]
    chunks: Callable[[], Iterator[Chunk]]
    note: str = ""

    def __len__(self) -> int:
        return len(self.train) + len(self.test)


def part_of(name: str) -> str | None:
    """ "train", "test" or "val" for a file or folder name such as ``train-00000-of-00002`` or
    ``Validation``, else None.
    """
    word = re.match(r"[a-z]+", name.lower())
    return PARTS.get(word.group()) if word else None


def facts(path: Path, root: Path) -> tuple[str, int, int]:
    """(name relative to `root`, bytes, modification time): what tells one version of a file from
    another.
    """
    status = path.stat()
    return path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns


def check_classes(where: Path, classes: Sequence[str], labels: Tensor) -> None:
    """Raise `InputError` unless at least two classes have pictures."""
    present = labels.unique().tolist()
    if len(present) < 2:
        only = f" ({classes[present[0]]})" if present else ""
        raise InputError(
            f"{where} has pictures of one class only{only}; unlearning needs two or more"
        )


def check_fixed_split(where: Path, classes: Sequence[str], labels: Tensor) -> None:
    """Raise `InputError` where a class has too few pictures to give one to the test set and keep
    one.
    """
    for label, count in enumerate(torch.bincount(labels, minlength=len(classes)).tolist()):
        if count == 1:
            raise InputError(
                f"class {classes[label]} in {where} has one picture; without a test folder each"
                " needs two or more"
            )
