"""One recorded run of the question whether gradient magnitude means influence: what the template
`notebooks/00_influence.ipynb` executes.

Four measurements on one network and one forget set: leave-out retraining of its last layer beside
influence functions; deciles of weights, changed one at a time; the drift of saliency while a method
unlearns; and SalUn with its mask taken once or anew before each epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import torch

from ...data.images import Images
from ...errors import InputError
from ...metrics import Scores
from ...runs import Record, RunSpec, Task, prepare
from ...runs.records.numerics import units_of
from ...saliency import saliency_scores
from ...seeds import derive, generator
from ...units import numerics
from ...unlearning import METHODS
from ...unlearning.job import check_count, check_number
from ..common import rounded, some
from . import convex
from .convex import head_inputs
from .deciles import (
    Named,
    distance,
    effects,
    mean_loss,
    noisy,
    partition,
    rank_correlation,
    weights_of,
    zeros,
)
from .watching import drift, in_steps, overlap

NAME = "influence"  # what such records are filed under, where others have their method
DECILES = 10
KEEPS = (0.5, 0.1)


@dataclass(frozen=True)
class Study:
    """Everything that decides one run.

    Attributes
    ----------
    spec : data, network, scenario, seeds, and the method that is watched with its parameters; see
        `runs.RunSpec`.
    judged : most pictures of D_f, and of D_r, that losses are measured on.
    noise : deviation of the noise, in deviations of a weight's own tensor. draws : of the noise;
        effects are their means.
    head_images : training pictures for the regression on the last layer's inputs. left_out : how
        many of them are left out one at a time.
    l2 : ridge penalty of that regression.
    """

    spec: RunSpec
    judged: int = 300
    noise: float = 1.0
    draws: int = 4
    head_images: int = 1000
    left_out: int = 40
    l2: float = 0.01

    def __post_init__(self):
        for name, low in (("judged", 1), ("draws", 1), ("left_out", 2), ("head_images", 20)):
            check_count(name, getattr(self, name), low)
        check_number("noise", self.noise, 1e-6)
        check_number("l2", self.l2, 1e-8)
        if self.left_out > self.head_images:
            raise InputError(
                f"left_out must be at most head_images ({self.head_images}), not {self.left_out}"
            )
        if "epochs" not in METHODS[self.spec.method].defaults:
            raise InputError(
                f"{self.spec.method} has no epochs to watch; take a method that trains, such as rl,"
                " salun, ga or ft"
            )

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Self:
        """What a notebook's names describe; see `RunSpec.of`."""
        own = {f.name: names[f.name] for f in fields(cls) if f.name in names and f.name != "spec"}
        spec = RunSpec.of(names, epochs=names.get("epochs"), lr=names.get("lr"))
        return cls(spec, **own)

    @property
    def training(self) -> dict[str, Any]:
        """Parameters of the watched method, its defaults included."""
        return (
            METHODS[self.spec.method].parameters(self.spec.params)
            | {"augment": self.spec.augment}
            | dict(self.spec.params)
        )


@numerics(1, "study/influence", uses=("method/salun", "mask/saliency", "masking", "metric/answers"))
def run(study: Study, task: Task | None = None) -> Record:
    """All four measurements, as a record (not yet written)."""
    task = task or prepare(study.spec)
    walked, unlearned = drift_of(study, task)
    measured = {
        "head": head_of(study, task),
        "deciles": deciles_of(study, task, unlearned),
        "drift": walked,
        "masks": masks_of(study, task),
    }
    return as_record(study, task, rounded(measured))


