"""What chapter 16 runs on its page: models small enough to know the truth, and one network whose
weights are changed a tenth at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ... import data as datasets
from ...data.images import Images
from ...plots.tables import Table, table
from ...runs import RunSpec, Task, prepare
from ...saliency import saliency_scores
from ...seeds import derive, generator
from ...unlearning import random_labels
from ..claims import Claim
from .convex import Convex, compare, pixels
from .deciles import (
    distance,
    effects,
    mean_loss,
    noisy,
    partition,
    rank_correlation,
    weights_of,
    zeros,
)
from .functions import Influence, Pair
from .retraining import leave_out, minimise
from .watching import Overlap, drift, overlap

RANKINGS = ("gradient", "influence", "magnitude")
CURVATURES: dict[str, dict[str, Any]] = {
    "Hessian": {},
    "Gauss–Newton": {"curvature": "gauss-newton"},
    "Gauss–Newton, damping 0.1": {"curvature": "gauss-newton", "damping": 0.1},
}
CHANGES = {
    "zero": "set to zero",
    "noise": "noise",
    "equal noise": "noise of equal length",
    "undo": "unlearning undone",
}
PENALTIES = (0.1, 0.01, 0.001, 0.0001)
WRONG = 0.3  # share of labels that nothing can get right
FEW, UNITS, SINGLES = 200, 6, 20  # of the network with many minima
DRAWS = 4  # of noise


@dataclass(frozen=True)
class Small:
    """Logistic regression on digits, and a network of six hidden units on some of them.

    Attributes
    ----------
    pictures, targets : rows of pixels and labels. forget, singles : positions left out together,
        and one at a time. order : of all pictures, at random.
    """

    pictures: Pair
    targets: Pair
    forget: list[int]
    singles: list[int]
    order: Tensor
    classes: int
    l2: float
    seed: int

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Small:
        """What a notebook's parameters describe: ``Small.of(globals())``."""
        digits, seed = datasets.load(names["small_dataset"]), names["seed"]
        pictures, targets = pixels(digits.train), pixels(digits.test)
        n = len(pictures[0])
        order = torch.randperm(n, generator=generator(seed, "chapter 16"))
        tenth = n // 10
        return cls(
            pictures,
            targets,
            order[:tenth].tolist(),
            order[tenth : tenth + names["left_out"]].tolist(),
            order,
            digits.num_classes,
            names["l2"],
            seed,
        )

    @cached_property
    def convex(self) -> Convex:
        """Prediction and truth of the regression."""
        about = self.pictures, self.targets, self.forget, self.singles
        return compare(*about, classes=self.classes, l2=self.l2)

    @cached_property
    def hardest(self) -> tuple[Tensor, Tensor]:
        """Predicted and true change of the loss on the test picture that the model gets most wrong,
        one for each picture left out.
        """
        model, (x, y) = self.convex.model, self.targets
        losses = nn.functional.cross_entropy(model(x), y, reduction="none")
        one = x[[int(losses.argmax())]], y[[int(losses.argmax())]]
        each = [[i] for i in self.singles]
        predicted = Influence(model, self.pictures, l2=self.l2).loss_change(each, one)
        true = leave_out(model, self.pictures, each, one, l2=self.l2).losses
        return predicted.squeeze(1), true.squeeze(1)

    @cached_property
    def many_minima(self) -> dict[str, Tensor]:
        """Of the network: change of the mean test loss when one picture is left out, as each
        curvature predicts it, in the nearby minimum, and trained from the start.
        """
        few = self.pictures[0][self.order[:FEW]], self.pictures[1][self.order[:FEW]]
        watched = self.targets[0][:100], self.targets[1][:100]
        features = few[0].shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            layers = nn.Linear(features, UNITS), nn.Tanh(), nn.Linear(UNITS, self.classes)
            start = nn.Sequential(*layers).double()
        options: dict[str, Any] = {"l2": 2 * self.l2, "tolerance": 1e-7}
        network, some = minimise(start, few, **options), [[i] for i in range(SINGLES)]

        def afresh(group: list[int]) -> float:
            kept = torch.ones(FEW)
            kept[group] = 0
            models = minimise(start, few, weights=kept, **options), network
            loss = nn.functional.cross_entropy
            new, old = (float(loss(m(watched[0]), watched[1])) for m in models)
            return new - old

        found = {
            name: Influence(network, few, l2=2 * self.l2, **kind).loss_change(some, watched).mean(1)
            for name, kind in CURVATURES.items()
        }
        found["nearby"] = leave_out(network, few, some, watched, **options).losses.mean(1)
        return found | {"from the start": torch.tensor([afresh(group) for group in some])}

    @cached_property
    def balances(self) -> pd.DataFrame:
        """How hard the penalty pulls beside D_f, and how alike the gradients on D_f and D_r rank
        the weights, with true labels and with wrong ones, at four penalties.
        """
        x, y = self.pictures
        draws = generator(self.seed, "wrong labels")
        wrong = torch.rand(len(x), generator=draws) < WRONG
        y_wrong = torch.where(wrong, random_labels(y, self.classes, draws), y)
        rest = torch.ones(len(x), dtype=torch.bool)
        rest[self.forget] = False
        rows = {}
        for name, labels in {"true labels": y, "three in ten wrong": y_wrong}.items():
            model = self.convex.model
            for penalty in PENALTIES:
                model = minimise(model, (x, labels), l2=penalty, tolerance=1e-7)
                at = Influence(model, (x, labels), l2=penalty)
                of_f, of_r = (
                    at.gradients((x[part], labels[part])).mean(0) for part in (~rest, rest)
                )
                pull = (len(x) * penalty * at.theta).norm() / (len(self.forget) * of_f).norm()
                alike = rank_correlation(of_f.abs(), of_r.abs())
                rows[f"{name}, λ = {penalty:g}"] = {"pull": float(pull), "alike": alike}
        return pd.DataFrame(rows).T


