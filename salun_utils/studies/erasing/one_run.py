"""What single runs on one scene have shown: scores, distances and pictures side by side, by name of
the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from ...data.images import Images
from ...generation.measures.recognition import Recognition
from ...generation.trials.run import Outcome
from ...metrics import Interval
from ...plots.tables import Cell, Table, between, table
from ...saliency import SaliencyMask
from ...shown import amount

ORIGINAL = "original"
MEASURES = {
    "fid": "FID",
    "kid": "KID",
    "inception_score": "Inception score",
    "precision": "precision",
    "recall": "recall",
}


def first_of_each(labels: Tensor, classes: Sequence[str]) -> Tensor:
    """int64 (K,): where each class stands first among labels (N,)."""
    return torch.stack([(labels == k).nonzero()[0, 0] for k in range(len(classes))])


def examples(images: Images, classes: Sequence[str]) -> Tensor:
    """uint8 (K, C, H, W): the first picture of each class."""
    return images.pixels[first_of_each(images.labels, classes)]


def pictures(runs: Mapping[str, Outcome], rows: Tensor) -> dict[str, Tensor]:
    """The original's pictures and those of each run, of the same noises."""
    before = next(iter(runs.values())).before
    return {ORIGINAL: before[rows], **{name: run.after[rows] for name, run in runs.items()}}


def scores(runs: Mapping[str, Outcome]) -> dict[str, Recognition]:
    """The original's scores and those of each run."""
    first = next(iter(runs.values()))
    return {ORIGINAL: first.original, **{name: run.scores for name, run in runs.items()}}


def score_table(runs: Mapping[str, Outcome]) -> Table:
    """UA and the share of the other classes recognised, with intervals over pictures."""
    rows = {
        name: {
            "UA, %": _with_interval(seen.ua, seen.ua_interval),
            "others, %": _with_interval(seen.retained_mean, seen.retained_interval),
        }
        for name, seen in scores(runs).items()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index"), reference=[ORIGINAL])


def _with_interval(value: float | None, interval: Interval | None) -> Cell:
    if value is None or interval is None:  # nothing was drawn of the class
        return Cell(amount(None))
    return Cell(amount(value), between(*interval, digits=1))


def recognised(runs: Mapping[str, Outcome], classes: Sequence[str]) -> pd.DataFrame:
    """Per cent of each class's pictures that the judge takes for it: columns class, model and
    recognised, in the order of the classes.
    """
    rows = [
        (one, name, share)
        for name, seen in scores(runs).items()
        for one, share in (*seen.retained.items(), (seen.forgotten, _still(seen)))
    ]
    found = pd.DataFrame(rows, columns=["class", "model", "recognised"])
    order = found["class"].map(list(classes).index)
    return found.iloc[order.argsort(kind="stable")]


def _still(seen: Recognition) -> float | None:
    return None if seen.ua is None else 100 - seen.ua


def distance_table(runs: Mapping[str, Outcome]) -> Table:
    """FID and its kin against the real pictures of the classes that are kept."""
    first = next(iter(runs.values()))
    far = {ORIGINAL: first.original_distances, **{name: r.distances for name, r in runs.items()}}
    rows = {n: {said: getattr(d, m) for m, said in MEASURES.items()} for n, d in far.items()}
    one = far[ORIGINAL]
    note = f"Features: {one.features}; {one.generated} drawn pictures against {one.real:,} real."
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, digits=3, reference=[ORIGINAL], note=note)


def agreement_table(first: SaliencyMask | None, second: SaliencyMask | None) -> Table | None:
    """On how many weights two masks of one network say the same, and on how many by chance; None
    where an eraser took no mask.
    """
    if first is None or second is None:
        return None
    same = sum(int((first[n] == second[n]).sum()) for n in first) / first.numel
    a, b = first.density, second.density
    row = {
        "weights": first.numel,
        "share of both, %": 100 * a,
        "both say the same, %": 100 * same,
        "by chance, %": 100 * (a * b + (1 - a) * (1 - b)),
    }
    return table(pd.DataFrame([row], index=["saliency and random"]))
