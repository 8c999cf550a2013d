"""One class forgotten by an adapter: SalUn among its weights, the controls, and a new adapter."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import nn

from ... import data as pictures_of
from ...data.images import Dataset, Images
from ...data.splits import ForgetSplit, class_split
from ...errors import InputError
from ...metrics import evaluate, linear_probe
from ...metrics.scores import Scores
from ...saliency import SaliencyMask, saliency_scores
from ...training import fit
from ...unlearning import UnlearnResult, unlearn
from . import network

WHOLE = "whole network"
# what each is called -> mask of SalUn, and whether the frozen weights are set free first
WAYS: dict[str, tuple[str, bool]] = {
    "SalUn": ("saliency", False),
    "random mask": ("random", False),
    "no mask": ("none", False),
    WHOLE: ("saliency", True),
}


@dataclass(frozen=True)
class World:
    """What one seed draws: the cut, the adapter that is to forget, and one that never saw the
    class, its measures beside it.
    """

    split: ForgetSplit
    original: nn.Module
    retrained: nn.Module
    reference: Scores


@dataclass(frozen=True)
class Adapted:
    """A frozen network, and an adapter for ten classes on it that forgets one, for several seeds.

    Attributes
    ----------
    names : the page's parameters. data : pictures of the adapter. images : those that the frozen
        network was trained on before. base : that network, which tells kinds of clothing apart.
    """

    names: Mapping[str, Any]
    data: Dataset
    images: Images
    base: nn.Module

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Adapted:
        """What a notebook's parameters describe: ``Adapted.of(globals())``."""
        plain = {k: v for k, v in names.items() if isinstance(v, str | int | float)}
        whole = pictures_of.load(names["dataset"])
        images, data = network.parts(whole, names["base_images"], names["adapter_images"])
        base = network.pretrained(data, images, epochs=names["base_epochs"], seed=names["seed"])
        return cls(plain, data, images, base)

    @property
    def label(self) -> int:
        """Of the class to forget."""
        return self.data.classes.index(self.names["concept"])

    @property
    def seeds(self) -> range:
        first = self.names["seed"]
        return range(first, first + self.names["seeds"])

    def adapter(self, images: Images, seed: int, base: nn.Module | None = None) -> nn.Module:
        """A new adapter and last layer, trained on these pictures."""
        classes, rank = len(self.data.classes), self.names["rank"]
        given = {"rank": rank, "seed": seed}
        model = network.with_adapter(self.base if base is None else base, classes, **given)
        epochs = self.names["adapter_epochs"]
        fit(model, images, epochs=epochs, lr=1e-2, seed=seed, **network.TRAINED)
        return model

    @cached_property
    def worlds(self) -> dict[int, World]:
        """seed -> `World`."""
        return {seed: self._world(seed) for seed in self.seeds}

    def _world(self, seed: int) -> World:
        split = class_split(self.data, label=self.label, seed=seed)
        original, retrained = (self.adapter(part, seed) for part in (split.train, split.retain))
        return World(split, original, retrained, evaluate(retrained, split))

    @property
    def first(self) -> World:
        """Of the first seed."""
        return self.worlds[self.seeds[0]]

    @cached_property
    def mask(self) -> SaliencyMask:
        """SalUn's mask of the first seed."""
        scores = saliency_scores(self.first.original, self.first.split.forget)
        return SaliencyMask.top(scores, self.names["keep"])

    def forget(self, way: str, seed: int) -> UnlearnResult:
        """SalUn in one of `WAYS`."""
        mask, free = WAYS[way]
        world = self.worlds[seed]
        model = copy.deepcopy(world.original).requires_grad_(True) if free else world.original
        rate = self.names["lr_whole"] if free else self.names["lr"]
        given = network.settings_of(self.names, lr=rate, keep=self.names["keep"])
        return unlearn("salun", model, world.split, mask=mask, seed=seed, **given)

    @cached_property
    def results(self) -> dict[tuple[str, int], UnlearnResult]:
        """(way, seed) -> what came out."""
        return {(way, seed): self.forget(way, seed) for seed in self.seeds for way in WAYS}

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a model and seed: model, seed, UA, RA, TA and MIA in per cent, and the average
        gap to Retrain in points.
        """
        found = []
        for seed, world in self.worlds.items():
            models = {"original": world.original}
            models |= {way: self.results[way, seed].model for way in WAYS}
            scores = {name: evaluate(model, world.split) for name, model in models.items()}
            found += [_row(n, seed, s, world.reference) for n, s in scores.items()]
            found.append(_row("Retrain", seed, world.reference, world.reference))
        return pd.DataFrame(found)

    @cached_property
    def unseen(self) -> nn.Module:
        """The network as it would be had it never been shown the class either, before any
        adapter.
        """
        given = {"epochs": self.names["base_epochs"], "seed": self.names["seed"]}
        return network.pretrained(self.data, self.images, without=self.label, **given)

    @cached_property
    def inside(self) -> pd.DataFrame:
        """What a fresh last layer finds in the features of each model, first seed: model, and the
        share of test pictures of the class that it names (per cent), fitted on all the adapter's
        training pictures.
        """
        world, seed = self.first, self.seeds[0]
        exact = self.adapter(world.split.retain, seed, self.unseen)
        models = {
            "frozen network alone": self.base,
            "original": world.original,
            "SalUn": self.results["SalUn", seed].model,
            WHOLE: self.results[WHOLE, seed].model,
            "Retrain": world.retrained,
            "Retrain, network too": exact,
        }
        rows = [
            {"model": name, "UA": self._not_named(name, model), "probe": self.probed(model)}
            for name, model in models.items()
        ]
        return pd.DataFrame(rows)

    def _not_named(self, name: str, model: nn.Module) -> float | None:
        if model is self.base:  # it names kinds
            return None
        return not_named(model, of_the_class(self.first.split), self.label)

    def probed(self, model: nn.Module) -> float:
        """Share of test pictures of the class, per cent, that a fresh last layer on the model's
        features gives the class; fitted on the adapter's training pictures, those of the class
        included.
        """
        split = self.first.split
        train, test = split.train, of_the_class(split)
        seen = network.features(model, train), train.labels
        return linear_probe(*seen, network.features(model, test), test.labels)


def _row(name: str, seed: int, scores: Scores, reference: Scores) -> dict[str, Any]:
    measures = {m: getattr(scores, m) for m in ("ua", "ra", "ta", "mia")}
    return {"model": name, "seed": seed, **measures, "gap": scores.gap(reference).average}


def of_the_class(split: ForgetSplit) -> Images:
    """Test pictures of the class that a split forgets; `InputError` where it forgets no class."""
    if split.test_forgotten is None:
        raise InputError(f"the split {split.name} forgets no class")
    return split.test_forgotten


def not_named(model: nn.Module, images: Images, label: int) -> float:
    """Share of these pictures, per cent, that the model gives another class than `label`."""
    model.eval()
    with torch.no_grad():
        called = torch.cat([model(x).argmax(1) for x, *_ in images.batches(500)])
    return 100 * float((called != label).float().mean())
