"""Mistakes planted in classifiers, one at a time: what is common to all of them. The mistakes
themselves stand on the page.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any
from unittest import mock

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...data.scenarios import make_split
from ...data.splits import ForgetSplit
from ...metrics import evaluate
from ...plots.tables import Table
from ...runs import Record, RunSpec, Task, prepare
from ...saliency import SaliencyMask, saliency_scores
from ...unlearning import unlearn
from ...unlearning.be import last_layer, widened
from ...unlearning.job import COMMON, Job
from . import tables
from .recorded import effects, recorded, units_of_errata
from .shared import parameters_in, share_kept

MEASURES = ("ua", "ra", "ta", "mia")
Made = nn.Module | Mapping[str, float]  # a model, or the scores of one
Entropy = Callable[[Tensor, Tensor], Tensor]
Maker = Callable[[], Made | tuple[Made, Mapping[str, float]]]


@dataclasses.dataclass(eq=False)
class Classifiers:
    """One task and what was measured on it, with each mistake and without.

    Attributes
    ----------
    names : the page's parameters. task : original, Retrain and split. rows : one dict an item and
        variant, as the record has them.
    """

    names: dict[str, Any]
    spec: RunSpec
    task: Task
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    started: float = dataclasses.field(default_factory=time.process_time)

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Classifiers:
        """What a notebook's parameters describe: ``Classifiers.of(globals())``.

        Raises
        ------
        InputError : another method than SalUn, in which all of them are planted.
        """
        plain, spec = parameters_in(names), RunSpec.of(names)
        return cls(plain, spec, prepare(spec))

    @property
    def rule(self) -> dict[str, Any]:
        """Epochs and learning rate of SalUn."""
        return {k: self.names[k] for k in ("epochs", "lr")}

    def right(self, method: str, **settings: Any) -> nn.Module:
        """The right way: a call of the library, from the original, with the run's seed."""
        own = {"augment": self.names["augment"], **settings}
        return unlearn(method, self.task.original, self.split, seed=self.spec.seed, **own).model

    def salun(self, **changed: Any) -> nn.Module:
        """SalUn in the right way, but for the settings given."""
        if not changed:
            return self._salun
        own = {} if "mask" in changed else {"keep": self.names["keep"]}
        return self.right("salun", **{**own, **self.rule, **changed})

    @cached_property
    def _salun(self) -> nn.Module:
        return self.right("salun", keep=self.names["keep"], **self.rule)

    @cached_property
    def mask(self) -> SaliencyMask:
        """SalUn's mask."""
        scores = saliency_scores(self.task.original, self.split.forget)
        return SaliencyMask.top(scores, self.names["keep"])

    @property
    def split(self) -> ForgetSplit:
        return self.task.split

    @cached_property
    def other_split(self) -> ForgetSplit:
        """The same scenario, cut from the data with another seed."""
        spec = self.spec
        drawn = make_split(
            self.task.data,
            spec.scenario,
            seed=spec.seeds["split"] + 1000,
            forget_fraction=spec.forget_fraction,
            forget_class=spec.forget_class,
        )
        return drawn.to(self.task.device)

    def job(self, mask: SaliencyMask | None = None) -> Job:
        """What the library hands to a method: a copy of the original, the split, the seed."""
        common = {**COMMON, "augment": self.names["augment"]}
        return Job(copy.deepcopy(self.task.original), self.split, mask, self.spec.seed, common)

    @cached_property
    def without_norms(self) -> SaliencyMask:
        """The mask, without the weights of normalisation layers."""
        layers = (m for m in self.task.original.modules() if isinstance(m, _BatchNorm))
        norms = {id(p) for layer in layers for p in layer.parameters()}
        named = self.task.original.named_parameters()
        free = {n: self.mask[n] & torch.tensor(id(p) not in norms) for n, p in named}
        return SaliencyMask.from_bools(free)

    def with_shadow_class(self) -> Job:
        """A job whose model has one output more, as BE makes it."""
        job, classes = self.job(), self.task.data.num_classes
        path, head = last_layer(job.model, classes)
        job.model.set_submodule(path, widened(head, job.draws("shadow class")).to(job.device))
        return job

    @property
    def steps_an_epoch(self) -> int:
        """Batches in a pass over all training pictures."""
        return math.ceil(len(self.split.train) / COMMON["batch_size"])

    # -- measures

    @cached_property
    def score(self) -> Callable[[nn.Module], dict[str, float]]:
        """The four measures of a model."""
        return cache(lambda model: self.told(self.task.scores(model)))

    def told(self, scores: Any) -> dict[str, float]:
        """The four measures of `Scores`."""
        return {m: getattr(scores, m) for m in MEASURES}

    def scored_as(self, model: nn.Module, **changed: Any) -> dict[str, float]:
        """The measures by the library's protocol, but for parts of the split or a protocol."""
        protocol = changed.pop("protocol", self.spec.protocol)
        split = dataclasses.replace(self.split, **changed) if changed else self.split
        return self.told(evaluate(model, split, protocol=protocol, seed=self.split.seed))

    def by_entropy(self, model: nn.Module, entropy: Entropy | None = None) -> dict[str, float]:
        """The measures with the attack on the modified entropy alone, computed by `entropy`."""
        patch = mock.patch("salun_utils.metrics.membership.modified_entropy", entropy)
        with patch if entropy else contextlib.nullcontext():
            scores = self.task.scores(model)
        return {**self.told(scores), "mia": scores.mia_variants["m_entropy"]}

    def on_split(self, model: nn.Module, part: ForgetSplit) -> tuple[Made, Mapping[str, float]]:
        """The measures on a split, and the share of its forget set that was never trained on."""
        scores = evaluate(model, part, protocol=self.spec.protocol, seed=part.seed)
        unseen = ~torch.isin(part.forget.index, self.split.train.index)
        return self.told(scores), {"never_trained_on": 100 * float(unseen.float().mean())}

    def moved(self, model: nn.Module) -> float:
        """Share of the weights outside the mask that are no longer what they were, in per cent."""
        before, after = (dict(m.named_parameters()) for m in (self.task.original, model))
        still = [(~self.mask[n], before[n] != after[n]) for n in before]
        astray = sum(int((out & other).sum()) for out, other in still)
        return 100 * astray / sum(int(out.sum()) for out, _ in still)

    def unmoved(self, model: nn.Module) -> float:
        """Share of all weights that are exactly the original's, in per cent."""
        pairs = list(zip(self.task.original.parameters(), model.parameters(), strict=True))
        return 100 * sum(int((a == b).sum()) for a, b in pairs) / sum(a.numel() for a, _ in pairs)

    def shared(self, mask: SaliencyMask) -> float:
        """Share of the mask's weights that another of the same size keeps as well, in per cent."""
        return share_kept(self.mask, mask)

    # -- side by side

    def compare(
        self,
        item: str,
        right: Maker,
        faulty: Maker,
        *,
        also: Mapping[str, Callable[[nn.Module], float]] | None = None,
        retrain: Callable[[], tuple[Mapping[str, float], Mapping[str, float]]] | None = None,
    ) -> Table:
        """Run both, note what they make, and show it beside the recorded effect.

        Parameters
        ----------
        right, faulty : each makes a model or scores by name, and, as a second value if it likes,
            other measures. also : measures of the models.
        retrain : Retrain's scores under the right and under the faulty way of scoring, where these
            differ.
        """
        for place, (variant, make) in enumerate({"right": right, "faulty": faulty}.items()):
            made, more = result if isinstance(result := make(), tuple) else (result, {})
            scores = self.score(made) if isinstance(made, nn.Module) else made
            reference = retrain()[place] if retrain else self.score(self.task.retrained)
            own = {"gap": sum(abs(scores[m] - reference[m]) for m in MEASURES) / 4}
            own |= {"retrain_mia": reference["mia"]} if retrain else {}
            own |= more
            if isinstance(made, nn.Module):
                own |= {name: measure(made) for name, measure in (also or {}).items()}
            rounded = {name: float(f"{value:.6g}") for name, value in own.items()}
            self.rows.append({"item": item, "variant": variant, **scores, **rounded})
        return tables.of_item(item, self.rows, self._on_file)

    @cached_property
    def _on_file(self) -> pd.DataFrame:
        return effects(recorded())

    def record(self) -> Record:
        """Everything measured, with the settings in force."""
        task, split, names = self.task, self.split, self.names
        fields = ("epochs", "lr", "beta"), ("epochs", "lr", "gamma"), ("epochs", "lr")
        own = {
            kind: [names[f"{kind}_{field}"] for field in of]
            for kind, of in zip(("soft", "sparse", "shadow"), fields, strict=True)
        }
        about = {"dataset": task.data.name, "method": "errata", "parts": "classifiers"}
        data = {
            "name": task.data.name,
            "note": names.get("data_note") or task.data.note,
            "fingerprint": task.data.fingerprint,
            "scenario": split.name,
            **{part: len(getattr(split, part)) for part in ("forget", "retain", "test")},
        }
        return Record.of(
            units=units_of_errata(self.spec.effective, "classifiers"),
            device=task.device,
            id=f"errata_{self.spec.id}",
            tier=names["tier"],
            seeds=self.spec.seeds,
            spec=self.spec.effective | about | {"faults_in": names["method"]} | own,
            reference=task.retrained_scores.to_dict(),
            original=task.original_scores.to_dict(),
            data=data,
            cpu_seconds=time.process_time() - self.started,
            measurements={"rows": self.rows},
        )
