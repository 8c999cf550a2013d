"""Tuning of erasers: the same number of Optuna trials for each, on a pilot class and seed that no
report includes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...errors import unknown
from ...runs.tuning.search import check_budget, chosen, finished, open_study, suggest
from ...runs.tuning.values import write_chosen
from ...training import TrainingDivergedError
from ...units import numerics
from ...unlearning import Range
from ..erasers import ERASERS
from ..measures.recognition import recognition
from ..models import pipelines
from . import run as experiment
from .trial import Trial, identity

DIVERGED = 200.0  # as bad as can be: nothing forgotten and nothing kept


def tune(
    pilot: Mapping[str, Any],
    erasers: Sequence[str],
    *,
    trials: int = 8,
    out: str | os.PathLike = "benchmark/tuned",
    state: str | os.PathLike = "out/tuning",
    minutes: float | None = None,
) -> Path:
    """Search each eraser's declared space for the smallest `damage`, and write the chosen values
    into ``<model>.yaml``.

    The first trial is the eraser's default. Trials are stored as they end: a call that was
    interrupted goes on where it stopped.

    Parameters
    ----------
    pilot : fields of `Trial` that all share: model, concept, seed, sample_seed, how pictures are
        drawn; its `params` are held still for those erasers that take them. Its concept and seeds
        should be none of those that are reported.
    erasers : names; those without a search space (retrain) are passed over.
    trials : of each eraser, the same for all. out, state, minutes : as in `runs.tuning.tune`.

    Returns
    -------
    The file of chosen values.
    """
    if wrong := next((name for name in erasers if name not in ERASERS), None):
        raise unknown("eraser", wrong, ERASERS)
    check_budget(trials, minutes)
    first = [  # checked before anything runs
        Trial(**{**pilot, "eraser": name, "params": _taken(name, pilot)}) for name in erasers
    ]
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    path, scene = Path(out), None
    for trial in first:
        path = Path(out) / f"{Path(trial.model).name}.yaml"
        scene = scene or experiment.Scene.of(trial)
        _tune_one(trial, scene, trials, path=path, state=Path(state), deadline=deadline)
    return path


def _tune_one(
    trial: Trial,
    scene: experiment.Scene,
    trials: int,
    *,
    path: Path,
    state: Path,
    deadline: float | None,
) -> None:
    """Try points for one eraser until there are enough, or it is late; then write its values."""
    name, small = trial.eraser, trial.kind == "pipeline" and pipelines.is_small(scene.model)
    defaults = ERASERS[name].defaults["mini-sd" if small else trial.kind]
    if not (space := search_space(name, defaults)):
        return
    called = f"{path.stem}_{name}_{_digest(trial, space, defaults)}"
    with open_study(state, called, what=name, space=space, default=defaults) as study:
        while finished(study) < trials and (deadline is None or time.monotonic() < deadline):
            asked = study.ask()
            params = {**trial.params, **suggest(asked, space)}
            study.tell(asked, damage(dataclasses.replace(trial, params=params), scene))
        if finished(study) >= trials:
            facts = {
                "concept": str(trial.concept),
                "pilot_seeds": [trial.seed],
                "device": torch.device(scene.model.device).type,
            }
            write_chosen(path, _header(trial), name, chosen(study, {}) | facts)


def _taken(name: str, pilot: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters held still that an eraser takes."""
    known = {k for defaults in ERASERS[name].defaults.values() for k in defaults}
    return {k: v for k, v in dict(pilot.get("params") or {}).items() if k in known}


def search_space(name: str, defaults: Mapping[str, Any]) -> dict[str, Range | list]:
    """The declared space of an eraser, as far as this kind of generator has the parameters."""
    declared = {k: v for k, v in ERASERS[name].search.items() if k in defaults}
    return {
        k: Range(v[0], v[1], log=True) if isinstance(v, tuple) else list(v)
        for k, v in declared.items()
    }


@numerics(1, "tuning/erasers")
def damage(trial: Trial, scene: experiment.Scene) -> float:
    """Points by which UA falls short of 100, plus the points that the other classes lose; 0 is
    perfect, 200 the worst.
    """
    from .. import erase

    try:
        erased = erase(
            trial.eraser,
            scene.model,
            concept=trial.concept,
            seed=trial.seed,
            data=scene.data,
            **trial.settings,
        )
    except TrainingDivergedError:
        return DIVERGED
    labels, judge = experiment.drawn_labels(trial, scene.judge), scene.judge
    drawn = (
        experiment.drawn_by_original(trial, scene, labels),
        experiment.draw(erased.model, trial, judge, labels),
    )
    before, after = (
        recognition(judge.fit(p), labels, judge, forgotten=trial.concept, seed=trial.sample_seed)
        for p in drawn
    )
    assert after.ua is not None  # nosec B101 # a class to forget is always among the labels
    return 100 - after.ua + max(0.0, before.retained_mean - after.retained_mean)


def _digest(trial: Trial, space: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Trials on other pictures, with other settings held still, or of another space belong to
    another study.
    """
    decides = dataclasses.asdict(trial) | {
        "model": identity(trial.model),
        "space": repr(sorted(space.items())),
        "defaults": repr(sorted(defaults.items())),
    }
    for name in ("tier", "device", "label"):
        decides.pop(name)
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _header(trial: Trial) -> str:
    drawn = f"{trial.concept_samples} pictures of it and {trial.per_class} of each other class"
    return (
        f"# Chosen by tuning: {Path(trial.model).name}, {trial.concept} forgotten, {drawn}; gap ="
        " (100 - UA) + points lost by the others.\n"
    )
