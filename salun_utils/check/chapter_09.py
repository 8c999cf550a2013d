"""Erasing a concept from a text-to-image model."""

from __future__ import annotations

from typing import Any

from .answers import Exercise, measured, number, numbers, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]

KEEP = 0.5  # of the weights that may change
LEAST = 25.0  # per cent: more than a judge's errors


def _half_of_cross_attention(*answer: Any) -> bool:
    numbers(answer, 1, "one number")  # before a model is loaded
    from .. import generation
    from ..generation.erasers.pipeline.settings import WEIGHTS

    named = generation.load("mini-sd").unet.named_parameters()
    cross = sum(p.numel() for n, p in named if WEIGHTS["cross-attention"](n))
    return bool(number(int(KEEP * cross), look="")(*answer))


ex1 = Exercise(
    "one number",
    _half_of_cross_attention,
    "count the weights of the cross-attention alone, and take the share that is kept",
)
ex2 = measured(
    1,
    lambda share: LEAST <= share <= 100,
    look="erase Trouser, not Sneaker, and learn the word from what UCE left of that model",
)
ex3 = number(
    2 / 9,
    within=0.005,
    look="either bracket has three terms, and one term of the first has another sign in it",
)
ex4 = word(
    "ankle boots",
    of=("sneakers by the bare word", "ankle boots"),
    look="which of the two was nobody asked to erase?",
)
