"""Is the mask needed?"""

from __future__ import annotations

from .answers import measured, number

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = number(0.1 / 1.9, 0, each=(0.004, 1e-9), look="both over either: count what both keep first")
ex2 = number(2, within=0.25, look="divide the two shares that are let through")
ex3 = number(
    1 - 0.95**9,
    0.05 / 9,
    each=(0.01, 0.0003),
    look="start from the chance that none of nine is found",
)
ex4 = measured(
    2,
    lambda random, salient: 0.02 < random < 0.1 and salient > 0.4,
    look="the table of what masks let through: first the random one, then saliency's",
)
