"""Weight saliency."""

from __future__ import annotations

from .answers import function, measured, number, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]


def _limit(scores: list[float], keep: float) -> float:
    return sorted(scores)[-int(keep * len(scores))]


ex1 = measured(
    1,
    lambda share: 0.52 < share < 0.98,
    look="divide the weights in both masks by those in one, and add absolute values batch by batch",
)
ex2 = function(
    _limit,
    [([0.1, 0.4, 0.3, 0.2], 0.5), ([1.0, 1.0, 0.0, 2.0, 3.0], 0.6), ([0.5, 0.2, 0.9], 0.4)],
    takes="of a list of scores and a share: the limit that int(keep * n) scores reach",
    look="kthvalue counts from the smallest, and its first value is number 1",
)
ex3 = number(
    0.1,
    1.0,
    each=(0.05, 0.3),
    look="divide each new distance by the old one, and ask what Adam divides its pull by",
)
ex4 = word(
    "random",
    of=("salient", "random", "least salient"),
    look="the recorded table for 10 %: which mask has the smallest mean gap of these three",
)
