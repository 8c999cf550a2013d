"""Duration and scale."""

from __future__ import annotations

from .answers import measured, number

__all__ = ["ex1", "ex2", "ex3", "ex4"]

ex1 = measured(
    2,
    lambda ua, ta: ua > 25 and ta < 85,
    look="UA of the run, then its TA: both are far from the reference at so large a rate",
)
ex2 = measured(
    2,
    lambda validation, ua: 0 < validation < 100 and abs(validation - ua) < 8,
    look="the error on validation pictures, then Retrain's UA, both in per cent",
)
ex3 = number(
    2, 0.5, look="by what factor does T grow, and by what factor must the rate make up for it?"
)
ex4 = number(
    0.0155,
    0.0198,
    each=(0.0004, 0.0005),
    look="from 5 to 20 epochs is a factor of 4, once to each power",
)
