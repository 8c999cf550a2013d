"""Class-wise forgetting."""

from __future__ import annotations

from .answers import measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = number(
    100,
    100,
    40,
    within=1.5,
    look="a distance in answers counts the pictures that would have to change theirs",
)
ex2 = word(
    "several",
    of=("none", "one", "several"),
    look="count Retrain's answers to the bags: how many classes have more than a few of them?",
)
ex3 = measured(
    1,
    lambda distance: 0 < distance < 50,
    look="0 means that one network was compared with itself; sum the absolute shares, and halve",
)
ex4 = number(
    90, look="what share of the test pictures belongs to the class that Retrain can't know?"
)
