"""Requests in a row."""

from __future__ import annotations

from .answers import measured, word

__all__ = ["ex1", "ex2", "ex3"]

ex1 = word("GA", of=("FT", "RL", "SalUn", "GA"), look="which method's loop never touches D_r?")
ex2 = measured(
    2,
    lambda trained, other: 0 <= other <= 100 and trained > 50,
    look="first the share that obeys with the stamp where it was trained, then in another corner",
)
ex3 = word(
    "it goes on working",
    of=("it goes on working", "it stops", "it works half as often"),
    look="what do the retained pictures teach, if half of the stamped ones are among them?",
)
