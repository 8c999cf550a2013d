"""`prepare`: from a `RunSpec` to a `Task`, which is what a run starts from.

Originals, retrained models and masks come through the artefact cache.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import data as datasets
from .. import metrics, models, training
from ..data import scenarios
from ..data.splits import ForgetSplit
from ..errors import InputError
from ..fitting import ranks
from ..fitting.flops import tally
from ..saliency import SaliencyMask
from ..seeds import derive
from ..units import numerics, versions
from ..unlearning import RULES, build_mask
from ..unlearning.masks import SEEDLESS
from .cache import Cache, empty
from .inputs import load_dataset, make_split, pick_device
from .records import provenance
from .records.numerics import units_of_training
from .spec import RunSpec


@dataclass
class Task:
    """What a run starts from; everything costly is made on first use and kept in the cache.

    Attributes
    ----------
    spec, data, split, device : the settings, the data set, its cut (pixels on the device), and
        where it is computed.
    original, retrained : models; original_seconds, retrained_seconds : what training them took,
        whenever it was.
    original_scores, retrained_scores : their `metrics.Scores` on this split.
    made : what was made so far, by name; tasks that start from the same have it in common
        (`with_spec`).
    """

    spec: RunSpec
    data: datasets.Dataset
    split: ForgetSplit
    device: torch.device
    cache: Cache
    progress: bool = False
    made: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made at the first call under this name."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    @property
    def _original(self) -> tuple[nn.Module, dict, str]:
        seed = self.spec.seeds["training"]
        return self.once("original", lambda: self._trained(self.split.train, seed, "original"))

    @property
    def _retrained(self) -> tuple[nn.Module, dict, str]:
        seed = derive(self.spec.seeds["training"], "retrain")
        return self.once("retrained", lambda: self._trained(self.split.retain, seed, "retrained"))

    original = property(lambda self: self._original[0])
    original_seconds = property(lambda self: self._original[1]["seconds"])
    original_cpu_seconds = property(lambda self: self._original[1]["cpu_seconds"])
    original_digest = property(lambda self: self._original[2])  # of all that made it
    retrained = property(lambda self: self._retrained[0])
    retrained_seconds = property(lambda self: self._retrained[1]["seconds"])
    retrained_cpu_seconds = property(lambda self: self._retrained[1]["cpu_seconds"])

    @property
    def pflop(self) -> dict[str, float | None]:
        """10^15 operations of the two trainings, None where they weren't counted."""
        trained = {"original": self._original, "retrained": self._retrained}
        return {kind: facts.get("pflop") for kind, (_, facts, _) in trained.items()}

    @property
    def original_scores(self) -> metrics.Scores:
        return self.once("original scores", lambda: self._scored(*self._original[::2]))

    @property
    def retrained_scores(self) -> metrics.Scores:
        return self.once("retrained scores", lambda: self._scored(*self._retrained[::2]))

    @property
    def original_validation(self) -> float | None:
        """`validation_accuracy` of the original."""
        return self.once("original validation", lambda: self.validation_accuracy(self.original))

    @property
    def recipe(self) -> dict[str, Any]:
        """How originals and retrained models are trained, as keywords of `training.fit`."""
        return self.spec.training

    def new_model(self, seed: int) -> nn.Module:
        """The network of the spec with fresh weights."""
        d = self.data
        return models.create(
            self.spec.arch,
            num_classes=d.num_classes,
            channels=d.channels,
            image_size=d.image_size,
            mean=d.mean,
            std=d.std,
            seed=seed,
            width=self.spec.width,
        ).to(self.device)

    def _trained(
        self, images: datasets.Images, seed: int, kind: str
    ) -> tuple[nn.Module, dict, str]:
        positions = np.sort(images.index.cpu().numpy())
        parts = {
            "kind": "model",
            "data": self.split.data.fingerprint,  # of the mislabelled set, where there is one
            "positions": _digest(positions),
            "seed": seed,
            **self.recipe,
            "arch": self.spec.arch,
            "width": self.spec.width,
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "numerics": versions((*units_of_training(self.spec.effective), "data")),
        }
        if (processes := ranks.here().size) > 1:
            parts["processes"] = processes
        model = self.new_model(seed)

        def make(checkpoint: Path) -> tuple[dict, dict]:
            options = dict(
                seed=seed,
                checkpoint=checkpoint,
                progress=self.progress,
                compile=self._worth_compiling,
                **self.recipe,
            )
            try:
                history = training.fit(model, images, **options)
            except (
                InputError
            ):  # an interrupted training left a checkpoint that this version can't go on from
                if not ranks.here().told(checkpoint.is_file):
                    raise
                checkpoint.unlink(missing_ok=True)
                model.load_state_dict(self.new_model(seed).state_dict())
                history = training.fit(model, images, **options)
            spent = {
                "seconds": history.seconds,
                "cpu_seconds": history.cpu_seconds,
                "pflop": history.pflop,
            }
            return model.state_dict(), {**spent, "loss": history.losses[-1], "what": kind}

        tensors, facts, _ = self.cache.get("models", parts, make)
        model.load_state_dict(tensors)
        model.fitted_with = dict(self.recipe)  # type: ignore[assignment]  # hung on, not declared
        return model.to(self.device).eval(), facts, _digest(repr(sorted(parts.items())).encode())

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of the data and of their cut."""
        data, split = self.data, self.split
        return {
            "name": data.name,
            "note": self.spec.data_note or data.note,
            "fingerprint": data.fingerprint,
            "scenario": split.name,
            "forget": len(split.forget),
            "retain": len(split.retain),
            "validation": len(split.validation),
            "test": len(split.test),
        }

    @property
    def _worth_compiling(self) -> bool:
        return self.device.type == "cuda" and self.spec.train_epochs >= 50

    def _scored(self, model: nn.Module, key: str) -> metrics.Scores:
        parts = {
            "model": key,
            "split": self.split.name,
            "forget": _digest(self.split.forget.index.cpu().numpy()),
            "protocol": self.spec.protocol,
            "seed": self.split.seed,
            "numerics": versions(("metric/scores",)),
        }
        _, facts, _ = self.cache.get(
            "scores", parts, lambda _: (empty(), self.scores(model).to_dict())
        )
        return metrics.Scores(**facts)

    def scores(self, model: nn.Module) -> metrics.Scores:
        """UA, RA, TA and MIA of any model on this task's split."""
        return metrics.evaluate(
            model, self.split, protocol=self.spec.protocol, seed=self.split.seed
        )

    def validation_accuracy(self, model: nn.Module) -> float | None:
        """Per cent of the validation pictures that a model gets right; None where there are none.
        What one has without a test set.
        """
        held_out = self.split.validation
        return (
            metrics.accuracy(metrics.predict_logits(model, held_out), held_out.labels)
            if len(held_out)
            else None
        )

    @numerics(1, "run/mask")
    def mask(self) -> tuple[SaliencyMask | None, dict[str, float]]:
        """The mask that the spec asks for, and the wall and processor seconds and the operations
        it took to make, from the cache if it is there.
        """
        effective = self.spec.effective
        rule, keep, seed = effective["mask"], self.spec.keep, derive(self.spec.seed, "mask")
        if rule in (None, "none"):
            return None, {"seconds": 0.0, "cpu_seconds": 0.0, "pflop": 0.0}
        parts = {
            "kind": "mask",
            "model": self.original_digest,
            "forget": _digest(self.split.forget.index.cpu().numpy()),
            "rule": rule,
            "keep": keep,
            "seed": None if rule in SEEDLESS else seed,
            "numerics": versions((f"mask/{rule}", "run/mask")),
            "source": provenance.source_of(RULES[rule] or build_mask),
        }

        def make(_: Path) -> tuple[dict, dict]:
            started, cpu_started = time.perf_counter(), time.process_time()
            with tally(self.original, self.split.forget.shape) as passes:
                built: Any = build_mask(rule, self.original, self.split, keep=keep, seed=seed)
            spent = {
                "seconds": time.perf_counter() - started,
                "cpu_seconds": time.process_time() - cpu_started,
                "pflop": passes.pflop,
            }
            return built.packed(), {**spent, "shapes": built.shapes, "rule": built.rule}

        packed, facts, _ = self.cache.get("masks", parts, make)
        return SaliencyMask.from_packed(packed, facts["shapes"], facts["rule"]), facts


