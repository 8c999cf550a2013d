"""List a tree of picture files: class folders in folders for training and test (or validation), or
one flat set of class folders, or Tiny-ImageNet's zip.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ...errors import InputError
from ..names import ordered
from ..statistics import fixed_test_rows
from .decode import Chunk
from .layouts import by_class, check_no_parts_below, doubts_about
from .listing import (
    CHUNK,
    FIXED_SPLIT,
    VALIDATION_AS_TEST,
    Listing,
    check_classes,
    check_fixed_split,
    facts,
    is_plain_part,
    part_of,
)
from .walk import Walk

ANNOTATIONS = "val_annotations.txt"
Samples = list[tuple[Path, int]]


def listing(root: Path) -> Listing:
    """List the tree at `root`.

    Raises
    ------
    InputError : no class folders, an empty one, one class only, a training folder without a test
        folder that has labels, two folders for one part, or several data sets side by side.
    """
    walk = Walk(root)
    parts = _parts(root, walk)
    if "train" in parts:
        return _two_parts(root, parts, walk)
    if parts:
        raise InputError(
            f"{root} has {', '.join(f.name for f in parts.values())} but no train folder"
        )
    classes = _classes(root, walk)
    check_no_parts_below(root, classes, walk)
    doubts = doubts_about(root, classes, walk)
    samples = _samples(root, classes, walk)
    labels = torch.tensor([label for _, label in samples])
    check_classes(root, classes, labels)
    check_fixed_split(root, classes, labels)
    in_test = fixed_test_rows(labels).tolist()
    train, test = (
        [s for s, held in zip(samples, in_test) if held is wanted] for wanted in (False, True)
    )
    return _listing(walk, classes, train, test, FIXED_SPLIT, "class folders", doubts=doubts)


def _parts(root: Path, walk: Walk) -> dict[str, Path]:
    """The folder of each part. One that is called by the part's word alone comes before others."""
    found: dict[str, list[Path]] = {}
    others = []
    for folder in walk.folders(root):
        if _is_part(folder, walk):
            found.setdefault(part_of(folder.name) or "", []).append(folder)
        else:
            others.append(folder)
    parts = {}
    for part, folders in found.items():
        plain = [f for f in folders if is_plain_part(f.name)]
        if len(folders) > 1 and len(plain) != 1:
            raise InputError(
                f"{root} has several folders for one part: {', '.join(f.name for f in folders)};"
                " keep one, or put the pictures of both into one"
            )
        parts[part] = (plain or folders)[0]
        for folder in folders:
            if folder != parts[part]:
                walk.pass_over(folder, "folder", f"{parts[part].name} is there")
    if "train" in parts:
        for folder in others:
            loud = bool(walk.loose_pictures(folder)) or any(
                walk.loose_pictures(below) for below in walk.folders(folder)
            )
            walk.pass_over(folder, "folder", "of neither part", loud=loud)
    return {part: _unwrapped(folder, walk) for part, folder in parts.items()}


def _is_part(folder: Path, walk: Walk) -> bool:
    """Whether a folder has a part's word in its name and holds folders: a class may be called
    "train" or "steam_train", and holds pictures.
    """
    if part_of(folder.name) is None or not walk.folders(folder):
        return False
    return is_plain_part(folder.name) or not walk.loose_pictures(folder)


def _unwrapped(folder: Path, walk: Walk) -> Path:
    """``training_set/training_set`` for ``training_set``: what some archives unpack to. So is one
    folder of any name, such as ``train/images``, that holds several.
    """
    for _ in range(3):  # a link could lead back for ever
        below = walk.folders(folder)
        if len(below) != 1 or walk.loose_pictures(below[0]) or walk.loose_pictures(folder):
            return folder
        same = part_of(below[0].name) == part_of(folder.name)
        if not same and len(walk.folders(below[0])) < 2:
            return folder
        folder = below[0]
    return folder


def _two_parts(root: Path, parts: dict[str, Path], walk: Walk) -> Listing:
    """Class folders in train/, and the first of test/ and val/ whose pictures have labels."""
    classes = _classes(parts["train"], walk)
    candidates = [parts[name] for name in ("test", "val") if name in parts]
    test_folder = next((f for f in candidates if _has_labels(f, classes, walk)), None)
    walk.claim(f for f in (parts["train"], test_folder) if f is not None)
    for folder in (parts["train"], test_folder):
        walk.claim(walk.folders(folder) if folder is not None else ())
    train = _samples(parts["train"], classes, walk)
    check_classes(parts["train"], classes, torch.tensor([label for _, label in train]))
    if test_folder is None:
        raise _no_test(root, parts["train"], candidates, walk)
    if (test_folder / ANNOTATIONS).is_file():
        test = _annotated(test_folder, classes, walk)
    else:
        test = _samples(test_folder, classes, walk)
    for other in candidates:
        if other != test_folder:
            before = candidates.index(other) < candidates.index(test_folder)
            why = "no class folders" if before else f"{test_folder.name} is there"
            walk.pass_over(other, "folder", why, loud=False)
    note = VALIDATION_AS_TEST if part_of(test_folder.name) == "val" else ""
    layout = f"class folders in {walk.name(parts['train'])} and {walk.name(test_folder)}"
    return _listing(walk, _names(root, classes), train, test, note, layout)


