"""Names of classes: in what order they are numbered, and which class a name or a number means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from numbers import Integral

from ..errors import InputError

_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?")
_ENDS_IN_NUMBER = re.compile(r"(.*?)(\d{1,40})(\D*)", re.DOTALL)
_BEGINS_WITH_NUMBER = re.compile(r"(\d{1,40})[\s._)\-]+[^\s\d._)\-].*", re.DOTALL)


def number_of(name: str) -> Fraction | None:
    """The number that a name such as "7", "007", "-1" or "2.5" is, else None."""
    return Fraction(name) if _NUMBER.fullmatch(name) else None


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct names in the order in which they are numbered.

    Numbers come in their own order and before words ("2" before "10"). So do names that are alike
    but for one number, such as "class_2" and "class_10", and names that all begin with a number of
    their own, such as "2_dog" and "10_cat". Everything else is sorted by its letters.
    """
    found = sorted(set(names))
    numbers = [name for name in found if number_of(name) is not None]
    words = [name for name in found if number_of(name) is None]
    counted = None if numbers else _numbers_in(words)
    if counted is not None:
        words = [name for _, name in sorted(zip(counted, words))]
    return [*sorted(numbers, key=lambda name: (number_of(name), name)), *words]


def check_label(label: object, classes: Sequence[str]) -> int:
    """Return the index of a class that is given by name, in any case, or by number.

    Where the classes are named by numbers, a number means the class of that name; elsewhere it is
    the class's place from 0.

    Raises
    ------
    InputError : there is no such class, or more than one: two of one name, or a number that is one
        class's place and is in the name of another, such as 2 for "class_2" or "2_dog" in the place
        1.
    """
    if isinstance(label, str):
        found = _named(label, classes)
    elif isinstance(label, bool) or not isinstance(label, Integral):
        found = []
    else:
        found = _numbered(int(label), classes)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"class {label!r} is ambiguous: {_listed(classes, found)}; give the name as it is"
            " written, or the place of a class whose name is there once"
        )
    if classes and all(number_of(name) is not None for name in classes):
        named = ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")
        raise InputError(
            f"there is no class {label!r}; allowed: {classes[0]} to {classes[-1]}, the numbers that"
            f" name the classes: {named}"
        )
    raise InputError(
        f"there is no class {label!r}; allowed: 0 to {len(classes) - 1}"
        f" ({_listed(classes, range(min(20, len(classes))))}{', …' if len(classes) > 20 else ''})"
    )


def _named(label: str, classes: Sequence[str]) -> list[int]:
    """Places of the classes that a text means: as written, else in any case, else as a number."""
    for same in (
        lambda name: name == label,
        lambda name: name.casefold() == label.casefold(),
        lambda name: number_of(name) is not None and number_of(name) == number_of(label),
    ):
        if found := [i for i, name in enumerate(classes) if same(name)]:
            return found
    return []


def _numbered(label: int, classes: Sequence[str]) -> list[int]:
    """Places of the classes that a number may mean."""
    numbers = [number_of(name) for name in classes]
    named = [i for i, number in enumerate(numbers) if number == label]
    if None not in numbers:
        return named
    if not 0 <= label < len(classes):
        return []
    counted = _numbers_in(list(classes)) or []
    named += [i for i, number in enumerate(counted) if number == label]
    return sorted({label, *named}) if named and label not in named else [label]


def _numbers_in(names: list[str]) -> list[int] | None:
    """The number that each name carries, where the names are counted by it, else None."""
    return _numbers_of_alike(names) or _numbers_at_the_start(names)


def _numbers_at_the_start(names: list[str]) -> list[int] | None:
    """The number that each name begins with, as "12" of "12_cat", where all have one of their
    own.
    """
    found = [_BEGINS_WITH_NUMBER.fullmatch(name) for name in names]
    numbers = [int(match[1]) for match in found if match is not None]
    return numbers if len(set(numbers)) == len(names) else None


def _numbers_of_alike(names: list[str]) -> list[int] | None:
    """The last number in each name, where the names are alike in all the rest, else None."""
    found = [_ENDS_IN_NUMBER.fullmatch(name) for name in names]
    parts = [match for match in found if match is not None]
    if len(parts) < len(names) or len({(p[1], p[3]) for p in parts}) != 1:
        return None
    return [int(p[2]) for p in parts]


def _listed(classes: Sequence[str], places: Iterable[int]) -> str:
    return ", ".join(f"{i} {classes[i]}" for i in places)
