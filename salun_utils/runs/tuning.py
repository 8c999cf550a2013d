"""Tuning: the same number of Optuna trials for every method, on pilot seeds that no report
includes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError, unknown
from ..files import atomic, read_yaml
from ..metrics import evaluate
from ..seeds import check_seed, derive
from ..training import TrainingDivergedError
from ..units import numerics
from ..unlearning import METHODS, unlearn
from .records.provenance import device_facts
from .search import chosen, finished, open_study, suggest
from .spec import RunSpec
from .task import Task, prepare, with_spec

DIVERGED = 100.0  # the gap of a trial that ended in NaN: as bad as can be


def tune(
    spec: RunSpec,
    methods: Sequence[str],
    *,
    trials: int = 12,
    pilot_seeds: Sequence[int] = (99,),
    out: str | os.PathLike = "benchmark/tuned",
    state: str | os.PathLike = "out/tuning",
    minutes: float | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Path:
    """Search each method's declared space for the smallest average gap to Retrain, and write the
    chosen values.

    The gap is measured on the validation pictures in the place of the test set, so tuning never
    sees the latter. The first trial is the method's default. Trials are stored as they end: a call
    that was interrupted goes on where it stopped.

    Parameters
    ----------
    spec : data, network, scenario and training recipe.
    methods : names; those without a search space (original, retrain) are passed over.
    trials : of each method, the same for all. pilot_seeds : the gap of a trial is the mean over
        them.
    out : folder of ``<data>_<arch>_<scenario>.yaml``. state : folder of the studies. minutes :
        start no trial after that.
    fixed : parameters held still (such as `epochs` or `samples`), each for those of the methods
        that take it.

    Returns
    -------
    The file of chosen values.
    """
    for name in methods:
        if name not in METHODS:
            raise unknown("method", name, METHODS)
    if trials < 1 or not pilot_seeds:
        raise InputError("tuning needs at least 1 trial and 1 pilot seed")
    for kind, given in (("method", methods), ("pilot seed", pilot_seeds)):
        if twice := next((value for value in given if list(given).count(value) > 1), None):
            raise InputError(f"{kind} {twice!r} is named twice")
    for seed in pilot_seeds:
        check_seed(seed)
    if minutes is not None and not 0 < minutes < math.inf:
        raise InputError(f"minutes must be a number above 0, not {minutes!r}")
    fixed = dict(fixed or {})
    for name in fixed:
        known = {k for m in methods for k in METHODS[m].defaults if k not in METHODS[m].search}
        if name not in known:
            raise unknown("parameter of these methods", name, sorted(known))
    path = Path(out) / f"{tuned_name(spec)}.yaml"
    _same_recipe(path, _header(spec))
    tasks = [
        prepare(spec.model_copy(update={"seed": s, "split_seed": s, "training_seed": s}))
        for s in pilot_seeds
    ]
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    for name in methods:
        if not METHODS[name].search:
            continue
        held = _fixed(name, fixed)
        method, called = (
            METHODS[name],
            f"{tuned_name(spec)}_{name}_{_digest(spec, pilot_seeds, held)}",
        )
        with open_study(
            Path(state), called, what=name, space=method.search, default=method.defaults
        ) as study:
            while finished(study) < trials and (deadline is None or time.monotonic() < deadline):
                trial = study.ask()
                params = suggest(trial, method.search)
                study.tell(
                    trial, statistics.fmean(_gap(task, name, {**params, **held}) for task in tasks)
                )
            if finished(study) >= trials:
                facts = {
                    "pilot_seeds": list(pilot_seeds),
                    "device": device_facts(tasks[0].device)["name"],
                }
                write_chosen(path, _header(spec), name, chosen(study, held) | facts)
    return path


def _same_recipe(path: Path, header: str) -> None:
    """Refuse to put values for one recipe into a file of values for another."""
    read_tuned(path)
    lines = path.read_text().splitlines() if path.is_file() else []
    first = next((line for line in lines if line.startswith("# Chosen by tuning")), "")
    alike = [re.sub(r" class-[^;]*;", " class;", line) for line in (first, header.strip())]
    if first and alike[0] != alike[1]:  # one file serves all classes
        raise InputError(
            f"{path} holds values for another recipe ({first.removeprefix('# Chosen by tuning: ')}"
            f" this one is: {header.strip().removeprefix('# Chosen by tuning: ')}); name another"
            " --out"
        )


def write_chosen(path: Path, header: str, method: str, entry: dict[str, Any]) -> None:
    """Put one method's entry into the file; those of others, written meanwhile or not, stay."""
    entries = read_tuned(path) | {method: entry}
    with atomic(path) as partial:
        partial.write_text(header + yaml.safe_dump(entries, sort_keys=True))