def _has_labels(folder: Path, classes: list[str], walk: Walk) -> bool:
    """Whether a test or validation folder holds annotations, or class folders of the training
    part and no others.
    """
    names = set(by_class(folder, walk))
    if (folder / ANNOTATIONS).is_file() or not names & set(classes):
        return (folder / ANNOTATIONS).is_file()
    if strangers := sorted(names - set(classes)):
        near = difflib.get_close_matches(strangers[0].lower(), {c.lower(): c for c in classes}, n=1)
        alike = next((f"; it has {c!r}" for c in classes if [c.lower()] == near), "")
        raise InputError(
            f"{folder / strangers[0]} is a class that the training folder does not have{alike}"
        )
    for path in walk.loose_pictures(folder):
        walk.pass_over(path, "picture", "in no class folder")
    return True


def _no_test(root: Path, train: Path, candidates: list[Path], walk: Walk) -> InputError:
    candidates = candidates or [f for f in walk.folders(root) if part_of(f.name) in ("test", "val")]
    have = (
        f"{candidates[0]} has no class folders"
        if candidates
        else f"{root} has {train.name} but no test or val folder"
    )
    return InputError(
        f"{have}; add one with class folders, or load {train} itself for a {FIXED_SPLIT}"
    )


def _listing(
    walk: Walk,
    classes: list[str],
    train: Samples,
    test: Samples,
    note: str,
    layout: str,
    *,
    doubts: tuple[str, ...] = (),
) -> Listing:
    files = [path for path, _ in train + test]

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(files), CHUNK):
            yield [(str(path), path) for path in files[start : start + CHUNK]]

    of_train, of_test = (
        torch.tensor([label for _, label in part], dtype=torch.int64) for part in (train, test)
    )
    known = [facts(path, walk.root) for path in files]
    own: dict[str, Any] = {"layout": layout, "left_out": walk.left_out, "doubts": doubts}
    return Listing(classes, of_train, of_test, known, chunks, note, **own)


def _classes(folder: Path, walk: Walk) -> list[str]:
    """The names of the class folders in `folder`, in the order in which they are numbered."""
    names = list(by_class(folder, walk))
    if not names:
        loose = " only loose files" if any(folder.iterdir()) else " nothing"
        raise InputError(
            f"{folder} holds{loose}; put each class's pictures in a folder of its own, or tables"
            " (Parquet, Arrow) with an image column"
        )
    for path in walk.loose_pictures(folder):
        walk.pass_over(path, "picture", "in no class folder")
    return ordered(names)


def _samples(folder: Path, classes: list[str], walk: Walk) -> Samples:
    """(file, label) of all pictures in the class folders of `folder` and below, sorted by class and
    name.
    """
    own = by_class(folder, walk)
    # a test folder may lack a class
    present = [(label, own[name]) for label, name in enumerate(classes) if name in own]
    walk.claim(path for _, path in present)
    samples = []
    for label, path in present:
        found = walk.pictures(path)
        if not found:
            left = [str(one) for one in walk.left_out if f"{path.name}/" in one.what][:2]
            raise InputError(
                f"class folder {path} holds no pictures"
                + (f"; left out: {', '.join(left)}" if left else "")
                + "; allowed: what Pillow reads, such as .jpg, .png, .webp, .gif, .avif, .tif, .bmp"
            )
        samples += [(picture, label) for picture in found]
    return samples


def _annotated(folder: Path, classes: list[str], walk: Walk) -> Samples:
    """Tiny-ImageNet's val folder: pictures in images/, and a text file with name, class, box in
    each line.
    """
    index = {name: label for label, name in enumerate(classes)}
    samples = []
    for number, line in enumerate(
        (folder / ANNOTATIONS).read_text(errors="replace").splitlines(), 1
    ):
        fields = line.split("\t")
        if not line.strip():
            continue
        path = folder / "images" / fields[0]
        if len(fields) > 1:
            fields[1] = unicodedata.normalize("NFC", fields[1])
        if len(fields) < 2 or fields[1] not in index:
            raise InputError(
                f"{folder / ANNOTATIONS} line {number}: no class of the training folder:"
                f" {line[:60]!r}"
            )
        if not path.is_file():
            raise InputError(f"{folder / ANNOTATIONS} line {number}: {path} is missing")
        if walk.is_new(path):
            samples.append((path, index[fields[1]]))
    if not samples:
        raise InputError(f"{folder / ANNOTATIONS} names no pictures")
    return samples


def _names(root: Path, classes: list[str]) -> list[str]:
    """Class names for people: with Tiny-ImageNet's words.txt, "n01443537 goldfish" instead of
    "n01443537".
    """
    words = root / "words.txt"
    if not words.is_file():
        return classes
    lines = (
        line.split("\t", 1)
        for line in words.read_text(errors="replace").splitlines()
        if "\t" in line
    )
    meaning = {wnid: text.split(",")[0].strip() for wnid, text in lines}
    return [f"{name} {meaning[name]}" if name in meaning else name for name in classes]
