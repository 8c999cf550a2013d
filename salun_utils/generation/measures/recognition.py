"""Scores of generated pictures: what a judge recognises, and how far the pictures are from real
ones.

Pictures are uint8 throughout. Distances compare with all real pictures of the classes that were
*not* forgotten; the result names the features they were taken on and counts the pictures on both
sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...metrics.intervals import Interval, bootstrap_interval
from ...units import numerics
from ..models import pipelines
from ..models.judges import Judge


@dataclass(frozen=True)
class Recognition:
    """What the judge saw, in per cent of the pictures of each class.

    Attributes
    ----------
    ua : share of the forgotten class's pictures *not* recognised as that class. ua_interval :
        bootstrap 95 %.
    retained : class name -> share recognised, for every other class. retained_mean : their mean,
        with its interval.
    samples : class name -> number of pictures. judge, judge_accuracy : who judged, and how well on
        real test pictures.
    """

    forgotten: str | None
    ua: float | None
    ua_interval: Interval | None
    retained: Mapping[str, float]
    retained_mean: float
    retained_interval: Interval
    samples: Mapping[str, int]
    judge: str
    judge_accuracy: float | None

    def to_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)


@numerics(1, "metric/recognition", uses=("judge", "metric/interval"))
def recognition(
    pixels: Tensor,
    labels: Tensor,
    judge: Judge,
    *,
    forgotten: str | int | None = None,
    seed: int = 0,
) -> Recognition:
    """Judge one picture a label.

    Parameters
    ----------
    pixels : uint8 (N, C, H, W). labels : the classes (N,) they were asked for.
    forgotten : the class that was to be forgotten, or None for an original model.
    """
    labels = torch.as_tensor(labels)
    if len(labels) != len(pixels):
        raise InputError(f"{len(pixels)} pictures need as many labels, not {len(labels)}")
    right = (judge(pixels) == labels).numpy() * 100.0
    labels = labels.numpy()
    gone = None if forgotten is None else judge.label(forgotten)
    if gone is not None and not (labels == gone).any():
        raise InputError(f"none of the pictures was asked for as {judge.classes[gone]}")
    kept = [c for c in np.unique(labels) if c != gone]
    if not kept:
        raise InputError("there are no pictures of the other classes")
    per_class = {judge.classes[c]: float(right[labels == c].mean()) for c in kept}
    missed = None if gone is None else 100 - right[labels == gone]
    return Recognition(
        forgotten=None if gone is None else judge.classes[gone],
        ua=None if missed is None else float(missed.mean()),
        ua_interval=None if missed is None else bootstrap_interval(missed, seed=seed),
        retained=per_class,
        retained_mean=float(np.mean(list(per_class.values()))),
        retained_interval=bootstrap_interval(
            right[labels != gone] if gone is not None else right, seed=seed
        ),
        samples={judge.classes[c]: int((labels == c).sum()) for c in np.unique(labels)},
        judge=judge.name,
        judge_accuracy=judge.accuracy,
    )


def recognise_samples(
    model,
    judge: Judge,
    *,
    forgotten: str | int | None = None,
    per_class: int = 50,
    forgotten_samples: int = 100,
    seed: int = 0,
    **sampling,
) -> Recognition:
    """Sample `per_class` pictures of every class (`forgotten_samples` of the forgotten one) and
    judge them.
    """
    labels = sample_labels(
        len(model.classes),
        None if forgotten is None else model.label(forgotten),
        per_class,
        forgotten_samples,
    )
    return recognition(
        model.sample(labels, seed=seed, **sampling), labels, judge, forgotten=forgotten, seed=seed
    )


def sample_labels(
    classes: int, forgotten: int | None, per_class: int, forgotten_samples: int
) -> Tensor:
    """Labels (N,), class after class."""
    counts = [forgotten_samples if c == forgotten else per_class for c in range(classes)]
    if min(counts) < 1:
        raise InputError("0 samples were asked for: every class needs at least one")
    return torch.repeat_interleave(torch.arange(classes), torch.tensor(counts))


def recognise(
    pipe,
    judge,
    *,
    forgotten: str | int | None = None,
    per_class: int = 50,
    seed: int = 0,
    **options,
):
    """Draw `per_class` pictures of each of the judge's classes, from the same noises, and judge
    them: a `Recognition`.
    """
    pixels, labels = pipelines.sample_classes(
        pipe, judge.classes, per_class=per_class, seed=seed, **options
    )
    return recognition(judge.fit(pixels), labels, judge, forgotten=forgotten, seed=seed)
