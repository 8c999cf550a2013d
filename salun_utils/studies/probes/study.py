"""One recorded round of probes: what the template `notebooks/00_probes.ipynb` executes.

A concept is erased from a text-to-image pipeline as in any trial; then every probe is asked of the
erased pipeline and, once for all erasers, of the original.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...data.images import Images
from ...errors import InputError, check_whole, unknown
from ...generation import JUDGES
from ...generation.measures.distances import Distances
from ...generation.measures.probes import PROBES, Target
from ...generation.measures.probes import run as ask
from ...generation.trials import run as trials
from ...generation.trials.protocol import facts_of, record_of, settings_of
from ...generation.trials.run import Outcome, Scene
from ...generation.trials.touched import units_of_trial
from ...generation.trials.trial import Trial, identity
from ...runs import Record
from ...runs.cache import Cache, empty
from ...units import numerics, versions

NAME = "probes"  # what such records are filed under, where others have their eraser
TEMPLATE = "a photo of a {}"


@dataclass(frozen=True)
class Plan(Trial):
    """An erasure as `Trial` describes it, and what is asked of the erased pipeline afterwards.

    Attributes
    ----------
    probes : names of probes, or "all"; a notebook gives a list as JSON.
    probe_pictures : that each probe draws. search_steps : of those that search. prefix : words that
        they put before the prompt. learned_from : at most so many test pictures of the concept that
        they learn from.
    """

    probes: str | Sequence[str] = "all"
    probe_pictures: int = 20
    search_steps: int = 40
    prefix: int = 3
    learned_from: int = 50

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "probes", chosen(self.probes))
        if self.kind != "pipeline":
            raise InputError(
                f"the probes are for text-to-image pipelines, not for {self.model}, a {self.kind}"
            )
        for name in ("probe_pictures", "search_steps", "prefix", "learned_from"):
            check_whole(name, getattr(self, name))

    @property
    def template(self) -> str:
        """Of the prompts."""
        return self.params.get("template", TEMPLATE)


def chosen(given: str | Sequence[str]) -> tuple[str, ...]:
    """Names of probes, checked: all of them for "all", else a list, also as JSON."""
    if given == "all":
        return tuple(PROBES)
    try:
        names = json.loads(given) if isinstance(given, str) else list(given)
    except (TypeError, ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not names:
        raise InputError(f'probes must be "all" or a list such as ["prompt"], not {given!r}')
    if wrong := next((name for name in names if name not in PROBES), None):
        raise unknown("probe", wrong, PROBES)
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Answers:
    """What a round gave.

    Attributes
    ----------
    outcome : of the trial: the erased pipeline, what it draws, and what erasing cost the others.
    erased, original : probe -> {"recognised", "control", "detail"} in per cent.
    """

    outcome: Outcome
    erased: Mapping[str, Mapping[str, Any]]
    original: Mapping[str, Mapping[str, Any]]


@numerics(1, "study/probes")
def run(plan: Plan, scene: Scene | None = None) -> Answers:
    """Erase, draw every class, and ask every probe."""
    scene = scene or Scene.of(plan)
    outcome = trials.run(plan, scene)
    erased = asked(plan, scene, outcome.erased.model)
    return Answers(outcome, erased, asked_of_original(plan, scene))


def asked(plan: Plan, scene: Scene, pipe) -> dict[str, dict[str, Any]]:
    """Probe -> its answer about a pipeline, as plain values."""
    target = Target.of(
        pipe,
        scene.model,
        lessons(plan, scene),
        scene.judge,
        concept=plan.concept,
        template=plan.template,
        count=plan.probe_pictures,
        steps=12 if plan.steps is None else plan.steps,
        guidance=3.0 if plan.guidance is None else plan.guidance,
        seed=plan.sample_seed,
        search_steps=plan.search_steps,
        prefix=plan.prefix,
    )
    return {name: dataclasses.asdict(ask(name, target)) for name in plan.probes}


def lessons(plan: Plan, scene: Scene) -> Images:
    """The first test pictures of the concept, which neither pipeline nor eraser saw."""
    test, label = scene.data.test, scene.judge.label(plan.concept)
    return test.subset((test.labels == label).nonzero().flatten()[: plan.learned_from])


def asked_of_original(plan: Plan, scene: Scene) -> dict[str, dict[str, Any]]:
    """`asked` of the pipeline before erasing, from the cache if it is there."""
    own = ("probes", "probe_pictures", "search_steps", "prefix", "learned_from")
    parts = {
        "model": identity(plan.model),
        "judge": identity(JUDGES.get(plan.judge, plan.judge)),
        "data": scene.data.fingerprint,
        "numerics": versions(units_of_probes(plan.probes)),
        "concept": str(plan.concept),
        "template": plan.template,
        "device": str(scene.model.device.type),
        **{k: getattr(plan, k) for k in (*own, "sample_seed", "steps", "guidance")},
    }
    return Cache().get("probes", parts, lambda _: (empty(), asked(plan, scene, scene.model)))[1]


def record(plan: Plan, scene: Scene, answers: Answers) -> Record:
    """The record of one round. Its `scores` are empty: it is no row of a comparison of erasers."""
    outcome = answers.outcome
    own = {"method": NAME, "erased": plan.name, "mask": plan.mask or ""}
    return record_of(
        plan,
        scene.model,
        units=units_of_plan(dataclasses.asdict(plan), plan.eraser),
        sampling=plan.sample_seed,
        data=facts_of(scene.data),
        id=f"{NAME}_{plan.id}",
        seconds=outcome.erased.seconds,
        cpu_seconds=outcome.cpu_seconds,
        spec=settings_of(plan)
        | own
        | {"params": dict(outcome.erased.params), "scenario": f"class {plan.concept}"},
        measurements={
            "erased": dict(answers.erased),
            "original": dict(answers.original),
            "interference": interference(outcome),
            "distances": {
                "erased": plain(outcome.distances),
                "original": plain(outcome.original_distances),
            },
        },
    )


def plain(far: Distances) -> dict[str, Any]:
    """Distances as a record holds them, with lists for tuples."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in far.to_dict().items()}


def interference(outcome: Outcome) -> dict[str, dict[str, float]]:
    """Class -> per cent recognised before and after, of every class that was to be kept."""
    before, after = outcome.original.retained, outcome.scores.retained
    return {name: {"before": before[name], "after": after[name]} for name in after}


def units_of_probes(names: Iterable[str]) -> list[str]:
    """Units that some probes touch."""
    return [f"probe/{name}" for name in names]


def units_of_plan(settings: Mapping[str, Any], eraser: str) -> list[str]:
    """Units of one round, from the fields of its plan (or those of its record)."""
    trial = units_of_trial({**settings, "eraser": eraser})
    return ["study/probes", *trial, *units_of_probes(settings["probes"])]
