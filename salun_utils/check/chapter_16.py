"""Gradient and influence."""

from __future__ import annotations

from .answers import measured, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = word(
    "gradient",
    of=("magnitude", "gradient", "random"),
    look="what is left of the formula when the curvature is the same in every direction?",
)
ex2 = measured(
    2,
    lambda length, cosine: 0 < length < 0.8 and 0.4 < cosine < 1,
    look="set_length, then set_cosine, for all digits of one class",
)
ex3 = word(
    "the largest",
    of=("the smallest", "the middle", "the largest"),
    look="which row of the table has the largest effect?",
)
ex4 = word(
    "two samples",
    of=("two samples", "two seeds of training", "two densities"),
    look="what differs between masks from two halves of the forget set?",
)