def head_of(study: Study, task: Task) -> dict[str, float]:
    """`convex.Convex.summary` of the network's last layer, fitted anew as a logistic regression on
    what it reads (standardised).
    """
    split, draws = task.split, generator(study.spec.seed, "head")
    images, test = (
        some(split.train, study.head_images, draws),
        some(split.test, study.judged, draws),
    )
    x, x_test = (head_inputs(task.original, part) for part in (images, test))
    centre, spread = x.mean(0), x.std(0)
    spread[spread == 0] = 1
    data, targets = (
        ((x - centre) / spread, images.labels),
        (
            (x_test - centre) / spread,
            test.labels,
        ),
    )
    gone = torch.isin(images.index, split.forget.index).nonzero().flatten()
    if not len(gone) or len(gone) == len(images):
        raise InputError(
            f"head_images {study.head_images} holds {len(gone)} pictures of the forget set; take"
            " more"
        )
    singles = torch.randperm(len(images), generator=draws)[: study.left_out].tolist()
    return convex.compare(
        data, targets, gone.tolist(), singles, classes=task.data.num_classes, l2=study.l2
    ).summary()


def scorings(study: Study, task: Task) -> dict[str, Named]:
    """Four ways to order the weights of θ_o: by their gradient on D_f (saliency) and on D_r, by
    their size, and at random.
    """
    weights = weights_of(task.original)
    draws = generator(study.spec.seed, "random deciles")
    return {
        "saliency": saliency_scores(task.original, task.split.forget),
        "retain gradient": saliency_scores(task.original, task.split.retain),
        "magnitude": {n: p.abs() for n, p in weights.items()},
        "random": {n: torch.rand(p.shape, generator=draws) for n, p in weights.items()},
    }


def deciles_of(study: Study, task: Task, unlearned: torch.nn.Module) -> dict[str, Any]:
    """Each decile of each scoring alone, changed in six ways.

    "zero" sets it to 0, "reset" to its values before training, "retrain" to those of Retrain;
    "noise" adds noise, and "equal noise" adds noise of one and the same length to every decile of
    every scoring; "undo" puts the decile back to θ_o in the unlearned network.

    Returns
    -------
    "rows" : scoring, change, part (1 lowest to 10 highest), change of the mean loss on "forget" and
        "retain", its absolute value
    "forget_size" and "retain_size" (which draws of noise can't cancel in), distance moved.
    "rank" : rank correlations of saliency with the other scorings and with how far unlearning moved
        each weight, weight by weight.
    "loss" : mean losses of the original and the unlearned network.
    """
    original = task.original
    draws = generator(study.spec.seed, "judged")
    judged = {
        "forget": some(task.split.forget, study.judged, draws),
        "retain": some(task.split.retain, study.judged, draws),
    }
    orders, here = scorings(study, task), weights_of(original)
    rows = changed_deciles(study, task, unlearned, orders, judged)
    moved = {n: (p - here[n]).abs() for n, p in weights_of(unlearned).items()}
    others = {name: scores for name, scores in orders.items() if name != "saliency"} | {
        "moved": moved
    }
    losses = {"original": original, "unlearned": unlearned}
    return {
        "rows": rows,
        "rank": {
            name: rank_correlation(orders["saliency"], scores) for name, scores in others.items()
        },
        "loss": {
            name: {part: mean_loss(model, images) for part, images in judged.items()}
            for name, model in losses.items()
        },
    }


def changed_deciles(
    study: Study,
    task: Task,
    unlearned: torch.nn.Module,
    orders: Mapping[str, Named],
    judged: Mapping[str, Images],
) -> list[dict[str, Any]]:
    """The rows of `deciles_of`, for the scorings `orders` and losses on the pictures `judged`."""
    original, seed = task.original, study.spec.seed
    noises = [
        noisy(original, scale=study.noise, seed=derive(seed, f"noise {k}"))
        for k in range(study.draws)
    ]
    start, here = weights_of(task.new_model(study.spec.seeds["training"])), weights_of(original)
    length = distance(
        noises[0], here, {n: torch.ones_like(p, dtype=torch.bool) for n, p in here.items()}
    ) / math.sqrt(DECILES)
    rows: list[dict[str, Any]] = []
    for scoring, scores in orders.items():
        parts = partition({n: s.cpu() for n, s in scores.items()}, DECILES)
        changes = {
            "zero": [effects(original, parts, zeros(original), judged)],
            "reset": [effects(original, parts, start, judged)],
            "retrain": [effects(original, parts, weights_of(task.retrained), judged)],
            "noise": [effects(original, parts, values, judged) for values in noises],
            "equal noise": [
                effects(original, parts, values, judged, length=length) for values in noises
            ],
            "undo": [effects(unlearned, parts, here, judged)],
        }
        rows += [
            {"scoring": scoring, "change": change, **row}
            for change, runs in changes.items()
            for row in averaged(runs)
        ]
    return rows


