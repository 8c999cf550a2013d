"""The leaderboard."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from .answers import Exercise, number, pairs, word

__all__ = ["ex1", "ex2", "ex3", "ex4"]


def _places(*answer: Any) -> bool:
    takes = "three pairs (first, last) and True or False"
    if len(answer) != 4 or not isinstance(answer[3], bool):
        raise InputError(f"an answer is {takes}")
    return pairs(answer[:3], takes) == [(1, 2), (1, 3), (2, 3)] and not answer[3]


def _row_of_ones_own(*answer: Any) -> bool:
    """Whether these are at least three seeds of one setting."""
    from ..runs import Record
    from ..runs.records.alike import check_alike

    lists = [a if isinstance(a, list | tuple) else [a] for a in answer]
    found = [record for part in lists for record in part]
    if not found or not all(isinstance(r, Record) for r in found):
        raise InputError("an answer is what su.runs.load_records(method=…) gives")
    check_alike(found, of=("settings",))
    return len({r.seeds.get("unlearning") for r in found if r.scores}) >= 3


ex1 = word(
    "a destroyed one",
    "the original",
    of=("a destroyed one", "the original", "Retrain"),
    look="which network gets every picture wrong, and which has lost nothing at all?",
)
ex2 = Exercise(
    "three pairs (first, last place), then True or False for transitive",
    _places,
    "a row's first place counts those clearly ahead of it, its last place those clearly behind",
)
ex3 = Exercise(
    "the records of your method, su.runs.load_records(method=…, tier='cpu')",
    _row_of_ones_own,
    "a row wants three seeds of unlearning with everything else alike",
)
ex4 = number(190, look="twenty methods, any two of them, each pair once")
