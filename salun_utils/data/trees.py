"""List a tree of picture files: class folders in train/ and test/ or val/, or one flat set of class
folders, or Tiny-ImageNet's zip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from ..errors import InputError
from .decode import Chunk
from .listing import CHUNK, FIXED_SPLIT, Listing, check_classes, check_fixed_split, facts, part_of
from .statistics import fixed_test_rows

PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp")
ANNOTATIONS = "val_annotations.txt"
Samples = list[tuple[Path, int]]


def listing(root: Path) -> Listing:
    """List the tree at `root`.

    Raises
    ------
    InputError : no class folders, an empty one, one class only, or a training folder without a test
        folder that has labels.
    """
    parts = {
        part_of(folder.name): folder for folder in reversed(_folders(root)) if _is_part(folder)
    }
    if "train" in parts:
        return _two_parts(root, parts)
    if parts:
        raise InputError(
            f"{root} has {', '.join(f.name for f in parts.values())} but no train folder"
        )
    classes = _classes(root)
    samples = _samples(root, classes)
    labels = torch.tensor([label for _, label in samples])
    check_classes(root, classes, labels)
    check_fixed_split(root, classes, labels)
    in_test = fixed_test_rows(labels).tolist()
    train, test = (
        [s for s, held in zip(samples, in_test) if held is wanted] for wanted in (False, True)
    )
    return _listing(root, classes, train, test, FIXED_SPLIT)


def _two_parts(root: Path, parts: dict[str, Path]) -> Listing:
    """Class folders in train/, and the first of test/ and val/ whose pictures have labels."""
    classes = _classes(parts["train"])
    train = _samples(parts["train"], classes)
    check_classes(parts["train"], classes, torch.tensor([label for _, label in train]))
    candidates = [parts[name] for name in ("test", "val") if name in parts]
    for folder in candidates:
        if (folder / ANNOTATIONS).is_file():
            test = _annotated(folder, classes)
        elif set(names := [f.name for f in _folders(folder)]) & set(classes):
            if strangers := sorted(set(names) - set(classes)):
                raise InputError(
                    f"{folder / strangers[0]} is a class that {parts['train']} does not have"
                )
            test = _samples(folder, classes)
        else:
            continue
        note = "validation part as test set" if part_of(folder.name) == "val" else ""
        return _listing(root, _names(root, classes), train, test, note)
    have = (
        f"{candidates[0]} has no class folders"
        if candidates
        else f"{root} has {parts['train'].name} but no test or val folder"
    )
    raise InputError(
        f"{have}; add one with class folders, or load {parts['train']} itself for a {FIXED_SPLIT}"
    )


def _listing(root: Path, classes: list[str], train: Samples, test: Samples, note: str) -> Listing:
    files = [path for path, _ in train + test]

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(files), CHUNK):
            yield [(str(path), path) for path in files[start : start + CHUNK]]

    labels = (
        torch.tensor([label for _, label in part], dtype=torch.int64) for part in (train, test)
    )
    return Listing(classes, *labels, [facts(path, root) for path in files], chunks, note)


def _is_part(folder: Path) -> bool:
    """Whether a folder is called train, test or val and holds folders: a class may be called
    "train", and holds pictures.
    """
    return folder.name.isalpha() and part_of(folder.name) is not None and bool(_folders(folder))


def _folders(path: Path) -> list[Path]:
    return sorted(
        (p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))),
        key=lambda p: p.name,
    )


def _classes(folder: Path) -> list[str]:
    names = [f.name for f in _folders(folder)]
    if not names:
        loose = " only loose files" if any(folder.iterdir()) else " nothing"
        raise InputError(
            f"{folder} holds{loose}; put each class's pictures in a folder of its own, or Parquet"
            " files with an image column"
        )
    return names


def _samples(folder: Path, classes: list[str]) -> Samples:
    """(file, label) of all pictures in the class folders of `folder` and below, sorted by class and
    name.
    """
    samples = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():  # a test folder may lack a class
            continue
        found = [
            Path(where) / file
            for where, folders, files in os.walk(folder / name, followlinks=True)
            for file in files
            if file.lower().endswith(PICTURES) and not file.startswith(".")
        ]
        if not found:
            raise InputError(
                f"class folder {folder / name} holds no pictures; allowed: {', '.join(PICTURES)}"
            )
        samples += [(path, label) for path in sorted(found)]
    return samples


def _annotated(folder: Path, classes: list[str]) -> Samples:
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
        if len(fields) < 2 or fields[1] not in index:
            raise InputError(
                f"{folder / ANNOTATIONS} line {number}: no class of the training folder:"
                f" {line[:60]!r}"
            )
        if not path.is_file():
            raise InputError(f"{folder / ANNOTATIONS} line {number}: {path} is missing")
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
