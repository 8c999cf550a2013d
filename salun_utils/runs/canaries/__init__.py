"""Canaries: one tiny fixed run for each unit, whose figures are committed.

A unit's version (`salun_utils.units`) says that its behaviour is the same as before; its canary
finds out. ``benchmark/canaries.json`` holds the figures that belong to each version, and a checksum
of its own. When one fault moves the figures of many units, those whose run touches another moved
unit are explained by it, and what is left is to blame.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from ... import units
from ...errors import InputError, unknown
from ...files import atomic
from ..records.provenance import PACKAGE
from . import figures

FILE = PACKAGE.parent / "benchmark" / "canaries.json"
# Packages whose modules hold canaries of units that this package doesn't know.
ELSEWHERE = ("generation.canaries", "studies.canaries")


@dataclass(frozen=True)
class Canary:
    """One tiny run: `make` returns figures by name. `touches` names the units that it runs besides
    its own and what that one uses.
    """

    unit: str
    make: Callable[[], Mapping[str, Any]]
    touches: tuple[str, ...] = ()

    @property
    def touched(self) -> set[str]:
        """Units that could move it, its own not among them."""
        return set(units.with_parts([self.unit, *self.touches])) - {self.unit}


@dataclass(frozen=True)
class Report:
    """What became of the canaries that were run.

    Attributes
    ----------
    moved : unit -> figures that moved though its version is as before. blamed : those of them that
        no other moved unit explains; explained : unit -> the moved units that its run touches.
    raised : units with a higher version than their stored figures. unknown : without stored ones,
        or with a canary that measures other things than are stored.
    """

    ran: tuple[str, ...] = ()
    moved: Mapping[str, list[str]] = field(default_factory=dict)
    explained: Mapping[str, list[str]] = field(default_factory=dict)
    raised: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def blamed(self) -> list[str]:
        """Moved units that no other moved unit explains."""
        return [name for name in self.moved if name not in self.explained]

    def lines(self) -> list[str]:
        """What to do about it, roots first, one line each."""
        blamed = [
            f"{n} moved, and nothing that it touches did: {self.moved[n][0]}; if that is meant,"
            f" salun canaries --update {n}"
            for n in self.blamed
        ]
        explained = [
            f"{n} moved with {', '.join(causes)}"
            for n, causes in self.explained.items()
            if n in self.moved
        ]
        written = [f"{n} has a new version: salun canaries --update {n}" for n in self.raised]
        first = [
            f"{n} has figures not yet stored: salun canaries --update {n}" for n in self.unknown
        ]
        return [*blamed, *explained, *written, *first]

    def counts(self) -> str:
        """The same in numbers."""
        parts = {
            "to blame": len(self.blamed),
            "explained by these": len(self.moved) - len(self.blamed),
            "of a new version": len(self.raised),
            "with figures not yet stored": len(self.unknown),
        }
        return ", ".join(f"{count} {what}" for what, count in parts.items() if count)

    @property
    def well(self) -> bool:
        """Whether every figure is as stored."""
        return not (self.moved or self.raised or self.unknown)


CANARIES: dict[str, Canary] = {}


def canary(unit: str, *, touches: Iterable[str] = ()):
    """Register the decorated function of no arguments as the canary of a unit.

    It returns figures by name: whole numbers, words, truth values and lists of them, which must be
    exact, and `figures.near`, `figures.points`.
    """

    def put(make: Callable[[], Mapping[str, Any]]) -> Callable[[], Mapping[str, Any]]:
        CANARIES[unit] = Canary(unit, make, tuple(touches))
        return make

    return put


def load() -> dict[str, Canary]:
    """Every canary, by unit.

    Raises
    ------
    InputError : a unit without one, or one of no unit.
    """
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    own = (PACKAGE / "studies").glob("*/canary.py")  # a study may keep its canary beside it
    for name in (*ELSEWHERE, *sorted(f"studies.{path.parent.name}.canary" for path in own)):
        importlib.import_module(f"{PACKAGE.name}.{name}")
    known = units.names()
    for name in known:
        units.version(name)
    if missing := [name for name in known if name not in CANARIES]:
        raise InputError(f"{missing[0]} has no canary: write one (see salun_utils/runs/canaries)")
    if strange := [name for name in CANARIES if name not in known]:
        raise unknown("unit with a canary", strange[0], known)
    return {name: CANARIES[name] for name in known}


# -- the file


def read(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """Unit -> {"version", "figures"}.

    Raises
    ------
    InputError : no such file, another form, or a checksum that doesn't fit: it was edited by hand.
    """
    path = path or FILE
    try:
        content = json.loads(path.read_text())
        stored, checksum = content["units"], content["checksum"]
        whole = all(isinstance(one["version"], int) and one["figures"] for one in stored.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no readable file of canaries ({type(error).__name__})"
        ) from None
    if not whole or checksum != _checksum(stored):
        raise InputError(
            f"{path.name} is not as it was written: its checksum differs; restore it, or write"
            " figures by salun canaries --update UNIT"
        )
    return stored


def write(stored: Mapping[str, Mapping[str, Any]], path: Path | None = None) -> None:
    """Write the file, one line a figure, with its checksum."""
    content = {
        "about": "Figures of the canaries, by unit; written by salun canaries --update UNIT.",
        "checksum": _checksum(stored),
        "units": {name: stored[name] for name in sorted(stored)},
    }
    text = json.dumps(content, indent=1, sort_keys=True)
    with atomic(path or FILE) as partial:
        partial.write_text(_lists_on_one_line(text) + "\n")


def _checksum(stored: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()


def _lists_on_one_line(text: str) -> str:
    """JSON with every innermost list on one line."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if inside:
            lines[-1] += line.strip() + (" " if line.endswith(",") else "")
        else:
            lines.append(line)
        if line.endswith("[") or (inside and line.strip().startswith("]")):
            inside = line.endswith("[")
    return "\n".join(lines)