def prepare(spec: RunSpec, *, cache: Cache | None = None, progress: bool = False) -> Task:
    """Load the data and cut the split; models are trained (or read from the cache) when first asked
    for.
    """
    data = load_dataset(spec)
    device = pick_device(spec.device)
    cache, scores = cache or Cache(), None
    # the original doesn't depend on what is to be forgotten: that of any split of this seed will do
    if spec.scenario in scenarios.SCORED:
        anywhere = scenarios.make_split(
            data, "random", seed=spec.seeds["split"], forget_fraction=spec.forget_fraction
        )
        reference = Task(spec, data, anywhere.to(device), device, cache, progress).original
        scores = scenarios.scenario_scores(reference, data, spec.scenario)
    return Task(spec, data, make_split(data, spec, scores).to(device), device, cache, progress)


START = (
    "dataset",
    "scenario",
    "forget_fraction",
    "forget_class",
    "indices",
    "arch",
    "width",
    "train_epochs",
    "train_lr",
    "train_schedule",
    "train_batch_size",
    "train_recipe",
    "train_images",
    "train_classes",
    "augment",
    "protocol",
    "device",
)


def differing(a: RunSpec, b: RunSpec) -> list[str]:
    """Settings by which two runs start from other data, another split or another network; none when
    they can share a `Task`.
    """
    names = [n for n in START if getattr(a, n) != getattr(b, n)]
    return names + [f"{n} seed" for n in ("split", "training") if a.seeds[n] != b.seeds[n]]


def with_spec(task: Task, spec: RunSpec) -> Task:
    """The same data, split and models under another method or unlearning seed."""
    if names := differing(task.spec, spec):
        raise InputError(f"the task was prepared for another {names[0]}")
    twin = dataclasses.replace(task, spec=spec)  # which has made nothing yet
    twin.made = task.made
    return twin


def _digest(data: Any) -> str:
    blob = data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
    return hashlib.sha256(blob).hexdigest()[:24]
