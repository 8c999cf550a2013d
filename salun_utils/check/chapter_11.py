"""Forgetting in GANs and VAEs."""

from __future__ import annotations

from typing import Any

from .answers import Exercise, measured, number, numbers, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]


def _embedding(*answer: Any) -> bool:
    numbers(answer, 1, "one number")  # before a model is loaded
    from .. import generation

    return bool(number(generation.load("gan-fashion").config.embedding, look="")(*answer))


ex1 = Exercise(
    "one number",
    _embedding,
    "the class enters the generator in one place: how many numbers does it look up there?",
)
ex2 = measured(
    1,
    lambda count: 0 <= count <= 1,
    look="draw from the model after SalUn, ask for the forgotten class, and count its own number",
)
ex3 = number(
    80,
    0,
    within=0.5,
    look="set the derivative of the one to nothing; for the other, count terms that grow when the"
    " answer moves up a little",
)
ex4 = word(
    "at the original's weights only",
    of=("everywhere", "at the original's weights only", "along the way"),
    look="the mask is made once: when?",
)
