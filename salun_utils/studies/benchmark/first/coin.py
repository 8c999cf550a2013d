"""A network that memorises nothing, and the published membership attack on it: a coin."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from ....data import Dataset, class_split
from ....data.images import Images
from ....metrics import AttackWorth, Scores, evaluate, tells
from ....plots.tables import Cell, Table, between, table
from ....seeds import derive
from ....shown import amount
from ....training import fit
from ....unlearning import unlearn
from ...common import Answer

UNITS, EPOCHS = 128, 5
RATES = {"train": 0.05, "salun": 0.02}
Average = Callable[[Scores, Scores], float]


@dataclass(frozen=True)
class Toss:
    """SalUn and Retrain on one seed, and what was measured on both."""

    seed: int
    salun: Scores
    retrain: Scores

    @property
    def apart(self) -> bool:
        """Whether the attack calls most of the forget set one thing on one of the two networks,
        and the other thing on the other.
        """
        return (self.salun.mia > 50) != (self.retrain.mia > 50)


def perceptron(data: Dataset, seed: int) -> nn.Module:
    """One hidden layer of 128 units, with fresh weights."""
    inputs, classes = data.train.pixels[0].numel(), data.num_classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights of a perceptron"))
        layers = nn.Linear(inputs, UNITS), nn.ReLU(), nn.Linear(UNITS, classes)
        return nn.Sequential(nn.Flatten(), *layers)


def toss(data: Dataset, label: int, seed: int) -> Toss:
    """Train on all, train on all but the class, unlearn the class by SalUn in two epochs; and
    score the last two.
    """
    split, fresh = class_split(data, label=label, seed=seed), perceptron(data, seed)

    def trained(images: Images) -> nn.Module:
        model = copy.deepcopy(fresh)
        own: dict[str, Any] = {"augment": None, "precision": "float32"}
        fit(model, images, epochs=EPOCHS, lr=RATES["train"], seed=seed, **own)
        return model

    own: dict[str, Any] = {"lr": RATES["salun"], "epochs": 2, "augment": None}
    made = unlearn("salun", trained(split.train), split, seed=seed, **own).model
    salun, retrain = (evaluate(model, split, seed=seed) for model in (made, trained(split.retain)))
    return Toss(seed, salun, retrain)


def coin_table(tosses: Sequence[Toss]) -> Table:
    """One row a seed: MIA of both networks as the attack gives it, what the attack is worth on
    each, and the average gap with MIA and without.
    """
    rows = {
        f"seed {t.seed}": {
            "MIA, SalUn": amount(t.salun.mia, 0),
            "MIA, Retrain": amount(t.retrain.mia, 0),
            "attack on SalUn, %": _worth(t.salun.attack),
            "attack on Retrain, %": _worth(t.retrain.attack),
            "average gap": amount(t.salun.gap(t.retrain).average, 2),
            "without MIA": amount(t.salun.gap(t.retrain).average_without_mia, 2),
        }
        for t in tosses
    }
    return table(pd.DataFrame.from_dict(rows, orient="index"), note=_note(tosses))


def both_ways(tosses: Sequence[Toss], *, right: Average, faulty: Average) -> Table:
    """One row a seed: what the average gap is by the right way and by the faulty one.

    Parameters
    ----------
    right, faulty : (scores of SalUn, of Retrain) -> average gap.
    """
    rows = {
        f"seed {t.seed}": {
            "attack on SalUn, %": _worth(t.salun.attack),
            "attack on Retrain, %": _worth(t.retrain.attack),
            "average gap, right": amount(right(t.salun, t.retrain), 2),
            "faulty": amount(faulty(t.salun, t.retrain), 2),
        }
        for t in tosses
    }
    caption = "17 attack that is a coin"
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, caption=caption, note=_note(tosses))


def answer(tosses: Sequence[Toss]) -> Answer:
    """On how many of the seeds the attack can't tell, and what MIA says there."""
    if not tosses:
        return Answer(("Nothing was trained here.",))
    blind = [t for t in tosses if tells(t.salun.attack, t.retrain.attack) is False]
    apart = [t for t in blind if t.apart]
    said = (
        f"On {len(blind)} of {len(tosses)} seeds the attack can't tell members from non-members on"
        f" SalUn's network or on Retrain's. MIA is all the same"
        f" {_listed(t.salun.mia for t in tosses)} for SalUn and"
        f" {_listed(t.retrain.mia for t in tosses)} for Retrain."
    )
    without = [t.salun.average_gap(t.retrain) for t in blind]
    if not apart:
        return Answer((said,))
    with_it = [t.salun.gap(t.retrain).average for t in apart]
    return Answer(
        (
            said,
            f"Where the coin falls apart the average gap is {_range(with_it)}; without MIA it is"
            f" {_range(without)} on all of these seeds.",
        )
    )


def _worth(attack: AttackWorth | None) -> Cell | None:
    if attack is None:
        return None
    return Cell(amount(attack.balanced_accuracy), between(attack.low, attack.high, 1))


def _note(tosses: Sequence[Toss]) -> str:
    if not tosses:
        return ""
    worst = max(abs(getattr(t.salun.gap(t.retrain), m)) for t in tosses for m in ("ua", "ra", "ta"))
    return f"UA, RA and TA of the two are at most {worst:.1f} points apart on any of these seeds."


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.0f}" for value in values)


def _range(values: Sequence[float]) -> str:
    low, high = (f"{f(values):.2f}" for f in (min, max))
    return low if low == high else f"{low} to {high}"
