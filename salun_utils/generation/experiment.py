"""Run a `Trial`: erase a concept, draw from the same noises before and after, judge both, and gather a record."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..data.images import Dataset
from . import pipelines
from .judges import Judge
from .registry import Erased
from .scores import Recognition, recognition, sample_labels
from .trial import Trial, identity, sampling_fingerprint


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a trial works on, loaded: generator, judge and pictures."""

    model: object
    judge: Judge
    data: Dataset

    @classmethod
    def of(cls, trial: Trial) -> Scene:
        """Load what a trial names, onto its device."""
        from ..runs.execute import load_dataset, pick_device
        from ..runs.spec import RunSpec
        from . import judge, load

        device = pick_device(trial.device)
        referee = judge(trial.judge)
        referee.model.to(device)
        return cls(load(trial.model).to(device), referee, load_dataset(RunSpec(dataset=trial.data)))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a trial gave: the erased model, and the same drawings before and after.

    Attributes
    ----------
    labels : the class (N,) that each picture was asked for. before, after : uint8 (N, C, H, W), from the same noises.
    original, scores : what the judge saw in them.
    """

    erased: Erased
    labels: Tensor
    before: Tensor
    after: Tensor
    original: Recognition
    scores: Recognition
    cpu_seconds: float


def run(trial: Trial, scene: Scene | None = None) -> Outcome:
    """Erase, draw, judge. What the original draws is cached, so a second trial of the same model and concept draws half as much."""
    from . import erase

    scene = scene or Scene.of(trial)
    begun = time.process_time()
    erased = erase(trial.eraser, scene.model, concept=trial.concept, seed=trial.seed, data=scene.data, **trial.settings)
    cpu_seconds = time.process_time() - begun
    labels = drawn_labels(trial, scene.judge)
    before, after = drawn_by_original(trial, scene, labels), draw(erased.model, trial, scene.judge, labels)
    judged = [recognition(p, labels, scene.judge, forgotten=trial.concept, seed=trial.sample_seed) for p in (before, after)]
    return Outcome(erased, labels, before, after, *judged, cpu_seconds)


def drawn_labels(trial: Trial, judge: Judge) -> Tensor:
    """The class of each picture that is drawn, class after class."""
    return sample_labels(len(judge.classes), judge.label(trial.concept), trial.per_class, trial.concept_samples)


def draw(model, trial: Trial, judge: Judge, labels: Tensor) -> Tensor:
    """One picture a label as the judge takes them, uint8 (N, C, H, W), from noises that depend on `sample_seed` alone."""
    from . import kind_of

    given = {k: v for k, v in {"steps": trial.steps, "guidance": trial.guidance}.items() if v is not None}
    if kind_of(model) != "pipeline":
        return model.sample(labels, seed=trial.sample_seed, **given)
    counts = labels.bincount()
    noise = pipelines.fixed_noise(model, int(counts.max()), seed=trial.sample_seed)[torch.cat([torch.arange(c) for c in counts])]
    template = trial.params.get("template", "a photo of a {}")
    prompts = [pipelines.prompt_for(judge.classes[i], template) for i in labels]
    recipe = judge.model.recipe
    shape = (recipe["channels"], recipe["image_size"], recipe["image_size"])
    return pipelines.for_judge(pipelines.sample(model, prompts, noise=noise, **given), shape)


def drawn_by_original(trial: Trial, scene: Scene, labels: Tensor) -> Tensor:
    """`draw` of the model before erasing, from the cache if it is there."""
    from ..runs.cache import Cache

    recipe = scene.judge.model.recipe
    parts = {
        "model": identity(trial.model), "code": sampling_fingerprint(trial.kind), "counts": labels.bincount().tolist(),
        "steps": trial.steps, "guidance": trial.guidance, "seed": trial.sample_seed, "classes": scene.judge.classes,
        "shape": [recipe["channels"], recipe["image_size"]], "template": trial.params.get("template"),
        "device": torch.device(scene.model.device).type,
    }  # fmt: skip
    tensors, _, _ = Cache().get("drawings", parts, lambda _: ({"pixels": draw(scene.model, trial, scene.judge, labels)}, {}))
    return tensors["pixels"]


def record(trial: Trial, scene: Scene, outcome: Outcome):
    """Everything about one run as pages read it: UA in ``scores["ua"]``, the mean of the other classes in ``scores["retained_mean"]``."""
    from ..runs import provenance
    from ..runs.record import Record

    erased, data = outcome.erased, scene.data
    mask = {} if erased.mask is None else {"rule": erased.mask.rule, "density": erased.mask.density, "weights": erased.mask.numel}
    settings = dataclasses.asdict(trial) | {"params": dict(erased.params), "mask": erased.params.get("mask", "none")}
    return Record(
        id=trial.id, tier=trial.tier, seeds={"unlearning": trial.seed, "sampling": trial.sample_seed}, mask=mask,
        seconds=erased.seconds, cpu_seconds=outcome.cpu_seconds,
        spec=settings | {"method": trial.name, "scenario": f"class {outcome.scores.forgotten}"},
        scores=outcome.scores.to_dict() | {"ra": outcome.scores.retained_mean, "losses": thinned(erased.losses)},
        original=outcome.original.to_dict() | {"ra": outcome.original.retained_mean},
        data={"name": data.name, "note": data.note, "fingerprint": data.fingerprint},
        device=provenance.device_facts(torch.device(scene.model.device)),
        packages=provenance.package_versions(), code={"commit": provenance.commit()},
    )  # fmt: skip


def thinned(losses: Sequence[float] | Mapping[str, Sequence[float]], points: int = 20) -> list | dict:
    """About `points` of the losses, rounded, for a record; by name where there are several."""
    if isinstance(losses, Mapping):
        return {name: thinned(values, points) for name, values in losses.items()}
    return [round(v, 5) for v in losses[:: max(len(losses) // points, 1)]]
