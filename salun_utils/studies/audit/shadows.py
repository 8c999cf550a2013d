"""Shadow models: many networks, each trained on about half of the pictures and then made to unlearn
some of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from ...data.splits import ForgetSplit, held_out
from ...errors import InputError
from ...metrics import accuracy, predict_logits
from ...runs import Cache, RunSpec, Task
from ...runs.inputs import load_dataset, pick_device
from ...runs.records.numerics import units_of
from ...seeds import derive, generator
from ...units import versions
from ...unlearning import unlearn
from ...unlearning.job import check_count


@dataclass(frozen=True)
class Plan:
    """Everything that decides one audit.

    Attributes
    ----------
    spec : data, network, recipe, seeds, and the method under audit with its parameters; see
        `runs.RunSpec`. Its scenario has no say.
    models : shadow models, an even number. Of each pair of them, one is trained on a picture and
        the other is not.
    targets : pictures whose forgetting is audited. A model that was trained on some of them is made
        to unlearn these.
    watched : further pictures, in half of the models and never unlearned: what is left of the
        privacy of the retained.
    """

    spec: RunSpec
    models: int = 64
    targets: int = 1000
    watched: int = 1000

    def __post_init__(self):
        for name, low in (("models", 4), ("targets", 2), ("watched", 2)):
            check_count(name, getattr(self, name), low)
        if self.models % 2:
            raise InputError(
                f"models must be an even number, since they come in pairs, not {self.models}"
            )

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Self:
        """What a notebook's names describe; see `RunSpec.of`."""
        own = {k: names.get(k) for k in ("epochs", "lr")}
        counts = {k: names[k] for k in ("models", "targets", "watched")}
        return cls(RunSpec.of(names, scenario="random", **own), **counts)


class Answers(NamedTuple):
    """What one model says of the audited pictures, and what it cost.

    `before` and `after` are the logits, float32 (n, K), of the original and of the unlearned model
    on targets and watched pictures, in this order. `facts` holds "ua", "ra", "ta" and "ta_before"
    (per cent; on the pictures this model unlearned, on those it retained, and on the test set) and
    "train_seconds", "unlearn_seconds" (wall) and the same with "_cpu_seconds" (processor time).
    """

    before: Tensor
    after: Tensor
    facts: dict[str, float]


