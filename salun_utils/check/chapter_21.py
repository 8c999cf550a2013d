"""It did not forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answers import word

if TYPE_CHECKING:
    from torch import Tensor

    from ..data.splits import ForgetSplit

__all__ = ["ex1", "ex2", "ex3", "ex4"]


def mystery(split: ForgetSplit) -> Tensor:
    """int64 (N,): labels for the forget set that somebody chose. Look at them."""
    labels = split.forget.labels
    return (labels[:1] + 1).remainder(len(split.classes)).expand(len(labels)).clone()


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
ex4 = word(
    "all are one class",
    of=("some are true", "all are one class", "they are shifted by one", "they are not random"),
    look="compare them with the true ones, and count how often each class stands among them",
)
