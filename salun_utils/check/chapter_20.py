"""Errata."""

from __future__ import annotations

import math

from .answers import function, measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = word(
    "weight decay",
    of=("weight decay", "momentum", "both", "neither"),
    look="what does the buffer hold, if all gradients so far were zero?",
)
ex2 = function(
    lambda p: -sum((1 - x) * math.log(x) for x in p),
    [([0.9, 0.1],), ([0.5, 0.5],), ([0.2, 0.8],)],
    takes="of the two probabilities, giving the faulty entropy with both labels in the batch",
    look="which weight is left for each column, and of which probability is the logarithm?",
)
ex3 = number(
    0.1,
    0.6,
    each=(1e-6, 0.05),
    look="the share of D_f that was held out; then that share of 100 - 94",
)
ex4 = measured(
    1,
    lambda share: 0.5 < share < 0.99,
    look="the share that both masks keep, from gradients of single pictures",
)
