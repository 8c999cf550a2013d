"""Whether tables are one set: files of several configurations, which folders, names or the Hub's
README tell apart, must not be poured together.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from ...errors import InputError
from .listing import part_of
from .shard_names import words

Parts = dict[str | None, list[Path]]  # None: files that no word puts into a part
SHOWN = 10


def check(root: Path, found: Parts) -> list[str]:
    """Raise `InputError` where the files are several sets, and name them; return, in a line each,
    what looks like several and may be one.
    """
    _check_readme(root, [path for group in found.values() for path in group])
    above = sorted({_above(path, root) for group in found.values() for path in group})
    if len(above) > 1:
        raise InputError(
            f"{root} holds tables in several folders, which may be several configurations:"
            f" {_some(above)}; load one of them, such as {root / above[-1]}"
        )
    doubts = []
    for kind in (_below, _prefix):
        of = {part: {kind(path, root) for path in group} for part, group in found.items()}
        every = {name for names in of.values() for name in names}
        if len(every) > 1 and any(
            sum(name in names for names in of.values()) > 1 for name in every
        ):
            raise _several(root, (name or "one without a name" for name in every))
        for part, names in of.items():
            if len(told := {name or "one without a name" for name in names if len(name) != 1}) > 1:
                doubts.append(_doubt(told, f"{part} part" if len(found) > 1 else "set"))
    return doubts + _numbers(found)


def _doubt(names: Iterable[str], what: str) -> str:
    return (
        f"tables of several names are read as one {what}: {_some(names)}; where these are several"
        " sets, put one of them into a folder of its own"
    )


def _several(root: Path, names: Iterable[str]) -> InputError:
    return InputError(
        f"{root} holds several sets: {_some(names)}; put one of them into a folder of its own and"
        " load that"
    )


def _numbers(found: Parts) -> list[str]:
    """A doubt where numbers that count no files, such as a size in pixels, return in several
    parts.
    """
    seen: set[tuple[int, ...]] = set()
    for group in found.values():
        numbers = [[int(w) for w in words(path.name) if w.isdigit()] for path in group]
        values = tuple(sorted({n[0] for n in numbers if len(n) == 1}))
        if len(values) < max(2, len(group)) or values[0] < 2:
            continue
        if values in seen:
            return [_doubt(map(str, values), "set")]
        seen.add(values)
    return []


def _check_readme(root: Path, paths: list[Path]) -> None:
    """The configurations that a data set of the Hub declares, by the files that are there."""
    names = {path: path.relative_to(root).as_posix() for path in paths}
    files: dict[str, frozenset[str]] = {}
    for one in _declared(root / "README.md"):
        patterns = list(_patterns(one.get("data_files")))
        there = frozenset(n for n in names.values() if any(fnmatch(n, p) for p in patterns))
        if there and there not in files.values():
            files[str(one.get("config_name"))] = there
    if len(files) > 1:
        raise InputError(
            f"{root / 'README.md'} names several configurations: {_some(files)}; put the files of"
            " one of them into a folder of its own and load that"
        )


def _declared(readme: Path) -> list[dict]:
    """What the head of a README says under ``configs``."""
    try:
        text = readme.read_text(encoding="utf-8", errors="replace")[:1_000_000]
        head = text.split("\n---", 1)[0] if text.startswith("---") else ""
        safe = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
        said = yaml.load(head, safe)  # nosec B506
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    configs = said.get("configs") if isinstance(said, dict) else None
    return [c for c in configs if isinstance(c, dict)] if isinstance(configs, list) else []


def _patterns(files: Any) -> Iterable[str]:
    """The patterns in ``data_files``: a text, a list of them, or of parts with their paths."""
    if isinstance(files, str):
        yield files.removeprefix("./").replace("**/", "*")
    elif isinstance(files, dict):
        yield from _patterns(files.get("path"))
    elif isinstance(files, list):
        for one in files[:1000]:
            if not isinstance(one, list):
                yield from _patterns(one)


def _above(path: Path, root: Path) -> str:
    """The folders above the part's folder, or all where the file is named by its part."""
    names = path.relative_to(root).parts[:-1]
    for place, name in enumerate(names):
        if part_of(name):
            return "/".join(names[:place]) or "."
    return "/".join(names) or "."


def _below(path: Path, root: Path) -> str:
    names = path.relative_to(root).parts[:-1]
    for place, name in enumerate(names):
        if part_of(name):
            return "/".join(names[place + 1 :])
    return ""


def _prefix(path: Path, _: Path) -> str:
    """What a file's name says beside its part, its number and a hash: "mnist" of
    ``mnist_train-00000-of-00002``, "v2" of ``train-v2``.
    """
    return "-".join(w.lower() for w in words(path.name) if not part_of(w) and not w.isdigit())


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
