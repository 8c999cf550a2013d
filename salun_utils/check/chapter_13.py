"""Sparsity and threshold."""

from __future__ import annotations

from .answers import measured, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = measured(
    2,
    lambda few, all_of_them: 0 < few < 1 and 0 < all_of_them < 1 and few != all_of_them,
    look="two densities between 0 and 1, from different numbers of retained pictures",
)
ex2 = word(
    "changes",
    "stays",
    of=("changes", "stays"),
    look="multiply one layer of two by hand, and rank both ways",
)
ex3 = word(
    "much the same",
    of=("twice as high", "half as high", "much the same"),
    look="the recorded densities at the knee, for a class and for a random tenth",
)
ex4 = word(
    "above",
    "below",
    of=("above", "below", "at"),
    look="what has a network that saw half of the pictures lost on new ones?",
)