def averaged(runs: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """Mean over several runs of `effects`, part by part; "forget_size" and "retain_size" are means
    of the absolute changes.
    """

    def mean(values):
        return sum(values) / len(values)

    return [
        {key: mean([row[key] for row in rows]) for key in rows[0]}
        | {f"{name}_size": mean([abs(row[name]) for row in rows]) for name in ("forget", "retain")}
        for rows in zip(*runs, strict=True)
    ]


def drift_of(study: Study, task: Task) -> tuple[dict[str, Any], torch.nn.Module]:
    """Overlap of saliency at θ_o with saliency after each epoch of the method, and the unlearned
    network.

    For comparison "halves": saliency on one random half of D_f against the other half, both at θ_o;
    and "retain": on D_f against D_r.
    """
    spec, forget, original = study.spec, task.split.forget, task.original
    options = {"seed": spec.seed, "mask": spec.mask, "keep": spec.keep, **study.training}
    found, unlearned = drift(spec.method, original, task.split, keeps=KEEPS, **options)
    order = torch.randperm(len(forget), generator=generator(spec.seed, "halves"))
    first, second = (
        saliency_scores(original, forget.subset(rows))
        for rows in (order[: len(order) // 2], order[len(order) // 2 :])
    )
    whole, retain = saliency_scores(original, forget), saliency_scores(original, task.split.retain)

    def plain(o):
        return {
            "epoch": o.epoch,
            **{f"jaccard_{100 * k:g}": v for k, v in o.jaccard.items()},
            "rank": o.rank,
        }

    compared = {
        "halves": plain(overlap(first, second, KEEPS)),
        "retain": plain(overlap(whole, retain, KEEPS)),
    }
    return {"epochs": [plain(o) for o in found], **compared}, unlearned


def masks_of(study: Study, task: Task) -> dict[str, dict[str, float]]:
    """Scores and gaps of SalUn with its mask taken once, and taken anew before each epoch; see
    `watching.in_steps`.
    """
    given = (
        study.training
        if study.spec.method in ("rl", "salun")
        else METHODS["salun"].parameters({}) | {"augment": study.spec.augment}
    )
    ways = {}
    for name, retake in (("once", False), ("anew", True)):
        model = in_steps(
            task.original,
            task.split,
            retake=retake,
            keep=study.spec.keep,
            seed=study.spec.seed,
            **given,
        )
        scores: Scores = task.scores(model)
        gap = scores.gap(task.retrained_scores)
        ways[name] = {m: getattr(scores, m) for m in ("ua", "ra", "ta", "mia")} | {
            "average_gap": gap.average
        }
    return ways


def as_record(study: Study, task: Task, measured: Mapping[str, Any]) -> Record:
    """The record of one run. Its `scores` and `gap` are empty: it is no row of a comparison of
    methods.
    """
    spec = study.spec
    own = {k: v for k, v in asdict(study).items() if k != "spec"}
    return Record.of(
        units=units_of_influence(spec.effective),
        device=task.device,
        id=f"{NAME}_{spec.id}",
        tier=spec.tier,
        seeds=spec.seeds,
        spec=spec.effective
        | own
        | {
            "dataset": task.data.name,
            "method": NAME,
            "watched": spec.method,
            "params": study.training,
        },
        data=task.facts,
        measurements=dict(measured),
    )


def units_of_influence(settings: Mapping[str, Any]) -> list[str]:
    """Units that one run touches, from the settings in force; the method in them is the one that is
    watched.
    """
    return ["study/influence", *units_of(settings)]
