"""Seeded nonsense for the readers of other people's files, and what may come of it: a value, or one
line of `InputError`; no other error, no hang.

Each input has a seed of its own, (reader, number), so that one that fails can be made again alone.
``SALUN_FUZZ=1`` (``make test-fuzz``) tries all of them, the ordinary tests a share.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import signal
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from salun_utils.errors import InputError

SHARE = 100  # of so many inputs the ordinary tests take one
# What one input may take: of the processor, and by the clock, which other work can slow down.
SECONDS, MINUTES = 20, 5
SIGNS = "\0\n\t\"'{}[]:,-&*!|>%@`#?é\u2028\ud800😀"


def numbers(total: int) -> range:
    """Which of `total` inputs to try."""
    return range(total) if os.environ.get("SALUN_FUZZ") else range(0, total, SHARE)


def hold(reader: str, total: int, one: Callable[[random.Random], Any]) -> dict[str, int]:
    """Try the inputs; prints and returns how many were read and how many refused.

    Parameters
    ----------
    one : makes an input from the draws that it is given, and reads it.

    Raises
    ------
    AssertionError : an input gave another error, a line that is none, or took too long; says which.
    """
    outcomes = {"read": 0, "refused": 0}
    for number in numbers(total):
        try:
            with warnings.catch_warnings(), _in_time():
                warnings.simplefilter("ignore")
                one(random.Random(f"{reader} {number}"))
            outcomes["read"] += 1
        except InputError as error:
            assert str(error).strip() and "\n" not in str(error), f"{reader} {number}: no line"
            assert len(str(error)) < 3000, f"{reader} {number}: {len(str(error))} characters"
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(
                f"{reader} {number}: {type(error).__name__}: {str(error)[:300]}"
            ) from error
    print(f"{reader}: {outcomes['read']:,} read, {outcomes['refused']:,} refused in a line")
    return outcomes


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"took more than {SECONDS} s of the processor, or {MINUTES} minutes")

    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, SECONDS),
        (signal.SIGALRM, signal.ITIMER_REAL, 60 * MINUTES),
    )
    before = [signal.signal(sign, late) for sign, *_ in timers]
    try:
        for _, timer, most in timers:
            signal.setitimer(timer, most)
        yield
    finally:
        for (sign, timer, _), handler in zip(timers, before):
            signal.setitimer(timer, 0)
            signal.signal(sign, handler)


# -- bytes


def mutated(draw: random.Random, content: bytes) -> bytes:
    """`content` with one to four of its bytes or stretches changed, cut, moved or put in."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        span = min(draw.choice((1, 2, 4, 8, 64, 512)), len(data) - at)
        kind = draw.randrange(8)
        if kind == 0:
            data[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 1 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + span]
        elif kind == 4:
            data[at:at] = draw.randbytes(span)
        elif kind == 5:
            data[at : at + span] = bytes([draw.choice((0, 255))]) * span
        elif kind == 6:
            data[at:at] = data[at : at + span]
        else:
            data[at : at + 4] = draw.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)).to_bytes(
                4, draw.choice(("little", "big"))
            )
    return bytes(data)


# -- values and texts


def text(draw: random.Random, most: int = 12) -> str:
    """A word, with signs in it that files or languages give a meaning."""
    letters = [draw.choice("abz019._" + SIGNS) for _ in range(draw.randrange(most))]
    return "".join(letters)


def value(draw: random.Random, depth: int = 3) -> Any:
    """Anything that JSON or YAML can say."""
    plain = (
        lambda: None,
        lambda: draw.random() < 0.5,
        lambda: draw.randint(-3, 3),
        lambda: draw.choice((10**400, -(2**63), 2**64, 10**18)),
        lambda: draw.choice((math.nan, math.inf, -math.inf, 1e308, -0.0, 1e-320, 0.1)),
        lambda: text(draw),
        lambda: draw.choice(("", "nan", "1e-3", "true", "~", "0x1", "2020-13-45", "a" * 5000)),
    )
    if depth and draw.random() < 0.3:
        if draw.random() < 0.5:
            return [value(draw, depth - 1) for _ in range(draw.randrange(4))]
        return {text(draw, 4): value(draw, depth - 1) for _ in range(draw.randrange(4))}
    return draw.choice(plain)()


def varied(draw: random.Random, tree: Any) -> Any:
    """A tree of dicts and lists with one place in it changed, taken out or renamed."""
    if isinstance(tree, dict) and tree and draw.random() < 0.9:
        key = draw.choice(list(tree))
        kind = draw.randrange(6)
        if kind == 0:
            return {k: v for k, v in tree.items() if k != key}
        if kind == 1:
            return {**tree, draw.choice((text(draw), f"{key}x")): value(draw)}
        return {**tree, key: varied(draw, tree[key])}
    if isinstance(tree, list) and tree and draw.random() < 0.8:
        at = draw.randrange(len(tree))
        return [*tree[:at], varied(draw, tree[at]), *tree[at + draw.randint(0, 2) :]]
    return value(draw)


def as_yaml(draw: random.Random, tree: Any) -> str:
    """A YAML text of the tree, at times with what only texts can say: tags, anchors, depth."""
    written = yaml.safe_dump(tree, allow_unicode=True)
    kind = draw.randrange(20)
    if kind == 0:
        return written + "\nloop: &a [*a, 1]\n"
    if kind == 1:
        return written.replace(": ", f": !!{draw.choice(('python/none', 'set', 'int', 'x'))} ", 1)
    if kind == 2:
        return written + f"deep: {'[' * (depth := draw.choice((20, 60, 400)))}{']' * depth}\n"
    if kind == 3:
        return "a: &a [x, x, x, x]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n"
            for i in range(9)
        )
    if kind == 4:
        return mutated(draw, written.encode()).decode("utf-8", "replace")
    if kind == 5:
        return written + "\n? {a: 1}\n: 2\n? [1, 2]\n: 3\n2001-02-30: x\n1: y\n~: z\n"
    if kind == 6:
        return written + "\n---\n" + written
    if kind == 8:
        return written.replace(" 0", f" 0x{'f' * draw.choice((20, 400, 5000))}", 1)
    if kind == 7:
        return written + "\n<<: &m {a: 1}\n<<: *m\nt: 2001-99-99\n"
    return written


def as_json(draw: random.Random, tree: Any) -> bytes:
    """A JSON text of the tree, at times damaged, deep, or with what only Python writes."""
    written = json.dumps(tree)
    kind = draw.randrange(8)
    if kind == 0:
        return mutated(draw, written.encode())
    if kind == 1:
        depth = draw.choice((50, 2000, 100_000))
        return f'{{"a": {"[" * depth}{"]" * depth}}}'.encode()
    if kind == 2:
        return written.encode(draw.choice(("utf-16", "utf-8-sig", "utf-32")))
    if kind == 3:
        return written.replace("0", "9" * draw.choice((20, 5000)), 1).encode()
    return written.encode()
