"""Shadow models: many networks, each trained on about half of the pictures and then made to unlearn
some of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from ...data.images import Dataset
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
from .memory import check_memory


@dataclass(frozen=True)
class Plan:
    """Everything that decides one audit.

    Attributes
    ----------
    spec : data, network, recipe, seeds, and the method under audit with its parameters; see
        `runs.RunSpec`. Its scenario has no say.
    models : shadow models, an even number, at least 6: an attack needs two that had a picture and
        two that never did, beside the pair of the audited one. Of each pair of them, one is trained
        on a picture and the other is not.
    targets : pictures whose forgetting is audited. A model that was trained on some of them is made
        to unlearn these.
    watched : further pictures, in half of the models and never unlearned: what is left of the
        privacy of the retained.
    canaries : further pictures that are trained on under a wrong label, each in half of the models,
        and unlearned with the targets: what nobody can know of who did not train on it.
    further : whether the record is to hold, besides the attacks, what `further` measures; for that
        it needs the same shadow models retrained.
    """

    spec: RunSpec
    models: int = 64
    targets: int = 1000
    watched: int = 1000
    canaries: int = 0
    further: bool = False

    def __post_init__(self):
        for name, low in (("models", 6), ("targets", 2), ("watched", 2), ("canaries", 0)):
            check_count(name, getattr(self, name), low)
        if not isinstance(self.further, bool):
            raise InputError(f"further must be True or False, not {self.further!r}")
        if self.models % 2:
            raise InputError(
                f"models must be an even number, since they come in pairs, not {self.models}"
            )

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Self:
        """What a notebook's names describe; see `RunSpec.of`."""
        own = {k: names.get(k) for k in ("epochs", "lr")}
        counts = {k: names[k] for k in ("models", "targets", "watched")}
        younger = {k: names[k] for k in ("canaries", "further") if k in names}
        return cls(RunSpec.of(names, scenario="random", **own), **counts, **younger)

    @property
    def audited(self) -> int:
        """Pictures that are asked about: targets, watched ones and canaries."""
        return self.targets + self.watched + self.canaries

    @property
    def retrain(self) -> Self:
        """The same shadow models under Retrain."""
        return replace(self, spec=self.spec.but(method="retrain", mask=None, params={}))


class Answers(NamedTuple):
    """What one model says of the audited pictures, and what it cost.

    `before` and `after` are the logits, float32 (n, K), of the original and of the unlearned model
    on targets, watched pictures and canaries, in this order, and `test_before` and `test_after`
    those on the test set, which no model was trained on. `facts` holds "ua", "ra", "ta" and
    "ta_before" (per cent; on the pictures this model unlearned, on those it retained, and on the
    test set) and "train_seconds", "unlearn_seconds" (wall) and the same with "_cpu_seconds"
    (processor time).
    """

    before: Tensor
    after: Tensor
    test_before: Tensor
    test_after: Tensor
    facts: dict[str, float]


class Shadows:
    """The shadow models of a plan, made one by one and kept in the cache: a call that was cut short
    goes on where it stopped.

    Attributes
    ----------
    audited : positions in the training set of the targets, then of the watched pictures, then of
        the canaries, (n,).
    member : bool (models, n), whether a model was trained on an audited picture.
    labels : classes of the audited pictures, (n,); of a canary the wrong one.
    data : the data set, canaries under their wrong labels. clean : as it was found.
    """

    def __init__(self, plan: Plan, *, cache: Cache | None = None, progress: bool = False):
        self.plan, self.cache, self.progress = plan, cache or Cache(), progress
        self.device = pick_device(plan.spec.device)
        self.clean = load_dataset(plan.spec).to(self.device)
        labels, seed = self.clean.train.labels.cpu(), plan.spec.seeds["split"]
        self.pool = (~held_out(labels, seed)).nonzero().flatten()
        if plan.audited >= len(self.pool):
            what = "targets, watched and canaries" if plan.canaries else "targets and watched"
            raise InputError(
                f"{what} are {plan.audited} pictures, but there are only {len(self.pool)} to"
                " train on"
            )
        check_memory(self.clean, models=plan.models, audited=plan.audited, further=plan.further)
        order = torch.randperm(len(self.pool), generator=generator(seed, "audited"))
        self._rows = order[: plan.audited]
        self.audited = self.pool[self._rows]
        self.data = self._with_canaries(seed)
        self.labels = self.data.train.labels.cpu()[self.audited]
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
            "plan": [self.plan.models, self.plan.targets, self.plan.watched, self.plan.canaries],
            "answers": ["audited", "test"],
            "model": task.original_digest,
            "shadow": k,
            "forget": task.split.forget.index.tolist(),
            "method": task.spec.effective,
            "threads": torch.get_num_threads(),
            "numerics": versions(["study/audit", *units_of(task.spec.effective)]),
        }
        tensors, facts, _ = self.cache.get("shadows", parts, lambda _: self._make(task))
        return Answers(**tensors, facts=facts)

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
            "test_before": predict_logits(task.original, split.test),
            "test_after": predict_logits(model, split.test),
        }

        def hit(images, logits=None):
            logits = predict_logits(model, images) if logits is None else logits
            return accuracy(logits, images.labels)

        facts = {
            "ua": 100 - hit(split.forget),
            "ra": hit(split.retain),
            "ta": hit(split.test, tensors["test_after"]),
            "ta_before": hit(split.test, tensors["test_before"]),
            "train_seconds": task.original_seconds,
            "train_cpu_seconds": task.original_cpu_seconds,
        }
        return {n: t.float().cpu() for n, t in tensors.items()}, {**facts, **spent}

    def _split(self, k: int) -> ForgetSplit:
        forget = torch.zeros(len(self.pool), dtype=torch.bool)
        kept = slice(self.plan.targets, self.plan.targets + self.plan.watched)
        forget[self._rows] = True
        forget[self._rows[kept]] = False
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

    def _with_canaries(self, seed: int) -> Dataset:
        """The data set with a wrong label, drawn from all classes but the true one, on each of the
        last audited pictures.
        """
        if not self.plan.canaries:
            return self.clean
        labels, places = self.clean.train.labels.clone(), self.audited[-self.plan.canaries :]
        away = torch.randint(
            1, self.clean.num_classes, places.shape, generator=generator(seed, "canaries")
        )
        wrong = (labels.cpu()[places] + away) % self.clean.num_classes
        labels[places.to(labels.device)] = wrong.to(labels.device)
        train = self.clean.train.with_labels(labels)
        d = self.clean
        return Dataset(d.name, train, d.test, d.classes, d.mean, d.std, d.note)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a record says of the data; the fingerprint is of the data as they were found."""
        planted = {"canaries": self.plan.canaries} if self.plan.canaries else {}
        return {
            "name": self.clean.name,
            "note": self.plan.spec.data_note or self.clean.note,
            "fingerprint": self.clean.fingerprint,
            "scenario": "shadow models",
            "pool": len(self.pool),
            "targets": self.plan.targets,
            "watched": self.plan.watched,
            **planted,
            "test": len(self.clean.test),
        }


def complementary(models: int, pictures: int, draws: torch.Generator) -> Tensor:
    """Bool (models, pictures): of models 2j and 2j + 1 one has the picture and the other has not,
    by the toss of a coin.

    So every picture is in exactly half of the models, and in exactly half of those that are left
    when a pair is taken out.
    """
    coins = torch.rand(models // 2, pictures, generator=draws) < 0.5
    return torch.stack([coins, ~coins], dim=1).reshape(models, pictures)
