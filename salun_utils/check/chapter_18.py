"""The privacy audit."""

from __future__ import annotations

from .answers import number, word

__all__ = ["ex1", "ex2", "ex3"]

ex1 = word(
    "below",
    of=("below", "at", "above"),
    look="which side of each likelihood has a margin less, for members and for the others?",
)
ex2 = number(
    0.04, within=0.004, look="an attack sure of a share a and blind for the rest: a + (1 - a) / 2"
)
ex3 = word(
    "likelihood ratio",
    of=("confidence", "likelihood ratio", "entropy"),
    look="which of them compares a picture with itself?",
)
