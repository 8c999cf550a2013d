"""Harmful concepts."""

from __future__ import annotations

from .answers import number, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = number(
    1 / 0.79,
    within=0.05,
    look="pictures are reported for either of two reasons; add up both shares",
)
ex2 = number(
    59,
    within=1,
    look="the chance that all are found must fall to what the confidence leaves over",
)
ex3 = number(
    100 * (1 - 0.05 ** (1 / 4703)) / 0.8,
    within=0.005,
    look="bound the share that would be reported, then ask how much larger the true one may be",
)
ex4 = word(
    "sneaker",
    of=("bag", "coat", "sneaker"),
    look="what shares most with sandals, and is held in place by nothing any more?",
)
