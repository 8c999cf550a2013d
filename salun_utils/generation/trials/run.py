"""Run a `Trial`: erase a concept, draw from the same noises before and after, judge both, and
gather a record.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ...data.images import Dataset
from ...errors import InputError
from ...runs.cache import Cache, empty
from ...runs.records.record import Record
from ...units import numerics, versions
from .. import JUDGES
from ..erasers.registry import Erased
from ..measures.distances import (
    Distances,
    FeatureSpace,
    Reference,
    distances,
    feature_space,
    reference,
)
from ..measures.recognition import Recognition, recognition, sample_labels
from ..models import pipelines
from ..models.judges import Judge
from .protocol import (
    erased_by,
    facts_of,
    facts_of_mask,
    in_force,
    loaded,
    pictures_of,
    record_of,
    thinned,
)
from .touched import units_of_trial
from .trial import ErasureSettings, Trial, identity


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a trial works on, loaded: generator, judge and pictures."""

    model: Any  # of any kind: it samples, and has a device
    judge: Judge
    data: Dataset

    @classmethod
    def of(cls, trial: Trial) -> Scene:
        """Load what a trial names, onto its device."""
        model, referee = loaded(trial)
        if referee is None:
            raise InputError("the trial names no judge")
        return cls(model, referee, pictures_of(trial))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a trial gave: the erased model, and the same drawings before and after.

    Attributes
    ----------
    labels : the class (N,) that each picture was asked for. before, after : uint8 (N, C, H, W),
        from the same noises.
    original, scores : what the judge saw in them.
    original_distances, distances : of the classes that are kept, to all real training pictures of
        those classes.
    original_recovered, recovered : what the attacks brought back; None where none were asked for.
    """

    erased: Erased
    labels: Tensor
    before: Tensor
    after: Tensor
    original: Recognition
    scores: Recognition
    original_distances: Distances
    distances: Distances
    original_recovered: dict | None
    recovered: dict | None
    cpu_seconds: float


@numerics(1, "trial")
def run(trial: Trial, scene: Scene | None = None) -> Outcome:
    """Erase, draw, judge. What the original draws is cached, so a second trial of the same model
    and concept draws half as much.
    """
    scene = scene or Scene.of(trial)
    erased, cpu_seconds = erased_by(trial, scene.model, trial.concept, scene.data)
    labels = drawn_labels(trial, scene.judge)
    before, after = (
        drawn_by_original(trial, scene, labels),
        draw(erased.model, trial, scene.judge, labels),
    )
    judge, seed = scene.judge, trial.sample_seed
    was, now = (
        recognition(judge.fit(p), labels, judge, forgotten=trial.concept, seed=seed)
        for p in (before, after)
    )
    label, space = judge.label(trial.concept), feature_space(judge, scene.model.device)
    real, kept = real_reference(trial, scene.data, label, space), labels != label
    far_before, far = (distances(p[kept], real, space, seed=seed) for p in (before, after))
    tried = trial.attack_steps > 0
    return Outcome(
        erased,
        labels,
        before,
        after,
        original=was,
        scores=now,
        original_distances=far_before,
        distances=far,
        original_recovered=attacked_original(trial, scene) if tried else None,
        recovered=attacked(erased.model, trial, scene) if tried else None,
        cpu_seconds=cpu_seconds,
    )


def drawn_labels(trial: Trial, judge: Judge) -> Tensor:
    """The class of each picture that is drawn, class after class."""
    return sample_labels(
        len(judge.classes), judge.label(trial.concept), trial.per_class, trial.concept_samples
    )


def draw(model, trial: Trial, judge: Judge, labels: Tensor) -> Tensor:
    """One picture a label, uint8 (N, C, H, W), from noises that depend on `sample_seed` alone."""
    from .. import kind_of

    given: dict[str, Any] = {
        k: v for k, v in {"steps": trial.steps, "guidance": trial.guidance}.items() if v is not None
    }
    if kind_of(model) != "pipeline":
        return model.sample(labels, seed=trial.sample_seed, **given)
    counts = labels.bincount()
    noise = pipelines.fixed_noise(model, int(counts.max()), seed=trial.sample_seed)[
        torch.cat([torch.arange(c) for c in counts])
    ]
    template = trial.params.get("template", "a photo of a {}")
    prompts = [pipelines.prompt_for(judge.classes[i], template) for i in labels]
    return pipelines.sample(model, prompts, noise=noise, **given)


def drawn_by_original(trial: Trial, scene: Scene, labels: Tensor) -> Tensor:
    """`draw` of the model before erasing, from the cache if it is there."""
    parts = {
        "model": identity(trial.model),
        "numerics": versions(("trial", f"generator/{trial.kind}")),
        "counts": labels.bincount().tolist(),
        "steps": trial.steps,
        "guidance": trial.guidance,
        "seed": trial.sample_seed,
        "classes": scene.judge.classes,
        "template": trial.params.get("template"),
        "device": torch.device(scene.model.device).type,
    }
    tensors, _, _ = Cache().get(
        "drawings", parts, lambda _: ({"pixels": draw(scene.model, trial, scene.judge, labels)}, {})
    )
    return tensors["pixels"]


def real_reference(
    trial: ErasureSettings, data: Dataset, label: int | None, space: FeatureSpace
) -> Reference:
    """All real training pictures but those of one class, as a feature space sees them; from the
    cache if it is there.
    """
    parts = {
        "data": data.fingerprint,
        "without": label,
        "features": space.name,
        "judge": identity(JUDGES.get(trial.judge, trial.judge)),
        "numerics": versions(("judge", "metric/pictures")),
    }

    def make(_: object) -> tuple[dict, dict]:
        made = Reference.of(reference(data.train, label), space)
        return {"features": made.features, "reach": made.reach}, {}

    return Reference(space.name, **Cache().get("references", parts, make)[0])


def attacked(model, trial: Trial, scene: Scene) -> dict:
    """What `recovery.attack` brings back of the concept, with test pictures of it; plain values."""
    from ..measures import recovery

    test, label = scene.data.test, scene.judge.label(trial.concept)
    found = recovery.attack(
        model,
        test.subset((test.labels == label).nonzero().flatten()),
        scene.judge,
        concept=trial.concept,
        steps=trial.attack_steps,
        count=trial.per_class,
        seed=trial.sample_seed,
        template=trial.params.get("template", "a photo of a {}"),
        sampling_steps=trial.steps,
        guidance=trial.guidance,
    )
    return dataclasses.asdict(found)


def attacked_original(trial: Trial, scene: Scene) -> dict:
    """`attacked` of the model before erasing, from the cache if it is there."""
    parts = {
        "model": identity(trial.model),
        "judge": identity(JUDGES.get(trial.judge, trial.judge)),
        "data": scene.data.fingerprint,
        "numerics": versions(("metric/recovery",)),
        "concept": str(trial.concept),
        "template": trial.params.get("template"),
        "device": torch.device(scene.model.device).type,
        **{
            k: getattr(trial, k)
            for k in ("attack_steps", "per_class", "sample_seed", "steps", "guidance")
        },
    }
    return Cache().get("attacks", parts, lambda _: (empty(), attacked(scene.model, trial, scene)))[
        1
    ]


def record(trial: Trial, scene: Scene, outcome: Outcome) -> Record:
    """Everything about one run as pages read it: UA in ``scores["ua"]``, the mean of the other
    classes in ``scores["retained_mean"]``.
    """
    erased, settings = outcome.erased, in_force(trial, outcome.erased)
    return record_of(
        trial,
        scene.model,
        units=units_of_trial(settings),
        sampling=trial.sample_seed,
        data=facts_of(scene.data),
        mask=facts_of_mask(erased),
        seconds=erased.seconds,
        cpu_seconds=outcome.cpu_seconds,
        spec=settings | {"method": trial.name, "scenario": f"class {outcome.scores.forgotten}"},
        scores=_scored(outcome.scores, outcome.distances, outcome.recovered)
        | {"losses": thinned(erased.losses)},
        original=_scored(outcome.original, outcome.original_distances, outcome.original_recovered),
    )


def _scored(seen: Recognition, far: Distances, recovered: dict | None) -> dict:
    return (
        seen.to_dict()
        | {"ra": seen.retained_mean, "distances": far.to_dict()}
        | ({"recovered": recovered} if recovered else {})
    )
