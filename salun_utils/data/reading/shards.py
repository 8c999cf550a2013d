"""Which files make up the parts of a set of tables: no shard missing, no shard twice, and not two
configurations poured together.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

from ...errors import InputError
from . import configurations
from .listing import FIXED_SPLIT, part_of
from .shard_names import OF, without_hash
from .table_files import SUFFIXES
from .walk import Walk, entries, is_hidden

DEPTH = 4  # folders below the one that was named; Hugging Face's own layouts need two


def files(root: Path, walk: Walk | None = None) -> list[Path]:
    """The tables in `root` and up to `DEPTH` folders below, sorted, each real file once.

    Raises
    ------
    InputError : a link to a table leads nowhere.
    """
    walk = walk or Walk(root)
    found, folders = [], [(root, 0)]
    while folders:
        here, depth = folders.pop()
        kept = _saved_files(here)
        for path, kind in entries(here, needed=_is_table):
            if kind == "folder":
                if depth < DEPTH and not is_hidden(path.name) and walk.enters(path):
                    folders.append((path, depth + 1))
            elif kind != "file" or not _is_table(path):
                continue
            elif is_hidden(path.name) or (kept is not None and path.name not in kept):
                walk.pass_over(path, "file", "hidden, or kept by another program", loud=False)
            else:
                found.append(path)
    # of a file and a link to it the file itself counts
    real_first = sorted(found, key=lambda path: (path.is_symlink(), path))
    return sorted(path for path in real_first if walk.is_new(path))


def _is_table(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def parts(root: Path, walk: Walk) -> tuple[dict[str, list[Path]], list[str]]:
    """The files of "train", "test" and "val" (a flat set has "train" alone), and in a line each
    what of them may be meant otherwise.

    Raises
    ------
    InputError : a shard is missing or there twice, there are several configurations, or no file is
        for training or none for test.
    """
    found: dict[str | None, list[Path]] = defaultdict(list)
    for path in files(root, walk):
        found[_part(path, root)].append(path)
    every = [path for group in found.values() for path in group]
    _check_saved(root)
    for group in _grouped(every, lambda path: path.parent).values():
        _check_totals(group)
        _check_gaps(group)
    if set(found) == {None}:
        doubts = configurations.check(root, {"train": every})
        return {"train": every}, doubts
    for path in found.pop(None, []):
        walk.pass_over(path, "file", "its name has no train, test or validation in it")
    doubts = configurations.check(root, found)
    if "train" not in found:
        raise InputError(
            f"{root} has no training files; name them train.parquet or train-00000-of-00002.parquet"
        )
    if set(found) == {"train"}:
        raise InputError(
            f"{root} has training files, none for test; add test.parquet, or name them without"
            f" 'train' for a {FIXED_SPLIT}"
        )
    return {part: files for part, files in found.items() if part is not None}, doubts


def _part(path: Path, root: Path) -> str | None:
    names = [path.stem, *(parent.name for parent in path.relative_to(root).parents if parent.name)]
    return next((part for name in names if (part := part_of(name))), None)


def _saved_files(folder: Path) -> set[str] | None:
    """Which files of a folder `save_to_disk` of Hugging Face's `datasets` wrote: others beside them
    are caches of that package. None where it is no such folder.
    """
    state = _json(folder / "state.json")
    listed = state.get("_data_files")
    if not isinstance(listed, list):
        return None
    if state.get("_indices_data_files"):
        raise InputError(
            f"{folder} was saved as rows chosen from other files; save it again after"
            " flatten_indices()"
        )
    names: list[Any] = [one.get("filename") for one in listed if isinstance(one, dict)]
    for name in names:
        if not isinstance(name, str) or not (folder / Path(name).name).is_file():
            raise InputError(f"{folder / str(name)} is missing: {folder / 'state.json'} names it")
    return set(names)


def _check_saved(root: Path) -> None:
    """The parts that `dataset_dict.json` names must be there."""
    named = _json(root / "dataset_dict.json").get("splits")
    for name in named if isinstance(named, list) else []:
        if not (root / str(name)).is_dir():
            raise InputError(
                f"{root / str(name)} is missing: {root / 'dataset_dict.json'} names it"
            )


def _json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_totals(paths: list[Path]) -> None:
    """Of files named ``…-00000-of-00002…`` in one folder each must be there once, whatever hash
    follows.
    """
    series: dict[tuple[str, str], dict[int, dict[int, Path]]] = {}
    for path in paths:
        found = OF.search(path.name)
        if not found:
            continue
        number, total = int(found[1]), int(found[2])
        series_of = path.name[: found.start()], without_hash(path.name[found.end() :])
        totals = series.setdefault(series_of, {})
        earlier = totals.setdefault(total, {}).setdefault(number, path)
        if earlier != path:
            raise InputError(f"{earlier} and {path.name} are the same shard twice: keep one")
    for totals in series.values():
        for total, there in totals.items():
            first = next(iter(there.values()))
            if len(totals) > 1:
                other = next(p for t, group in totals.items() for p in group.values() if t != total)
                raise InputError(
                    f"{first} and {other.name} are of two divisions of one set: keep one of them"
                )
            start = 1 if total in there and 0 not in there else 0
            lacking = next((n for n in range(start, start + total) if n not in there), None)
            if lacking is not None:
                raise InputError(
                    f"{_renumbered(first, lacking)} is missing: {first.name} says there are"
                    f" {total} files"
                )
            if len(there) != total:
                raise InputError(f"{there[max(there)]} is beyond the {total} files it speaks of")


def _renumbered(path: Path, number: int) -> Path:
    found: Any = OF.search(path.name)  # a name that was found by it before
    digits = f"{number:0{len(found[1])}d}"
    after = path.name[found.end(1) : found.end()] + without_hash(path.name[found.end() :], "*")
    return path.with_name(path.name[: found.start(1)] + digits + after)


def _check_gaps(paths: list[Path]) -> None:
    """Of files numbered from 0 or 1 without a total none may be missing between two others."""
    bare = {path: without_hash(path.name) for path in paths if not OF.search(path.name)}
    alike = _grouped(bare, lambda path: re.sub(r"[0-9]+", "#", bare[path]))
    for group in alike.values():
        numbers = [tuple(map(int, re.findall(r"[0-9]{1,18}", bare[path]))) for path in group]
        varying = [column for column in zip(*numbers) if len(set(column)) > 1]
        if len(varying) != 1 or min(varying[0]) > 1:
            continue  # dates, or several numbers at once
        there = dict(zip(varying[0], group))
        lacking = next((n for n in range(min(there), max(there)) if n not in there), None)
        if lacking is not None:
            raise InputError(
                f"{group[0].parent}: the file number {lacking} is missing between"
                f" {there[min(there)].name} and {there[max(there)].name}; files numbered from 0 or"
                " 1 must be all there"
            )


def _grouped(paths: Iterable[Path], key: Callable[[Path], Hashable]) -> dict[Hashable, list[Path]]:
    groups: dict[Hashable, list[Path]] = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return groups
