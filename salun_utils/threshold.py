"""The threshold of a mask: the k-th highest of all scores together, without sorting or joining
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from .errors import InputError

CHUNK = 1 << 17  # scores compared at once: what a processor cache holds
SAMPLE = 1 << 16  # scores that the first guess at the threshold is made from


def score_bits(scores: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The bits of the scores, as rows of integers, which sort as non-negative floats do.

    Scores in float32 or float64 on the CPU are looked at in place; others are converted or brought
    there.
    """
    if not scores:
        raise InputError("there are no scores to make a mask of")
    for name, score in scores.items():
        if not isinstance(score, Tensor) or score.is_complex():
            kind = score.dtype if isinstance(score, Tensor) else type(score).__name__
            raise InputError(f"scores must be tensors of real numbers, not {kind} at {name!r}")
    wide = (
        torch.float64 if any(s.dtype == torch.float64 for s in scores.values()) else torch.float32
    )
    bits = {}
    for name, score in scores.items():
        floats = score.detach().to("cpu", wide).reshape(-1).numpy()
        row = floats.view(np.int64 if wide == torch.float64 else np.int32)
        infinity = np.array(np.inf, floats.dtype).view(row.dtype)
        if len(row) and (row.min() < 0 or row.max() > infinity):  # the sign bit is set, or a NaN
            if not (floats >= 0).all():
                raise InputError(
                    "scores must be numbers of at least 0 (no NaN, no negative value); take the"
                    " absolute value first"
                )
            row = np.abs(floats).view(row.dtype)  # negative zeros
        bits[name] = row
    return bits


def size(bits: Mapping[str, np.ndarray]) -> int:
    """How many scores there are."""
    return sum(len(row) for row in bits.values())


def _chunks(rows: list[np.ndarray]) -> Iterator[np.ndarray]:
    for row in rows:
        for start in range(0, len(row), CHUNK):
            yield row[start : start + CHUNK]


def threshold(rows: list[np.ndarray], wanted: int) -> tuple[int, int]:
    """The wanted-th highest of all numbers in `rows`, and how many equal to it are kept.

    An interval that holds the threshold is narrowed by counting the numbers above a pivot. The
    first pivots come from a sample; if they miss (many ties, an odd order), bisection goes on. Once
    the interval holds few numbers, these are selected from directly.
    """
    total, highest = sum(map(len, rows)), np.iinfo(rows[0].dtype).max
    if wanted == 0:
        return highest, 0
    low, high = 0, highest  # the threshold lies in low ... high
    at_least, above = total, 0  # numbers >= low, numbers > high
    guesses = _guesses(rows, wanted / total, max(1, total // SAMPLE))
    while low < high and at_least - above > max(SAMPLE, total // 32):
        pivot = min(max(next(guesses, (low + high) // 2), low), high - 1)
        count = sum(int(np.count_nonzero(part > pivot)) for part in _chunks(rows))
        if count < wanted:
            high, above = pivot, count
        else:
            low, at_least = pivot + 1, count
    if low == high:
        return low, wanted - above
    near = np.concatenate([part[(part >= low) & (part <= high)] for part in _chunks(rows)])
    place = above + len(near) - wanted
    found = int(np.partition(near, place)[place])
    return found, wanted - above - int(np.count_nonzero(near > found))


def _guesses(rows: list[np.ndarray], share: float, step: int) -> Iterator[int]:
    """Pivots from every step-th number: four standard deviations on either side of the sought
    quantile, then the quantile itself.
    """
    sample = np.sort(np.concatenate([row[::step] for row in rows]))
    place = (1 - share) * len(sample)
    margin = 4 * math.sqrt(share * (1 - share) * len(sample)) + 1
    for at, below in ((place + margin, 0), (place - margin, 1), (place, 0), (place, 1)):
        yield int(sample[min(max(round(at), 0), len(sample) - 1)]) - below
