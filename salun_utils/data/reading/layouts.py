"""Class folders, and layouts that only look like them: data sets within one another, classes with
parts of their own, parts by other names.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from ...errors import InputError
from .listing import part_of
from .walk import Walk


def by_class(folder: Path, walk: Walk) -> dict[str, Path]:
    """The class folders in `folder` by the names of their classes: one letter with an accent is the
    same however a system spells it, as one character or as two.
    """
    found: dict[str, Path] = {}
    for path in walk.folders(folder):
        name = unicodedata.normalize("NFC", path.name)
        if name in found:
            raise InputError(
                f"{folder} has two folders called {name!r}, whose accents are spelt differently:"
                " put the pictures of both into one"
            )
        found[name] = path
    return found


def check_no_parts_below(root: Path, classes: list[str], walk: Walk) -> None:
    """Refuse several data sets side by side, classes that hold their own train and test, and one
    folder that holds folders.
    """
    own = by_class(root, walk)
    below = {name: [f for f in walk.folders(own[name]) if part_of(f.name)] for name in classes}
    parted = [name for name in classes if len({part_of(f.name) for f in below[name]}) > 1]
    if not parted:
        return _check_no_wrapping(root, walk)
    if any(walk.folders(folder) for folder in below[parted[0]]):
        raise InputError(
            f"{root} holds {'a data set' if len(parted) == 1 else 'several data sets'} with parts"
            f" of its own: {', '.join(parted[:10])}; load one, such as {root / parted[0]}"
        )
    raise InputError(
        f"the class folders of {root} hold {', '.join(f.name for f in below[parted[0]])} each; make"
        " these the outer folders, with the class folders inside"
    )


def _check_no_wrapping(root: Path, walk: Walk) -> None:
    """Refuse a folder around the data set, as an archive may unpack to: it is no class."""
    inner = root
    for _ in range(5):  # a link could lead back for ever
        below = walk.folders(inner)
        if len(below) != 1 or walk.loose_pictures(inner):
            break
        inner = below[0]
    if len(below) > 1 and inner != root and not walk.loose_pictures(inner):
        raise InputError(
            f"{root} holds one folder only, which holds others; load the data set itself, such as"
            f" {inner}"
        )


def doubts_about(root: Path, classes: list[str], walk: Walk) -> tuple[str, ...]:
    """Class folders that hold nothing but the same folders each may be parts by other names."""
    own = by_class(root, walk)
    below = {name: [f.name for f in walk.folders(own[name])] for name in classes}
    alike = [n for n in classes if len(below[n]) > 1 and not walk.loose_pictures(own[n])]
    for name in alike:
        if len(same := [n for n in alike if below[n] == below[name]]) > 1:
            return (
                f"{', '.join(same[:10])} are taken for classes, and each holds the folders"
                f" {', '.join(below[name][:10])}; where those are the classes, call the outer ones"
                " train and test, or load one of them",
            )
    return ()
