"""Hard or soft."""

from __future__ import annotations

from .answers import function, measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4", "ex5"]

ex1 = function(
    lambda u, strength: u / (1 + strength),
    [(1.0, 0.5), (-2.0, 0.1), (0.3, 4.0), (0.0, 1.0)],
    takes="of u = the free step and eta * beta, giving the step d that is taken",
    look="the derivative of the distance to u plus that of the penalty is zero",
)
ex2 = number(10, look="where does the buffer of the momentum tend to under a constant gradient?")
ex3 = measured(
    1,
    lambda percent: 90 < percent <= 100,
    look="the per cent of weights that moved after the last step; count those not equal to theta_o",
)
ex4 = word(
    "those whose one step is long",
    of=("all of them", "none of them", "those whose one step is long"),
    look="what must one step be longer than, and how does that limit change with time?",
)
ex5 = measured(
    1,
    lambda beta: 0.001 < beta < 0.003,
    look="bisect between the two rows of the table that lie on either side of half",
)
