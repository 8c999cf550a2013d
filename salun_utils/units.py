"""Units: what can move a figure, each with the version of its behaviour beside its code.

A unit is a function or class that `numerics` stamps. It is known by the name it is given there, or
by its place in a registry (`family`): the method "rl" is the unit ``method/rl``. Records hold the
versions of the units that their run touched; a record is outdated when one of them is higher now. A
change that moves figures raises the version, one that moves none leaves it, whatever the code looks
like: see ``benchmark/NUMERICS.md``.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import InputError, unknown

T = TypeVar("T")
# Modules of this package that declare units, or import those that do, besides every `kind.py` and
# `studies/*/study.py`.
HOMES = (
    "lean",
    "runs",
    "runs.kinds",
    "runs.tuning",
    "metrics.power",
    "generation.units",
    "studies.errata.recorded",
    "studies.scale.costs",
)


@dataclass(frozen=True)
class Stamp:
    """What `numerics` notes: the version, the units that the code of this one runs, and where it
    stands (file and line of the call of `numerics`).
    """

    version: int
    uses: tuple[str, ...]
    file: str
    line: int


_named: dict[str, Any] = {}
_families: dict[str, Callable[[], Mapping[str, Any]]] = {}


def numerics(
    version: int, name: str | None = None, *, uses: Iterable[str] = ()
) -> Callable[[T], T]:
    """Stamp a function or class with the version of its behaviour, as its attribute `numerics`.

    Parameters
    ----------
    version : a whole number, at least 1; raised by every change that moves a figure.
    name : of the unit; left out where a registry names it.
    uses : names of the units that its code runs whatever the settings are. A run that touches this
        unit touches these, and what they use.

    Raises
    ------
    InputError : a version that is no whole number from 1, or a name that another unit has.
    """
    what = name or "a unit of a registry"
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise InputError(f"{what}: numerics must be a whole number, at least 1, not {version!r}")
    caller = sys._getframe(1)
    stamp = Stamp(version, tuple(uses), caller.f_code.co_filename, caller.f_lineno)

    def put(thing: T) -> T:
        thing.numerics, thing.stamp = version, stamp  # type: ignore[attr-defined]
        if name is not None:
            known = _named.setdefault(name, thing)
            if known.stamp.file != stamp.file:
                raise InputError(f"two units are called {name}")
            _named[name] = thing
        return thing

    return put


def family(prefix: str, members: Callable[[], Mapping[str, Any]]) -> None:
    """Make every entry of a registry a unit, called ``prefix/NAME``.

    Parameters
    ----------
    members : returns name -> stamped function or class; asked at each use, so that what is
        registered later is known as well.
    """
    _families[prefix] = members


@functools.cache
def load_all() -> None:
    """Import every module that declares units, and every kind of run."""
    here = Path(__file__).parent
    paths = [*here.rglob("kind.py"), *here.glob("studies/*/study.py")]
    found = [".".join(path.relative_to(here).with_suffix("").parts) for path in paths]
    for home in sorted({*HOMES, *found}):
        importlib.import_module(f"{__package__}.{home}")


def names() -> list[str]:
    """Every unit there is, in alphabetical order."""
    load_all()
    found = {f"{prefix}/{name}" for prefix, members in _families.items() for name in members()}
    return sorted(found | set(_named))


def stamp_of(name: str) -> Stamp:
    """Version, parts and place of a unit.

    Raises
    ------
    InputError : no such unit, or a registered one without a version.
    """
    thing = _lookup(name)
    if thing is None:
        load_all()
        thing = _lookup(name)
    if thing is None:
        raise unknown("unit", name, names())
    stamp = getattr(thing, "stamp", None)
    if not isinstance(stamp, Stamp) or getattr(thing, "numerics", None) != stamp.version:
        raise InputError(f"{name} has no version: put @numerics(1) from salun_utils.units above it")
    return stamp


def version(name: str) -> int:
    """The version of a unit as the code has it now."""
    return stamp_of(name).version


def with_parts(given: Iterable[str]) -> list[str]:
    """The units named, and those that they use, and so on; in alphabetical order."""
    found, waiting = set(), list(given)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += stamp_of(name).uses
    return sorted(found)


def versions(given: Iterable[str]) -> dict[str, int]:
    """Unit -> version, of the units named and of all that they use."""
    return {name: version(name) for name in with_parts(given)}


def _lookup(name: str) -> Any:
    if name in _named:
        return _named[name]
    prefix, _, rest = name.rpartition("/")
    return _families[prefix]().get(rest) if prefix in _families else None
