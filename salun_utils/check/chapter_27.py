"""What it costs."""

from __future__ import annotations

from .answers import measured, number

__all__ = ["ex1", "ex2", "ex3"]

ex1 = number(107.44, within=0.6, look="one bit a weight, eight bits a byte, in millions of bytes")
ex2 = measured(
    1,
    lambda seconds: 10 < seconds < 100_000,
    look="seconds of an epoch of 50,000 pictures: products and values are for all of them",
)
ex3 = number(49, look="which of the three count positions, and how many more are there?")
