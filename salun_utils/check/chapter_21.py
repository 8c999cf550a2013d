"""It did not forget."""

from __future__ import annotations

from .answers import word

__all__ = ["ex1", "ex2", "ex3"]

ex1 = word(
    "weight decay",
    of=("weight decay", "momentum", "rounding"),
    look="what does SGD add to a gradient after the mask was applied to it?",
)
ex2 = word(
    "validation",
    of=("forget", "retain", "validation", "test"),
    look="which pictures should the original know no better than new ones, and does?",
)
ex3 = word(
    "mask not applied",
    of=("mask not applied", "labels equal", "split mismatch", "nothing"),
    look="what happens to a weight's bits in half precision?",
)
