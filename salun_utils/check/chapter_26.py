"""The cliff."""

from __future__ import annotations

from .answers import function, number

__all__ = ["ex1", "ex2", "ex3"]

ex1 = function(
    lambda ta: 100 - ta,
    [(95.0,), (71.5,), (100.0,)],
    takes="of the original's TA, giving the UA at which to stop",
    look="what is a forgotten picture to be to the network, and what is its error there?",
)
ex2 = number(
    2, within=0.2, look="how long is what is left of a step, if a random quarter of it is kept?"
)
ex3 = number(
    0.25, 0.5, within=0.01, look="for a share of 1/4: the mean of m g v, then the length of m v"
)
