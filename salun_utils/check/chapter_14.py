"""Architectures."""

from __future__ import annotations

from .answers import measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4", "ex5"]

ex1 = word(
    "changes",
    "another",
    of=("changes", "stays", "the same", "another"),
    look="is there a layer behind it that divides again? think of the loss, not of the class",
)
ex2 = measured(
    1,
    lambda overlap: 0.99 <= overlap <= 1,
    look="what does one factor do to the order of the weights within a layer?",
)
ex3 = number(
    0.4256,
    0,
    within=0.005,
    look="count the weights of a kernel that meet a pixel, in each of the last convolutions",
)
ex4 = number(
    7, look="n pairs can't give a p below 2 / 2^n, and Holm multiplies the smaller of two by two"
)
ex5 = word(
    "training recipe",
    of=("training recipe", "mask", "membership attack"),
    look="the columns of the first recorded table that each network has of its own",
)
