"""Nine mistakes, planted one at a time in one run, and what `diagnose` says of each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...data.images import Images
from ...data.scenarios import random_split
from ...plots.tables import Table, table
from ...runs import RunSpec, Task, prepare
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ...shown import amount
from ...unlearning import UnlearnResult, random_labels, unlearn
from ..common import Answer
from .beside import Beside
from .findings import SIGNATURES
from .signatures import Diagnosis, diagnose, diagnose_beside

Made = UnlearnResult | nn.Module
Step = Callable[[nn.Module], None]
RATE, MOMENTUM, DECAY, BATCH = 0.05, 0.9, 5e-4, 128
MISMATCH = "split mismatch"
# two names for one thing: held weights that moved
NAMED = {"mask on the gradient only": "mask not applied"}


@dataclass(frozen=True)
class Lab:
    """One class to forget, and SalUn's loop as one writes it by hand."""

    spec: RunSpec
    task: Task
    lr: float
    epochs: int
    seed: int

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Lab:
        """What a notebook's parameters describe: ``Lab.of(globals())``."""
        spec = RunSpec.of(names, scenario="class", params={})
        return cls(spec, prepare(spec), names["lr"], names["epochs"], names["seed"])

    @cached_property
    def mask(self) -> SaliencyMask:
        """The salient half."""
        return SaliencyMask.top(saliency_scores(self.task.original, self.task.split.forget), 0.5)

    @cached_property
    def beside(self) -> Beside:
        """Original and Retrain on this lab's split."""
        return Beside(self.task.split, self.task.original, self.task.retrained)

    @cached_property
    def last(self) -> SaliencyMask:
        """The last 30 % of the weights by their place in the network."""
        places = enumerate(self.task.original.named_parameters())
        scores = {name: torch.full(p.shape, float(i)) for i, (name, p) in places}
        return SaliencyMask.top(scores, 0.3)

    def labels(self, *, wrong: bool = True) -> Tensor:
        """Random labels for the forget set: never the true ones, or any."""
        truth, count = self.task.split.forget.labels, len(self.task.split.classes)
        draws = generator(self.seed, "planted labels")
        if wrong:
            return random_labels(truth, count, draws)
        return torch.randint(0, count, truth.shape, generator=draws)

    def by_hand(
        self,
        *,
        labels: Tensor | None = None,
        each_gradient: Step | None = None,
        after_step: Step | None = None,
        weight_decay: float = DECAY,
    ) -> nn.Module:
        """Random labels by SGD with momentum, and what is done between the lines.

        Parameters
        ----------
        each_gradient : called before each step of the optimizer, after_step : after it.
        """
        split = self.task.split
        model = copy.deepcopy(self.task.original).train()
        optimizer = torch.optim.SGD(
            model.parameters(), RATE, momentum=MOMENTUM, weight_decay=weight_decay
        )
        given = self.labels() if labels is None else labels
        data = Images.concat([split.forget.with_labels(given), split.retain])
        order = generator(self.seed, "planted order")
        for _ in range(self.epochs):
            for x, y, *_ in data.batches(BATCH, generator=order):
                optimizer.zero_grad()
                cross_entropy(model(x), y).backward()
                if each_gradient:
                    each_gradient(model)
                optimizer.step()
                if after_step:
                    after_step(model)
        return model.eval()

    def run(self, method: str = "salun", **params: Any) -> UnlearnResult:
        """The library's own method, at settings of one's choice."""
        return unlearn(method, self.task.original, self.task.split, seed=self.seed, **params)

    def good(self) -> UnlearnResult:
        """SalUn at the page's rate and epochs."""
        return self.run(lr=self.lr, epochs=self.epochs)

    def diagnose(self, what: Made, **known: Any) -> Diagnosis:
        """`diagnose` beside this lab's original and Retrain."""
        return diagnose_beside(what, self.beside, **known)

    def all_mistakes(self) -> dict[str, Diagnosis]:
        """What is said of each of the nine, the mismatch of splits last."""
        any_label, mask, last = self.labels(wrong=False), self.mask, self.last
        masked = self.by_hand(each_gradient=_mask_gradients(mask), weight_decay=5e-3)
        restored = self.by_hand(after_step=_put_back(self.task.original, last))
        made: dict[str, tuple[Made, dict[str, Any]]] = {
            "alpha 0": (self.run(alpha=0, lr=0.1, epochs=5), {}),
            "learning rate too large": (self.run("rl", lr=0.5, epochs=3), {}),
            "learning rate too small": (self.run(lr=1e-5, epochs=1), {}),
            "mask too sparse": (self.run(keep=2e-5, lr=RATE, epochs=self.epochs), {}),
            "mask not applied": (self.by_hand(), {"mask": mask}),
            "mask on the gradient only": (masked, {"mask": mask}),
            "labels equal": (self.by_hand(labels=any_label), {"labels": any_label}),
            "BatchNorm statistics": (restored, {"mask": last}),
        }
        found = {name: self.diagnose(what, **known) for name, (what, known) in made.items()}
        return {**found, MISMATCH: self.mismatch()}

    def mismatch(self) -> Diagnosis:
        """An original that was trained on another seed's split: it knows pictures it should not."""
        more = {"scenario": "random", "forget_fraction": 0.5}
        epochs = 4 * (self.spec.train_epochs or 1)
        other = prepare(self.spec.but(**more, train_epochs=epochs))
        foreign = random_split(self.task.data, fraction=0.5, seed=self.seed + 7)
        return diagnose(other.original, foreign, original=other.original)


def _mask_gradients(mask: SaliencyMask) -> Step:
    def spoil(model: nn.Module) -> None:
        for name, p in model.named_parameters():
            if p.grad is not None:
                p.grad *= mask[name]

    return spoil


def _put_back(original: nn.Module, mask: SaliencyMask) -> Step:
    @torch.no_grad()
    def restore(model: nn.Module) -> None:
        for (name, p), old in zip(model.named_parameters(), original.parameters()):
            p.copy_(torch.where(mask[name], p, old))

    return restore


def named(planted: str, found: Diagnosis) -> bool:
    """Whether the planted mistake is among the causes."""
    return NAMED.get(planted, planted) in found.causes


def unseen(found: Mapping[str, Diagnosis]) -> list[str]:
    """Mistakes that left every score as it should be."""
    return [name for name, d in found.items() if d.signature == SIGNATURES[0]]


def answer(found: Mapping[str, Diagnosis]) -> Answer:
    """How many mistakes no score shows, and how many are named all the same."""
    quiet, right = unseen(found), sum(named(name, d) for name, d in found.items())
    return Answer(
        (
            f"Of {len(found)} mistakes planted in one run, {len(quiet)} end with scores that look"
            f" healthy: {', '.join(quiet)}. They show in the weights, the labels or the split.",
            f"`su.diagnose`, which looks there as well, names {right} of the {len(found)}.",
        )
    )


def mistake_table(found: Mapping[str, Diagnosis]) -> Table:
    """Scores, signature and the causes that were named, one row a mistake."""
    rows = {name: _row(name, d) for name, d in found.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("planted")
    return table(frame, best=unseen(found), note="In bold: mistakes that no score shows.")


def _row(planted: str, found: Diagnosis) -> dict[str, object]:
    figures = {m.upper(): amount(found.figures.get(m)) for m in ("ua", "ra", "ta")}
    said = ", ".join(found.causes) or "–"
    evidence = found.findings[0].evidence if found.findings else "–"
    return {
        **figures,
        "signature": found.signature,
        "named": f"{'yes' if named(planted, found) else 'no'}: {said}",
        "first evidence": evidence,
    }
