"""Unlearning and its measures."""

from __future__ import annotations

from .answers import measured, number, word, words

__all__ = ["ex1", "ex2", "ex3", "ex4"]

MEASURES = ("UA", "RA", "TA", "MIA")
NARROW = 30.0  # times: from no effect to ten points lost, with steps of three

ex1 = number(
    90, 10, 10, look="how often is a guess among ten classes right, and what does UA count?"
)
ex2 = words(
    ("UA", "MIA"), of=MEASURES, look="the signed gaps of the original: in which is it far away?"
)
ex3 = measured(
    2,
    lambda harmless, broken: 0 < harmless < broken <= NARROW * harmless,
    look="the larger rate must cost ten points of RA, the smaller move UA by less than one",
)
ex4 = word(
    "positive",
    of=("positive", "negative", "zero"),
    look="does Retrain's TA rise or fall when it has half of the pictures to learn from?",
)
