"""The one kind of error that is the caller's to mend: a single line that says what is wrong and
what is allowed.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral

LONGEST = 2500  # characters of a message; what was given may be a whole file


class InputError(ValueError):
    """Bad input. The message is one line; the command line prints it and exits with status 2."""

    def __init__(self, message: str):
        line = " ".join(str(message).split())
        if len(line) > LONGEST:  # what is wrong stands at its front, what is allowed at its end
            line = f"{line[: LONGEST - 1005]} … {line[-1000:]}"
        super().__init__(line)


class NothingChangedWarning(UserWarning):
    """A method ran to its end, but selected or moved no weight, so that nothing was forgotten."""


MOST_NAMES, MOST_LETTERS = 50, 200  # a line can hold, of what is allowed and of what was given


def unknown(kind: str, name: object, allowed: Iterable[str]) -> InputError:
    """Build the error for a name that is not known, with the nearest known one.

    Parameters
    ----------
    kind : what the name stands for, such as ``"method"``.
    name : the name that was given.
    allowed : the names that would have been right.
    """
    names = [str(a) for a in allowed]
    given = str(name)[:MOST_LETTERS]
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f", … and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    listed = ", ".join(names[:MOST_NAMES]) + more
    return InputError(f"unknown {kind} {given!r}; {hint}allowed: {listed}")


def check_whole(name: str, value: object, low: int = 1, high: int | None = None) -> int:
    """Return a Python `int` from `low` on, or from `low` to `high`, else raise `InputError`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):  # type: ignore[operator]
        allowed = f", at least {low}" if high is None else f" from {low} to {high}"
        raise InputError(f"{name} must be a whole number{allowed}, not {value!r}")
    return value  # type: ignore[return-value]


def check_count(name: str, value: object, low: int = 1) -> int:
    """Return a whole number of at least `low`, of NumPy's too, as an `int`, else raise
    `InputError`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise InputError(f"{name} must be a whole number, at least {low}, not {value!r}")
    return int(value)


def check_amount(name: str, value: object) -> float:
    """Return a finite Python number of at least 0, else raise `InputError`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type, operator]
        raise InputError(f"{name} must be a number, at least 0, not {value!r}")
    return value  # type: ignore[return-value]
