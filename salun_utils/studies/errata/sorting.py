"""Time and room of a mask by a threshold and by ranks: the mistake that costs no accuracy."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ...plots.tables import Table, table
from ...saliency import SaliencyMask
from ...seeds import generator

ITEM = "14"


def compared(
    by_ranks: Callable[[torch.Tensor], torch.Tensor], *, ranked: int, keep: float, seed: int
) -> list[dict[str, Any]]:
    """Both variants of the mask of as many random scores: least processor seconds (of three runs
    by threshold), bytes, and whether the masks are the same.

    Parameters
    ----------
    by_ranks : scores (ranked,) -> a mask of numbers, 1 where a weight is kept.
    """
    scores = torch.rand(ranked, generator=generator(seed, "ranked"))
    (sorted_mask, sorting), (mask, threshold) = (
        _timed(lambda: by_ranks(scores), 1),
        _timed(lambda: SaliencyMask.top({"all": scores}, keep), 3),
    )
    with tempfile.TemporaryDirectory() as folder:
        mask.save(f"{folder}/mask.safetensors")
        on_disk = Path(f"{folder}/mask.safetensors").stat().st_size
    about = {"weights": ranked, "same_mask": bool((mask["all"] == sorted_mask.bool()).all())}
    spent = {"right": (threshold, on_disk), "faulty": (sorting, sorted_mask.nbytes)}
    return [
        {"item": ITEM, "variant": variant, "cpu_seconds": seconds, "bytes": size, **about}
        for variant, (seconds, size) in spent.items()
    ]


def _timed(make: Callable[[], Any], times: int) -> tuple[Any, float]:
    """What `make` returns, and the least processor seconds that it took."""
    spent = []
    for _ in range(times):
        started = time.process_time()
        made = make()
        spent.append(time.process_time() - started)
    return made, min(spent)


def said(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The sizes of both, and whether they are the same mask. Seconds are in the record: they differ
    from run to run.
    """
    lines = {
        {"right": "by threshold, in a file", "faulty": "by double argsort, int64"}[
            line["variant"]
        ]: {
            "weights": line["weights"],
            "bytes": line["bytes"],
            "same mask": "yes" if line["same_mask"] else "NO",
        }
        for line in rows
        if line["item"] == ITEM
    }
    return table(pd.DataFrame.from_dict(lines, orient="index", dtype=object))
