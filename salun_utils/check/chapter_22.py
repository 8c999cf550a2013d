"""Winners and successors."""

from __future__ import annotations

from .answers import measured, number

__all__ = ["ex1", "ex2", "ex3"]

ex1 = number(0, look="can a weight be among the largest half and among the smallest half?")
ex2 = measured(
    2,
    lambda smallest, largest: largest < smallest,
    look="RA with the smallest gradients redrawn, then with the largest, before any fine-tuning",
)
ex3 = number(10, look="the smallest p of n pairs is 2 / 2^n; multiply it by thirteen")
