"""Forget one class in a minute."""

from __future__ import annotations

from .answers import measured, word

__all__ = ["ex1", "ex2", "ex3"]

NEAR = 6.0  # points between two figures of one seed that mean the same

ex1 = word(
    "Sneaker",
    "less sure",
    of=("Sneaker", "Ankle boot", "Bag", "Trouser", "less sure", "as sure", "surer"),
    look="the picture of answers and the table below it, with another forget_class",
)
ex2 = word(
    "RL",
    of=("FT", "RL", "GA", "Retrain"),
    look="what is left of SalUn when no weight is held?",
)
ex3 = measured(
    2,
    lambda ua, ta: 0 < ua < 50 and abs(ua - (100 - ta)) <= NEAR,
    look="the row of Retrain, UA first and TA second: what is a forgotten picture to it?",
)