class Shadows:
    """The shadow models of a plan, made one by one and kept in the cache: a call that was cut short
    goes on where it stopped.

    Attributes
    ----------
    audited : positions in the training set of the targets and then of the watched pictures, (n,).
    member : bool (models, n), whether a model was trained on an audited picture.
    labels : classes of the audited pictures, (n,).
    """

    def __init__(self, plan: Plan, *, cache: Cache | None = None, progress: bool = False):
        self.plan, self.cache, self.progress = plan, cache or Cache(), progress
        self.device = pick_device(plan.spec.device)
        self.data = load_dataset(plan.spec).to(self.device)
        labels, seed = self.data.train.labels.cpu(), plan.spec.seeds["split"]
        self.pool = (~held_out(labels, seed)).nonzero().flatten()
        wanted = plan.targets + plan.watched
        if wanted >= len(self.pool):
            raise InputError(
                f"targets and watched are {wanted} pictures, but there are only {len(self.pool)} to"
                " train on"
            )
        order = torch.randperm(len(self.pool), generator=generator(seed, "audited"))
        self._rows = order[:wanted]
        self.audited, self.labels = self.pool[self._rows], labels[self.pool[self._rows]]
        self._in = complementary(plan.models, len(self.pool), generator(seed, "shadow membership"))
        self.member = self._in[:, self._rows]

    def __iter__(self) -> Iterator[Answers]:
        """Answers of each model, in order."""
        return (self.answers(k) for k in range(self.plan.models))

    def task(self, k: int) -> Task:
        """Shadow model `k` as a task: its half of the data, its part to forget, its own seed of
        training.
        """
        seeds = {
            "training_seed": derive(self.plan.spec.seeds["training"], f"shadow {k}"),
            "split_seed": self.plan.spec.seeds["split"],
        }
        spec = self.plan.spec.model_copy(
            update={**seeds, "seed": derive(self.plan.spec.seed, f"shadow {k}")}
        )
        return Task(spec, self.data, self._split(k), self.device, self.cache, self.progress)

    def answers(self, k: int) -> Answers:
        """What shadow model `k` says before and after unlearning."""
        task = self.task(k)
        parts = {
            "plan": [self.plan.models, self.plan.targets, self.plan.watched],
            "model": task._original[2],
            "shadow": k,
            "forget": task.split.forget.index.tolist(),
            "method": task.spec.effective,
            "threads": torch.get_num_threads(),
            "numerics": versions(["study/audit", *units_of(task.spec.effective)]),
        }
        tensors, facts, _ = self.cache.get("shadows", parts, lambda _: self._make(task))
        return Answers(tensors["before"], tensors["after"], facts)

    def _make(self, task: Task) -> tuple[dict[str, Tensor], dict[str, float]]:
        spec, split = task.spec, task.split
        if spec.method == "retrain" and not spec.params:
            model, spent = (
                task.retrained,
                {
                    "unlearn_seconds": task.retrained_seconds,
                    "unlearn_cpu_seconds": task.retrained_cpu_seconds,
                },
            )
        else:
            params = {"augment": spec.augment, **spec.params}
            result = unlearn(
                spec.method,
                task.original,
                split,
                seed=spec.seed,
                mask=spec.mask,
                keep=spec.keep,
                **params,
            )
            model, spent = (
                result.model,
                {
                    "unlearn_seconds": result.seconds,
                    "unlearn_cpu_seconds": result.cpu_seconds,
                },
            )
        audited = self.data.train.subset(self.audited)
        tensors = {
            "before": predict_logits(task.original, audited),
            "after": predict_logits(model, audited),
        }

        def hit(m, images):
            return accuracy(predict_logits(m, images), images.labels)

        facts = {
            "ua": 100 - hit(model, split.forget),
            "ra": hit(model, split.retain),
            "ta": hit(model, split.test),
            "ta_before": hit(task.original, split.test),
            "train_seconds": task.original_seconds,
            "train_cpu_seconds": task._original[1]["cpu_seconds"],
        }
        return {n: t.float().cpu() for n, t in tensors.items()}, {**facts, **spent}

    def _split(self, k: int) -> ForgetSplit:
        forget = torch.zeros(len(self.pool), dtype=torch.bool)
        forget[self._rows[: self.plan.targets]] = True
        forget &= self._in[k]
        retain = self._in[k] & ~forget
        held = torch.ones(len(self.data.train), dtype=torch.bool)
        held[self.pool] = False

        def part(positions):
            return self.data.train.subset(positions.to(self.data.train.index.device))

        return ForgetSplit(
            forget=part(self.pool[forget]),
            retain=part(self.pool[retain]),
            validation=part(held.nonzero().flatten()),
            test=self.data.test,
            data=self.data,
            name=f"shadow-{k}",
            seed=self.plan.spec.seeds["split"],
        )

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a record says of the data."""
        return {
            "name": self.data.name,
            "note": self.plan.spec.data_note or self.data.note,
            "fingerprint": self.data.fingerprint,
            "scenario": "shadow models",
            "pool": len(self.pool),
            "targets": self.plan.targets,
            "watched": self.plan.watched,
            "test": len(self.data.test),
        }


def complementary(models: int, pictures: int, draws: torch.Generator) -> Tensor:
    """Bool (models, pictures): of models 2j and 2j + 1 one has the picture and the other has not,
    by the toss of a coin.

    So every picture is in exactly half of the models, and in exactly half of those that are left
    when a pair is taken out.
    """
    coins = torch.rand(models // 2, pictures, generator=draws) < 0.5
    return torch.stack([coins, ~coins], dim=1).reshape(models, pictures)
