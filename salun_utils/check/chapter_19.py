"""Representations and relearning."""

from __future__ import annotations

from .answers import number, word

__all__ = ["ex1", "ex2", "ex3"]

ex1 = number(246, look="of 256 directions, how many does a layer of ten rows not read?")
ex2 = word(
    "Retrain",
    of=("the original", "Retrain", "another method"),
    look="which network never knew the class, and learns it all the same?",
)
ex3 = word(
    "RL",
    of=("RL", "FT", "GA", "Retrain"),
    look="which method does everything that SalUn does, without the mask?",
)