# -- running them


def run(name: str) -> dict[str, Any]:
    """The figures of one canary as they are now, in float32; the error, where it ends in one."""
    with _float32(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return figures.plain(load()[name].make())
        except Exception as error:  # behaviour has changed, whatever it is that stops
            return {
                figures.STOPPED: f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            }


def check(names: Iterable[str] | None = None, path: Path | None = None) -> Report:
    """Run canaries and compare with the stored figures.

    Parameters
    ----------
    names : units; all where none are named. Those that they touch are run as well when one moved,
        so that the blame is found.

    Raises
    ------
    InputError : a version lower than that of the stored figures, and whatever `read` and `load`
        raise.
    """
    known, stored = load(), read(path)
    if strange := next((n for n in stored if n not in known), None):
        raise InputError(f"{strange} has stored figures but is no unit any more: remove it there")
    check_versions(stored)
    wanted = list(known) if names is None else list(names)
    for name in wanted:
        if name not in known:
            raise unknown("unit", name, known)
    unstored = [n for n in wanted if n not in stored]
    moved, waiting, ran = {}, [n for n in wanted if n in stored], []
    raised = tuple(n for n in waiting if units.version(n) > stored[n]["version"])
    while waiting:
        name = waiting.pop(0)
        if name in ran:
            continue
        ran.append(name)
        before, found = stored[name]["figures"], run(name)
        if figures.others(before, found):
            unstored.append(name)
        if parts := figures.differing(before, found):
            moved[name] = parts
            waiting += [n for n in sorted(known[name].touched) if n in stored]
    explained = explanations(moved, known)
    quiet = {n: parts for n, parts in moved.items() if n not in raised}
    return Report(tuple(ran), quiet, explained, raised, tuple(unstored))


def check_versions(stored: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `InputError` for a unit whose version is lower than that of its stored figures."""
    for name, one in stored.items():
        if name in CANARIES and (now := units.version(name)) < one["version"]:
            raise InputError(
                f"{name} has version {now}, but had {one['version']} before: versions only rise"
            )


def explanations(moved: Iterable[str], known: Mapping[str, Canary]) -> dict[str, list[str]]:
    """Moved units whose run touches other moved ones that don't touch it in turn."""
    moved = set(moved)
    found = {}
    for name in sorted(moved):
        causes = [n for n in sorted(known[name].touched & moved) if name not in known[n].touched]
        if causes:
            found[name] = causes
    return found


@contextlib.contextmanager
def environment(folder: str) -> Iterator[None]:
    """Caches and optional weights are looked for in that folder alone."""
    own = {"SALUN_CACHE": folder, "TORCH_HOME": folder, "SALUN_INCEPTION": ""}
    with mock.patch.dict(os.environ, own):
        yield


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    """Whatever chooses its precision by the hardware computes in float32 inside."""
    has = torch.cpu._is_avx512_bf16_supported
    torch.cpu._is_avx512_bf16_supported = lambda: False
    try:
        yield
    finally:
        torch.cpu._is_avx512_bf16_supported = has
