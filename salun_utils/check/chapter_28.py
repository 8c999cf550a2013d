"""A transformer that draws."""

from __future__ import annotations

from .answers import measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = number(49, 16, look="how many squares lie side by side, and how many pixels are in one?")
ex2 = number(
    0.5,
    -1.2,
    within=1e-3,
    look="put the numbers into the straight line; its velocity is the same at every share",
)
ex3 = word(
    "exactly 0",
    of=("exactly 0", "small", "as large as the own"),
    look="which rows are looked up when the loss on one class is computed?",
)
ex4 = measured(
    1,
    lambda ua: 0 <= ua <= 100,
    look="let the mask be true in the row of the class and nowhere else, and give UA in per cent",
)
