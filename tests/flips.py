"""One bit of a file turned over, at a place drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path


def flipped(path: Path, count: int = 200, seed: int = 0) -> Iterator[None]:
    """Write `path` anew `count` times with one bit of it turned over each time; in the end it is as
    it was.
    """
    whole, draws = path.read_bytes(), random.Random(seed)
    try:
        for _ in range(count):
            changed = bytearray(whole)
            changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
            path.write_bytes(bytes(changed))
            yield
    finally:
        path.write_bytes(whole)
