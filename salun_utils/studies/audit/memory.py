"""Whether what shadow models say fits into memory, asked before the first of them is trained."""

from __future__ import annotations

from ...data.images import Dataset
from ...data.places import memory_limit
from ...errors import InputError

ANSWERS, WORK = 2 * 4, 3 * 8  # bytes a logit: before and after in float32; copies in float64
GIGA = 1e9


def check_memory(
    data: Dataset, *, models: int, audited: int, further: bool = False, limit: int | None = None
) -> None:
    """Raise `InputError` when the logits of all shadow models, which the attacks want together,
    need more memory than there is.

    Parameters
    ----------
    audited : pictures that are asked about. further : whether those of Retrain are kept as well.
    limit : bytes that there are, by default those of this machine or container.
    """
    logits = models * (audited + len(data.test)) * data.num_classes
    needed = logits * (ANSWERS * (2 if further else 1) + WORK)
    there = memory_limit() if limit is None else limit
    if needed > there:
        raise InputError(
            f"too little memory for the shadow models: what they say needs {needed / GIGA:.1f} GB,"
            f" and there are {there / GIGA:.1f}: choose fewer models, targets or watched"
        )
