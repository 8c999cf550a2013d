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

from ...errors import InputError
from .decode import Chunk

CHUNK = 256  # pictures a thread decodes at a time
PARTS = {"train": "train", "training": "train", "trainval": "train",
         "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
         "val": "val", "valid": "val", "validation": "val", "dev": "val"}  # fmt: skip
# what is glued to such a word without saying anything else: "trainset", "imagestest"
GLUED = ("set", "sets", "data", "dataset", "images", "image", "imgs", "img", "pics", "split")
FIXED_SPLIT = "fixed 80/20 split"
VALIDATION_AS_TEST = "validation part as test set"


@dataclass(frozen=True)
class LeftOut:
    """Something in a folder that is not loaded: what, why, and whether a reader must be told of it
    unasked (`loud`).
    """

    what: str
    why: str
    loud: bool = True

    def __str__(self) -> str:
        return f"{self.what} ({self.why})"


@dataclass(frozen=True)
class Listing:
    """Pictures in order, the training part first.

    Attributes
    ----------
    classes : a name for each label. train, test : int64 labels.
    files : (relative name, bytes, modification time in ns) of each file; the cache hangs on them.
    chunks : gives the pictures, at most `CHUNK` at a time, without mixing the two parts up.
    note : what a reader should know about the parts, such as "validation part as test set".
    layout : what was found, in words. columns : of tables, the picture's and the label's.
    left_out : what lies in the folder and is not loaded. doubts : what was taken in one way and may
    be meant in another.
    """

    classes: list[str]
    train: Tensor
    test: Tensor
    files: list[tuple[str, int, int]]
    chunks: Callable[[], Iterator[Chunk]]
    note: str = ""
    layout: str = ""
    columns: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    doubts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.train) + len(self.test)


def part_of(name: str) -> str | None:
    """ "train", "test" or "val" for the name of a file or folder with such a word anywhere in it,
    such as ``train-00000-of-00002``, ``seg_train``, ``TrainImages`` or ``val2017``; None where
    there is none, or words of several parts.
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    parts = {part for word in words if (part := _part_word(word.lower()))}
    return parts.pop() if len(parts) == 1 else None


def is_plain_part(name: str) -> bool:
    """Whether a name is a part's word and nothing else, such as ``Training``."""
    return name.lower() in PARTS


def _part_word(word: str) -> str | None:
    bare = {word, *(word.removesuffix(g) for g in GLUED), *(word.removeprefix(g) for g in GLUED)}
    return next((PARTS[w] for w in sorted(bare) if w in PARTS), None)


def facts(path: Path, root: Path) -> tuple[str, int, int]:
    """(name relative to `root`, bytes, modification time): what tells one version of a file from
    another.
    """
    status = path.stat()
    return path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns


def counted(number: int, what: str) -> str:
    """ "1 picture", "2 pictures", "3 classes"."""
    plural = what if number == 1 else f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number:,} {plural}"


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
