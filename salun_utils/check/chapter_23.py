"""Probes of erasure."""

from __future__ import annotations

from .answers import function, number, words

__all__ = ["ex1", "ex2", "ex3"]

ex1 = function(
    lambda q: 1 - (1 - q) ** 3,
    [(0.0,), (0.1,), (0.5,), (1.0,)],
    takes="of q, giving the chance that any of three tries succeeds",
    look="start from the chance that all three fail",
)
ex2 = words(
    ("completion", "inpainting", "start noise"),
    of=("completion", "inpainting", "start noise", "searched words"),
    look="which begin from a picture of the concept, or from what a picture was turned into?",
)
ex3 = number(
    1, look="how many places before the prompt did AdvUnlearn's training let the search have?"
)