def tuned_name(spec: RunSpec) -> str:
    """File stem of the chosen values: data, network, scenario (one for all classes)."""
    data = spec.dataset.rstrip("/").rsplit("/", 1)[-1]
    return f"{data}_{spec.arch}_{'class' if spec.scenario == 'class' else spec.scenario_name}"


def read_tuned(path: str | os.PathLike) -> dict[str, dict]:
    """Chosen values by method; empty when there is no such file.

    Raises
    ------
    InputError : the file is damaged: no YAML, or no mapping from methods to entries whose `params`
        are a mapping from names to finite numbers, words or truth values.
    """
    path = Path(path)
    try:
        if not path.exists():
            return {}
    except (OSError, ValueError) as error:  # too long a name, or one with a null byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"tuned names no file: {str(path)[:100]!r}: {reason}") from error
    entries = read_yaml(path)
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise InputError(f"{path.name} must map methods to their chosen values")
    for name, entry in entries.items():
        params = entry.get("params") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not isinstance(params, dict):
            raise InputError(f"{path.name}: the entry {name!r} has no mapping called params")
        for key, value in params.items():
            plain = isinstance(value, str | int | float | bool | None) and isinstance(key, str)
            if not plain or (isinstance(value, float) and not math.isfinite(value)):
                raise InputError(f"{path.name}: {name}: {key!r} can't be {str(value)[:60]!r}")
    return entries


@numerics(1, "tuning")
def _gap(task: Task, method: str, params: dict[str, Any]) -> float:
    task = with_spec(task, task.spec.model_copy(update={"method": method, "params": {}}))
    # an original that diverges is no matter of the trial: that error goes to the caller
    reference = task.original, task.retrained
    judged = dataclasses.replace(task.split, test=task.split.validation)
    protocol: dict[str, Any] = {"protocol": task.spec.protocol, "seed": task.split.seed}
    try:
        settings = {
            "seed": derive(task.spec.seed, "tuning"),
            "keep": task.spec.keep,
            "augment": task.spec.augment,
            **params,
        }
        result = unlearn(method, reference[0], task.split, **settings)
        return (
            evaluate(result.model, judged, **protocol)
            .gap(evaluate(reference[1], judged, **protocol))
            .average
        )
    except TrainingDivergedError:
        return DIVERGED


def _fixed(method: str, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters held still that this method takes and does not search."""
    return {
        k: v
        for k, v in fixed.items()
        if k in METHODS[method].defaults and k not in METHODS[method].search
    }


def _digest(spec: RunSpec, pilot_seeds: Sequence[int], fixed: Mapping[str, Any]) -> str:
    """Trials under another recipe, or with other values held still, belong to another study."""
    decides = spec.model_dump(
        exclude={
            "tier",
            "method",
            "mask",
            "params",
            "seed",
            "split_seed",
            "training_seed",
            "device",
            "data_note",
        }
    )
    return hashlib.sha256(
        json.dumps([decides, list(pilot_seeds), fixed], sort_keys=True).encode()
    ).hexdigest()[:8]


def _header(spec: RunSpec) -> str:
    how = spec.training
    recipe = (
        f"{how['epochs']} epochs, lr {how['lr']:g}, {how['schedule']}, batch {how['batch_size']}"
    )
    return (
        f"# Chosen by tuning: {spec.dataset}, {spec.arch}, {spec.scenario_name}; original and"
        f" Retrain: {recipe}; keep {spec.keep}.\n"
    )