def ranking_table(small: Small) -> Table:
    """How well each ranking of the weights tells which of them retraining moves."""
    found = small.convex.summary()
    frame = pd.DataFrame(
        {
            k: {
                "rank correlation": found[f"set_by_{k}"],
                "squared move in its upper half, %": 100 * found[f"set_half_by_{k}"],
            }
            for k in RANKINGS
        }
    ).T
    return table(frame, digits={"rank correlation": 2, "squared move in its upper half, %": 0})


def curvature_table(small: Small) -> Table:
    """Rank correlation of prediction and truth in the network with many minima."""
    found = small.many_minima
    frame = pd.DataFrame(
        {
            name: {
                "nearby minimum": rank_correlation(found[name], found["nearby"]),
                "from the start": rank_correlation(found[name], found["from the start"]),
            }
            for name in CURVATURES
        }
    ).T
    return table(frame, digits=2)


def balance_table(small: Small) -> Table:
    """`Small.balances` as a table."""
    heads = {"pull": "penalty's pull / that of D_f", "alike": "rank correlation of |g_f|, |g_r|"}
    return table(small.balances.rename(columns=heads), digits=2)


@dataclass(frozen=True)
class Tenths:
    """A network whose weights are sorted by saliency and changed a tenth at a time."""

    names: Mapping[str, Any]
    task: Task

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Tenths:
        """What a notebook's parameters describe: ``Tenths.of(globals())``."""
        plain = {k: v for k, v in names.items() if isinstance(v, str | int | float | None)}
        params = {"epochs": names["epochs"], "lr": names["lr"]}
        return cls(plain, prepare(RunSpec.of(names, method="rl", params=params)))

    @cached_property
    def sets(self) -> dict[str, Images]:
        """Pictures of D_f and D_r that losses are measured on."""
        draws, most = generator(self.names["seed"], "judged"), self.names["judged"]
        split = self.task.split
        return {
            name: part.subset(torch.randperm(len(part), generator=draws)[:most])
            for name, part in (("forget", split.forget), ("retain", split.retain))
        }

    @cached_property
    def walk(self) -> tuple[list[Overlap], nn.Module]:
        """Overlap of the mask with the one at the start, epoch by epoch of RL; and the model."""
        given = {k: self.names[k] for k in ("epochs", "lr", "seed")}
        return drift("rl", self.task.original, self.task.split, **given)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a change and decile: columns change, part, forget, retain, distance."""
        original, seed = self.task.original, self.names["seed"]
        start = weights_of(original)
        scores = saliency_scores(original, self.task.split.forget)
        tenths = partition({name: s.cpu() for name, s in scores.items()})
        everywhere = {n: torch.ones_like(p, dtype=torch.bool) for n, p in start.items()}
        noises = [noisy(original, seed=derive(seed, f"noise {k}")) for k in range(DRAWS)]
        far = distance(noises[0], start, everywhere) / 10**0.5
        sets = self.sets
        found = [
            ("zero", effects(original, tenths, zeros(original), sets)),
            ("undo", effects(self.walk[1], tenths, start, sets)),
        ]
        for values in noises:
            found.append(("noise", effects(original, tenths, values, sets)))
            found.append(("equal noise", effects(original, tenths, values, sets, length=far)))
        return pd.concat([pd.DataFrame(part).assign(change=change) for change, part in found])

    @cached_property
    def losses(self) -> tuple[float, float]:
        """Mean loss on D_f before RL and after it."""
        models = self.task.original, self.walk[1]
        return tuple(mean_loss(model, self.sets["forget"]) for model in models)  # type: ignore

    @property
    def taken_back(self) -> float:
        """Share of the rise of the forget loss that undoing the top decile alone takes back."""
        top = self.rows[(self.rows.change == "undo") & (self.rows.part == 10)].forget.item()
        before, after = self.losses
        return -top / (after - before)

    @cached_property
    def between_halves(self) -> float:
        """Overlap of two masks, each from one random half of D_f."""
        forget, seed = self.task.split.forget, self.names["seed"]
        shuffled = torch.randperm(len(forget), generator=generator(seed, "halves"))
        one, other = (
            saliency_scores(self.task.original, forget.subset(rows)) for rows in shuffled.chunk(2)
        )
        return overlap(one, other, keeps=(0.5,)).jaccard[0.5]


def decile_table(tenths: Tenths) -> Table:
    """Change of the forget loss, and how far each decile was moved."""
    rows = tenths.rows.pivot_table(index="part", columns="change", values=["forget", "distance"])
    frame = pd.DataFrame(
        {CHANGES[c]: rows["forget"][c] for c in CHANGES}
        | {"distance, zero": rows["distance"]["zero"], "distance, undo": rows["distance"]["undo"]}
    )
    frame.index = pd.Index([str(k) for k in frame.index], name="decile")
    return table(frame, digits=2, signed=list(CHANGES.values()), best=["10"])


def claims(small: Small, tenths: Tenths) -> list[Claim]:
    """Of the runs on the page, one seed: verdicts alone."""
    found, many, balances = small.convex.summary(), small.many_minima, small.balances
    near, far = (rank_correlation(many["Hessian"], many[k]) for k in ("nearby", "from the start"))
    light = balances.pull < 0.1
    return [
        Claim(
            "with one minimum influence functions rank left-out pictures as retraining does, with"
            " many they rank them as the nearby one does and not as training afresh (one seed)",
            bool(min(found["one_test"], found["one_own"]) >= 0.9 and near >= 0.9 and far < 0.5),
        ),
        Claim(
            "where the penalty pulls less than a tenth as hard as D_f, the gradients on D_f and D_r"
            " rank the weights alike (one seed)",
            bool(light.any() and (balances.alike[light] >= 0.9).all()),
            f"{int(light.sum())} of {len(balances)} rows",
        ),
        Claim(
            "undoing the most salient decile alone takes back more than half of the rise of the"
            " forget loss (one seed)",
            bool(tenths.taken_back > 0.5),
        ),
    ]
