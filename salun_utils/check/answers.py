"""What an answer can be, and how it is judged: numbers, one of several words, some of them, figures
that were measured, a function.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class Checked:
    """What came out: true or false, and shown as a sentence."""

    right: bool
    look: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return "right" if self.right else f"not yet: {self.look}"


@dataclass(frozen=True)
class Exercise:
    """Called with an answer it says whether that is right.

    Attributes
    ----------
    takes : what an answer is, in words. judge : the answer's parts -> whether it is right. Raises
        `InputError` for what is no answer at all. look : where to look when it is wrong.
    """

    takes: str
    judge: Callable[..., bool]
    look: str

    def __call__(self, *answer: Any) -> Checked:
        return Checked(bool(self.judge(*answer)), self.look)

    def __repr__(self) -> str:
        return f"takes {self.takes}"


def number(*right: float, look: str, within: float = 1e-6, each: Sequence[float] = ()) -> Exercise:
    """As many numbers as `right`, each at most `within` away (or its own part of `each`)."""
    slack = each or [within] * len(right)

    def judge(*answer: Any) -> bool:
        values = numbers(answer, len(right), takes)
        return all(abs(a - b) <= s for a, b, s in zip(values, right, slack))

    takes = _count(len(right), "number")
    return Exercise(takes, judge, look)


def measured(count: int, fits: Callable[..., bool], *, look: str) -> Exercise:
    """`count` figures that the reader measured, right where `fits` says so of them."""

    def judge(*answer: Any) -> bool:
        return fits(*numbers(answer, count, takes))

    takes = _count(count, "measured figure")
    return Exercise(takes, judge, look)


def word(*right: str, of: Sequence[str], look: str) -> Exercise:
    """One word for each of `right`, each out of the allowed ones."""

    def judge(*answer: Any) -> bool:
        if len(answer) != len(right):
            raise InputError(f"an answer is {takes}, not {len(answer)} of them")
        _known(answer, of, takes)
        return [_plain(a) for a in answer] == [_plain(r) for r in right]

    takes = f"one of {_listed(of)}"
    takes = takes if len(right) == 1 else f"{len(right)} words, each {takes}"
    return Exercise(takes, judge, look)


def words(right: Iterable[str], *, of: Sequence[str], look: str) -> Exercise:
    """All of `right` and no other of the allowed words, in any order."""
    wanted = {_plain(r) for r in right}

    def judge(*answer: Any) -> bool:
        _known(answer, of, takes)
        return {_plain(a) for a in answer} == wanted

    takes = f"some of {_listed(of)}"
    return Exercise(takes, judge, look)


def function(
    wanted: Callable[..., Any], cases: Sequence[tuple], *, takes: str, look: str
) -> Exercise:
    """A function that gives what `wanted` gives for each of the cases, to six digits."""

    def judge(*answer: Any) -> bool:
        if len(answer) != 1 or not callable(answer[0]):
            raise InputError(f"an answer is {said}")
        for case in cases:
            try:
                found = answer[0](*copy.deepcopy(case))  # it may change what it is given
            except Exception as error:  # the reader's own code: say what it did, and for what
                raise InputError(
                    f"the function fails for {case}: {type(error).__name__}: {error}"
                ) from error
            if not _same(found, wanted(*case)):
                return False
        return True

    said = f"a function {takes}"
    return Exercise(said, judge, look)


def pairs(answer: tuple, takes: str) -> list[tuple[float, float]]:
    """Each part of an answer as a pair of numbers; `InputError` for any other."""
    try:
        found = [(float(a), float(b)) for a, b in answer]
    except Exception:  # objects of the reader may raise anything
        raise InputError(f"an answer is {takes}, not {_worded(answer)}") from None
    return found


def known(said: Any, allowed: Mapping[str, Sequence[str]], takes: str) -> str:
    """The key of `allowed` that has this among its spellings; `InputError` where none has."""
    for name, spellings in allowed.items():
        if isinstance(said, str) and _plain(said) in {_plain(one) for one in spellings}:
            return name
    raise InputError(f"an answer is {takes}, not {_worded(said)}")


def _known(answer: tuple, allowed: Sequence[str], takes: str) -> None:
    for said in answer:
        known(said, {a: (a,) for a in allowed}, takes)


def _listed(allowed: Sequence[str]) -> str:
    return " | ".join(f'"{w}"' for w in allowed)


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        try:
            parts = list(islice(found, len(wanted) + 1))  # it may have no end
        except Exception:
            return False
        return len(parts) == len(wanted) and all(_same(a, b) for a, b in zip(parts, wanted))
    try:
        return math.isclose(float(found), float(wanted), rel_tol=1e-6, abs_tol=1e-9)
    except Exception:
        return False


def numbers(answer: tuple, count: int, takes: str) -> list[float]:
    """The parts of an answer as `count` numbers; `InputError` for any other."""
    if len(answer) != count:
        raise InputError(f"an answer is {takes}, not {len(answer)} of them")
    values = []
    for one in answer:
        try:
            value = None if isinstance(one, bool) else float(one)
        except Exception:  # objects of the reader may raise anything
            value = None
        if value is None:
            raise InputError(f"an answer is {takes}, not {_worded(one)}")
        values.append(value)
    return values


def _count(count: int, what: str) -> str:
    return f"one {what}" if count == 1 else f"{count} {what}s"


def _worded(value: Any) -> str:
    """What somebody gave in place of an answer, in at most 60 characters."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:59]}…"


def _plain(text: Any) -> str:
    return " ".join(str(text).lower().replace("-", " ").replace("_", " ").split())
