"""Forgetting a class of a DDPM."""

from __future__ import annotations

from .answers import word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = word(
    "the one without a class",
    of=("the one of the class", "the one without a class", "the frozen original's"),
    look="write guidance as a sum of two predictions: which of them did erasing never train on?",
)
ex2 = word(
    "one of the two",
    of=("one of the two", "always the first", "a third class"),
    look="draw twenty of them and let the judge name each",
)
ex3 = word(
    "other shoes",
    of=("bags", "other shoes", "trousers"),
    look="which classes need the weights that are salient for sneakers?",
)
ex4 = word(
    "the squared error has no end",
    of=("the squared error has no end", "the rate is larger", "the network is smaller"),
    look="let the prediction run away from its target: what does either loss do?",
)
