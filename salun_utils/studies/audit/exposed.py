"""Pictures that give themselves away more than pictures drawn at random: the vulnerable ones, and
canaries, which are trained on under a wrong label.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import attack

SHARE = 0.1  # of the targets, those that are called vulnerable
LEAST = 10  # of them, for an interval to have members and others in every draw


def vulnerable(margins: np.ndarray, member: np.ndarray, *, share: float = SHARE) -> np.ndarray:
    """Bool (M, N): the pictures whose margin moves most by training on them, for each model as the
    other half of the pairs of models sees it.

    Chosen and attacked on the same networks, pictures would look exposed by the luck of the choice.

    Parameters
    ----------
    margins : (M, N), before anything is unlearned. member : bool (M, N).
    """
    halves = np.arange(len(margins)) // 2 % 2
    chosen = np.zeros(margins.shape, dtype=bool)
    for half in (0, 1):
        asked = halves != half
        had = np.where(member[asked], margins[asked], np.nan)
        never = np.where(member[asked], np.nan, margins[asked])
        moved = np.nanmean(had, 0) - np.nanmean(never, 0)
        top = np.argsort(-moved, kind="stable")[: max(LEAST, int(share * len(moved)))]
        chosen[np.ix_(halves == half, top)] = True
    return chosen


def attacked(
    margins: dict[str, np.ndarray],
    member: np.ndarray,
    *,
    targets: int,
    canaries: int,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The likelihood ratio on vulnerable targets and, where there are any, on canaries.

    Parameters
    ----------
    margins : "before" and "after" -> (M, n) of targets, watched pictures and canaries.
    member : bool (M, n).

    Returns
    -------
    Rows like those of `study.measured`, "pictures" being "vulnerable" or "canaries".
    """
    first, rows = slice(None, targets), []
    chosen = vulnerable(margins["before"][:, first], member[:, first])
    parts: list[tuple[str, slice, np.ndarray | None]] = [("vulnerable", first, chosen)]
    if canaries:
        parts.append(("canaries", slice(-canaries, None), None))
    for when, values in margins.items():
        for name, part, picked in parts:
            inside = member[:, part]
            scores = attack.leave_one_out(values[:, part], inside)
            found = attack.over_models(scores, inside, chosen=picked, seed=seed)
            rows.append({"pictures": name, "when": when, "attack": attack.BEST, **found})
    return rows
