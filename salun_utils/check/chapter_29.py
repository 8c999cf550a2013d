"""Adapters, and classes that have names."""

from __future__ import annotations

from .answers import measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = number(
    768,
    6912,
    look="A has rank rows of as many numbers as go in, B as many rows as come out; W has both",
)
ex2 = word(
    "exactly 0",
    of=("exactly 0", "small", "as large as that of B"),
    look="B is zero in a new adapter: how does the loss reach A?",
)
ex3 = word(
    "all of them",
    of=("none", "the adapter's", "all of them"),
    look="what does the gradient reach once the adapter has become part of the weights?",
)
ex4 = measured(
    2,
    lambda dress, gown: 0 <= dress <= 100 and 0 <= gown <= 100,
    look="copy one column of `text.words.weight`, and give UA by both names in per cent",
)
