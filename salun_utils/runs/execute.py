"""`prepare` and `run`: from a `RunSpec` to a `Record`, through the artefact cache."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import data as datasets
from .. import metrics, models, training
from ..data import scenarios
from ..data.places import data_folder
from ..data.splits import ForgetSplit
from ..errors import InputError, unknown
from ..saliency import SaliencyMask
from ..seeds import derive
from ..unlearning import METHODS, RULES, UnlearnResult, build_mask, unlearn
from . import provenance
from .cache import Cache, empty
from .record import Record
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
    """

    spec: RunSpec
    data: datasets.Dataset
    split: ForgetSplit
    device: torch.device
    cache: Cache
    progress: bool = False

    @cached_property
    def _original(self) -> tuple[nn.Module, dict, str]:
        return self._trained(self.split.train, self.spec.seeds["training"], "original")

    @cached_property
    def _retrained(self) -> tuple[nn.Module, dict, str]:
        return self._trained(
            self.split.retain, derive(self.spec.seeds["training"], "retrain"), "retrained"
        )

    original = property(lambda self: self._original[0])
    original_seconds = property(lambda self: self._original[1]["seconds"])
    retrained = property(lambda self: self._retrained[0])
    retrained_seconds = property(lambda self: self._retrained[1]["seconds"])
    retrained_cpu_seconds = property(lambda self: self._retrained[1]["cpu_seconds"])

    @property
    def pflop(self) -> dict[str, float | None]:
        """10^15 operations of the two trainings, None where they weren't counted."""
        trained = {"original": self._original, "retrained": self._retrained}
        return {kind: facts.get("pflop") for kind, (_, facts, _) in trained.items()}

    @cached_property
    def original_scores(self) -> metrics.Scores:
        return self._scored(*self._original[::2])

    @cached_property
    def retrained_scores(self) -> metrics.Scores:
        return self._scored(*self._retrained[::2])

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
            "data": self.data.fingerprint,
            "positions": _digest(positions),
            "seed": seed,
            **self.recipe,
            "arch": self.spec.arch,
            "width": self.spec.width,
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "code": provenance.code_fingerprint(provenance.TRAINING, network_file(self.spec.arch)),
        }
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
                if not checkpoint.is_file():
                    raise
                checkpoint.unlink()
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
        model.fitted_with = dict(self.recipe)
        return model.to(self.device).eval(), facts, _digest(repr(sorted(parts.items())).encode())

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
            "code": provenance.code_fingerprint(),
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

    def mask(self) -> tuple[SaliencyMask | None, dict[str, float]]:
        """The mask that the spec asks for and the wall and processor seconds it took to make, from
        the cache if it is there.
        """
        effective = self.spec.effective
        rule, keep, seed = effective["mask"], self.spec.keep, derive(self.spec.seed, "mask")
        if rule in (None, "none"):
            return None, {"seconds": 0.0, "cpu_seconds": 0.0}
        parts = {
            "kind": "mask",
            "model": self._original[2],
            "forget": _digest(self.split.forget.index.cpu().numpy()),
            "rule": rule,
            "keep": keep,
            "seed": seed if rule == "random" else None,
        }

        def make(_: Path) -> tuple[dict, dict]:
            started, cpu_started = time.perf_counter(), time.process_time()
            built = build_mask(rule, self.original, self.split, keep=keep, seed=seed)
            spent = {
                "seconds": time.perf_counter() - started,
                "cpu_seconds": time.process_time() - cpu_started,
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


def run(
    spec: RunSpec, *, task: Task | None = None, cache: Cache | None = None, progress: bool = False
) -> Record:
    """Unlearn as `spec` says, score the result beside Retrain and the original, and return the
    record (not yet written).

    Raises
    ------
    InputError : for settings that don't fit the data. TrainingDivergedError : when a loss or an
        answer is not finite.
    """
    return run_with_result(spec, task=task, cache=cache, progress=progress)[0]


def run_with_result(
    spec: RunSpec, *, task: Task | None = None, cache: Cache | None = None, progress: bool = False
) -> tuple[Record, UnlearnResult]:
    """As `run`, and the unlearned model, its mask and its time as well."""
    task = (
        with_spec(task, spec) if task is not None else prepare(spec, cache=cache, progress=progress)
    )
    if spec.method == "retrain" and not spec.params:  # the reference itself
        own = METHODS["retrain"].parameters({})
        result = UnlearnResult(
            task.retrained, task.retrained_seconds, None, own, task.retrained_cpu_seconds
        )
    else:
        params = {"augment": spec.augment, **spec.params}
        mask, spent = task.mask()
        result = unlearn(
            spec.method,
            task.original,
            task.split,
            seed=spec.seed,
            mask=mask if mask is not None else "none",
            keep=spec.keep,
            **params,
        )
        wall, cpu = result.seconds + spent["seconds"], result.cpu_seconds + spent["cpu_seconds"]
        result = UnlearnResult(result.model, wall, mask, result.params, cpu)
    return make_record(task, result), result


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
    twin = Task(spec, task.data, task.split, task.device, task.cache, task.progress)
    for name in ("_original", "_retrained", "original_scores", "retrained_scores"):
        if name in task.__dict__:
            twin.__dict__[name] = task.__dict__[name]
    if "_original" not in task.__dict__:
        twin.__dict__["_original"] = task.__dict__["_original"] = task._original
    return twin


def make_record(task: Task, result: UnlearnResult) -> Record:
    """Score a result and gather its provenance."""
    scores, reference = task.scores(result.model), task.retrained_scores
    gap = scores.gap(reference)
    validation = {
        "unlearned": task.validation_accuracy(result.model),
        "original": task.validation_accuracy(task.original),
    }
    mask = (
        {}
        if result.mask is None
        else {
            "rule": result.mask.rule,
            "density": result.mask.density,
            "weights": result.mask.numel,
        }
    )
    return Record(
        **_provenance(task),
        scores=scores.to_dict(),
        reference=reference.to_dict(),
        original=task.original_scores.to_dict(),
        gap={**gap.to_dict(), "average": gap.average},
        seconds=result.seconds,
        cpu_seconds=result.cpu_seconds,
        reference_seconds=task.retrained_seconds,
        reference_cpu_seconds=task.retrained_cpu_seconds,
        original_seconds=task.original_seconds,
        mask=mask,
        measurements={"validation": validation, "pflop": task.pflop},
    )


def diverged_record(task: Task, spec: RunSpec, error: Exception) -> Record:
    """The record of a run that ended in numbers that are not finite: without scores, and with what
    was said in its measurements.
    """
    return Record(**_provenance(with_spec(task, spec)), measurements={"diverged": str(error)})


def _provenance(task: Task) -> dict[str, Any]:
    """What a record says of where it comes from."""
    spec, split = task.spec, task.split
    return {
        "id": spec.id,
        "tier": spec.tier,
        "spec": spec.effective | {"dataset": task.data.name},
        "seeds": spec.seeds,
        "data": {
            "name": task.data.name,
            "note": spec.data_note or task.data.note,
            "fingerprint": task.data.fingerprint,
            "scenario": split.name,
            "forget": len(split.forget),
            "retain": len(split.retain),
            "validation": len(split.validation),
            "test": len(split.test),
        },
        "device": provenance.device_facts(task.device),
        "packages": provenance.package_versions(),
        "code": {
            "commit": provenance.commit(),
            "fingerprint": run_fingerprint(spec.method, spec.arch, spec.mask),
        },
    }


def run_fingerprint(
    method: str, arch: str, mask: str | None = None, also: Iterable[str] = ()
) -> str:
    """Fingerprint of the code that decides a run: the core, the network, the method, the mask, and
    the files named in `also`.
    """
    rule = METHODS[method].mask if mask is None else mask
    own = [network_file(arch), _within_package(METHODS[method].run)]
    if rule not in (None, "none"):
        own.append(_within_package(RULES[rule]))
    return provenance.code_fingerprint(provenance.CORE, *own, *also)


def network_file(arch: str) -> str:
    """Where a network is built, relative to the package."""
    return f"models/{models.source_of(arch)}"


def _within_package(function: Callable) -> str:
    file = Path(inspect.getsourcefile(function) or "")
    return (
        file.relative_to(provenance.PACKAGE).as_posix()
        if file.is_relative_to(provenance.PACKAGE)
        else str(file)
    )


def load_dataset(spec: RunSpec, *, size: int | None = None) -> datasets.Dataset:
    """The data set of a spec: a known name, a folder of that name in ``$SALUN_DATA``, or a path;
    `size` as in `data.load`.
    """
    name = spec.dataset
    if name not in datasets.NAMES and not Path(name).exists():
        beside = data_folder() / name
        if not beside.is_dir():
            if "/" in name or "\\" in name:
                raise InputError(f"there is no folder {name}")
            raise unknown("data set", name, datasets.NAMES)
        name = str(beside)
    data = datasets.load(name, size=size, note=spec.data_note or None)
    return data if spec.train_images is None else _thinned(data, spec.train_images)


def _thinned(data: datasets.Dataset, count: int) -> datasets.Dataset:
    """The first pictures of each class, `count` in all, in file order; all of them where there are
    no more.
    """
    each, labels = count // data.num_classes, data.train.labels
    if count >= len(labels):
        return data
    if not each:
        raise InputError(
            f"train_images must be at least {data.num_classes}, one for each class, not {count}"
        )
    chosen = (
        torch.cat([(labels == c).nonzero().flatten()[:each] for c in range(data.num_classes)])
        .sort()
        .values
    )
    part = data.train.subset(chosen)
    return datasets.Dataset(
        data.name,
        datasets.Images(part.pixels, part.labels),
        data.test,
        data.classes,
        data.mean,
        data.std,
        data.note,
    )


def make_split(
    data: datasets.Dataset, spec: RunSpec, scores: torch.Tensor | None = None
) -> ForgetSplit:
    """Cut `data` as the spec says; scenarios by memorisation need the `scores` of
    `scenario_scores`.
    """
    return scenarios.make_split(
        data,
        spec.scenario,
        seed=spec.seeds["split"],
        forget_fraction=spec.forget_fraction,
        forget_class=spec.forget_class,
        indices=_read_indices(spec.indices) if spec.scenario == "indices" else None,
        scores=scores,
    )


def _read_indices(path: str) -> list[int]:
    try:
        words = Path(path).read_text().replace(",", " ").split()
    except OSError as error:
        raise InputError(f"indices: can't read {path} ({error.strerror})") from error
    if not words or not all(w.isdecimal() for w in words):
        raise InputError(
            f"indices: {path} must hold whole numbers separated by blanks, commas or lines"
        )
    return [int(w) for w in words]


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"there is no device {name!r}; allowed: auto, cpu, cuda, cuda:N") from None
    if device.type == "cuda" and not (
        torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    ):
        raise InputError(f"device {name} is not there: {torch.cuda.device_count()} GPUs found")
    return device


def _digest(data: Any) -> str:
    blob = data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
    return hashlib.sha256(blob).hexdigest()[:24]
