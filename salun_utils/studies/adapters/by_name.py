"""A class forgotten by a network that names pictures by words: under which words, and in which
tower.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ... import data as pictures_of
from ...data.images import Dataset, Images
from ...data.splits import ForgetSplit, class_split
from ...metrics import accuracy, linear_probe, predict_logits
from ...plots.tables import Table, table
from ...saliency import SaliencyMask, saliency_scores
from ...unlearning import unlearn
from ..claims import Claim
from . import network, words, zero_shot
from .live import not_named, of_the_class

TOWERS = {"image": "image tower", "text": "text tower"}
WAYS = ("SalUn", "random mask", "no mask", *(f"{name} alone" for name in TOWERS.values()))


@dataclass(frozen=True)
class Named:
    """A `ZeroShot` trained on part of the pictures, one class of which it is to forget; one seed.

    Attributes
    ----------
    names : the page's parameters. data : the pictures.
    """

    names: Mapping[str, Any]
    data: Dataset

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Named:
        """What a notebook's parameters describe: ``Named.of(globals())``."""
        plain = {k: v for k, v in names.items() if isinstance(v, str | int | float)}
        whole = pictures_of.load(names["dataset"])
        part = whole.train.subset(range(min(names["named_images"], len(whole.train))))
        return cls(plain, dataclasses.replace(whole, train=part))

    @cached_property
    def split(self) -> ForgetSplit:
        return class_split(self.data, label=self.names["concept"], seed=self.names["seed"])

    @property
    def label(self) -> int:
        return self.data.classes.index(self.names["concept"])

    def _trained(self, images: Images) -> zero_shot.ZeroShot:
        epochs, seed = self.names["named_epochs"], self.names["seed"]
        return zero_shot.trained(self.data, images, epochs=epochs, seed=seed)

    @cached_property
    def original(self) -> zero_shot.ZeroShot:
        return self._trained(self.split.train)

    @cached_property
    def prompts(self) -> dict[str, list[str]]:
        """How the class is asked for -> a prompt for every class: as in unlearning, by a sentence
        that no caption had, and by its other names.
        """
        classes, label = self.data.classes, self.label
        usual = zero_shot.usual(classes)
        held = zero_shot.usual(classes, words.HELD_OUT)
        others = [zero_shot.renamed(classes, label, n) for n in self.other_names]
        return {prompts[label]: prompts for prompts in (usual, held, *others)}

    @property
    def other_names(self) -> tuple[str, ...]:
        """What captions call the class besides the name that is unlearned."""
        return words.names_of([self.names["concept"]])[0][1:]

    @cached_property
    def mask(self) -> SaliencyMask:
        """SalUn's, over both towers."""
        return SaliencyMask.top(
            saliency_scores(self.original, self.split.forget), self.names["keep"]
        )

    def _mask(self, way: str) -> str | Mapping[str, Tensor]:
        rules = {"SalUn": "saliency", "random mask": "random", "no mask": "none"}
        if way in rules:
            return rules[way]
        tower = next(part for part, name in TOWERS.items() if way.startswith(name))
        named = self.original.named_parameters()
        return {n: torch.full(p.shape, n.startswith(f"{tower}.")) for n, p in named}

    @cached_property
    def models(self) -> dict[str, zero_shot.ZeroShot]:
        """name -> network: the original, SalUn in each of `WAYS`, and one trained without the
        class.
        """
        given = network.settings_of(self.names, lr=self.names["named_lr"], keep=self.names["keep"])
        found: dict[str, Any] = {"original": self.original}
        for way in WAYS:
            options = {"mask": self._mask(way), "seed": self.names["seed"], **given}
            found[way] = unlearn("salun", self.original, self.split, **options).model
        return found | {"Retrain": self._trained(self.split.retain)}

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a model: UA by each prompt, TA by the usual ones, and what a fresh last layer
        finds of the class in the image tower; per cent.
        """
        return pd.DataFrame([{"model": n, **self.scored(m)} for n, m in self.models.items()])

    def scored(self, model: zero_shot.ZeroShot) -> dict[str, float]:
        """A row of `rows`."""
        split, test = self.split, of_the_class(self.split)
        found = {
            said: not_named(zero_shot.asked(model, prompts), test, self.label)
            for said, prompts in self.prompts.items()
        }
        right = accuracy(predict_logits(model, split.test), split.test.labels)
        seen = (_pictures(model, split.train), split.train.labels)
        probe = linear_probe(*seen, _pictures(model, test), test.labels)
        return {**found, "TA": right, "probe": probe}


def _pictures(model: zero_shot.ZeroShot, images: Images) -> Tensor:
    """What the image tower gives, (N, D)."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model.image(x) for x, *_ in images.batches(500)])


def towers_of(mask: SaliencyMask) -> pd.DataFrame:
    """Weights by part of the network, and the share of them inside a mask: layer, matrix, weights,
    kept, share (per cent).
    """
    sheet = mask.per_layer()
    parts = {
        "image.patch_embed": "patches",
        "image.blocks": "blocks",
        "image.": "position, norm, out",
        "text.words": "words",
        "text.": "two layers",
    }
    first = [next((p for p in parts if n.startswith(p)), "") for n in sheet.parameter]
    tower = [TOWERS.get(n.split(".")[0], "scale") for n in sheet.parameter]
    sheet = sheet.assign(layer=tower, matrix=[parts.get(p, "") for p in first])
    found = sheet.groupby(["layer", "matrix"], sort=False)[["weights", "kept"]].sum().reset_index()
    return found.assign(share=100 * found.kept / found.weights)


def words_table(here: Named) -> Table:
    """`Named.rows` as a table."""
    heads = {"probe": "found by a fresh last layer, %"}
    frame = here.rows.set_index("model").rename(columns=heads).rename_axis("one seed")
    count = len(here.split.test_forgotten or ())
    note = f"UA by each prompt, per cent of {count} test pictures of the class."
    return table(frame, reference=["original", "Retrain"], best=["SalUn"], note=note)


def claims(here: Named) -> list[Claim]:
    """What one seed shows, with the verdict alone."""
    rows = here.rows.set_index("model")
    usual, held, *others = here.prompts
    away = rows.drop(["original", "Retrain"])
    synonyms = " or ".join(f"“{name}”" for name in here.other_names)
    return [
        Claim(
            "What is forgotten under one sentence is forgotten under another, within 5 points"
            " (one seed)",
            bool(((away[held] - away[usual]).abs() <= 5).all()),
        ),
        Claim(
            f"After SalUn more of the class comes back when it is called {synonyms}: UA at least"
            " 5 points lower (one seed)",
            bool((away.loc["SalUn", others] <= away.loc["SalUn", usual] - 5).any()),
        ),
        Claim(
            "The image tower still tells the class apart: a fresh last layer finds as much of it"
            " as in the original, within 10 points, whichever way it was forgotten (one seed)",
            bool(((away.probe - rows.probe["original"]).abs() <= 10).all()),
        ),
    ]
