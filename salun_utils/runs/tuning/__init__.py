"""Tuning: the same number of Optuna trials for every method, on pilot seeds that no report
includes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from ...errors import InputError, unknown
from ...metrics import Scores, evaluate
from ...seeds import check_seed, derive
from ...training import TrainingDivergedError
from ...units import numerics
from ...unlearning import METHODS, Range, unlearn
from ...unlearning.job import check_number, check_settings
from ..records.provenance import device_facts
from ..spec import RunSpec
from ..task import Task, prepare, with_spec
from .search import Space, check_budget, chosen, edges, finished, open_study, suggest, widened
from .values import (
    check_recipe,
    elsewhere,
    entry_name,
    header_of,
    relatives,
    tuned_name,
    write_chosen,
    write_trials,
)
from .values import (
    read_tuned as read_tuned,
)

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
    """Search each method's space for the smallest average gap to Retrain, and write the chosen
    values.

    The gap is measured on the validation pictures in the place of the test set, so tuning never
    sees the latter. The first trial is the method's default, the next are what other files of the
    folder have for the method on the same data, network and recipe in another scenario, and what
    this file has for relatives with the same parameters. A trial that is worse on the first
    pilot seeds than half of those before it is not taken to the others. Where a choice lies in the
    outer 5 % of its range, the range is made longer there and the search goes on for a third of
    the trials, up to three times. Trials are stored as they end: a call that was interrupted goes
    on where it stopped.

    Parameters
    ----------
    spec : data, network, scenario and training recipe; `mask`, where given, is that of all trials,
        and the values are chosen for it alone.
    methods : names; those without a search space (original, retrain) are passed over.
    trials : of each method, the same for all. pilot_seeds : the gap of a trial is the mean over
        them.
    out : folder of ``<data>_<arch>_<scenario>.yaml``, and of ``trials/<the same>.json`` with what
        every trial had. state : folder of the studies. minutes : start no trial after that.
    fixed : parameters held still (such as `epochs` or `samples`), or narrowed to a list of choices,
        each for those of the methods that take it.

    Returns
    -------
    The file of chosen values.
    """
    _check(methods, trials, pilot_seeds, minutes)
    fixed = dict(fixed or {})
    known = {k for m in methods for k in (*METHODS[m].defaults, *METHODS[m].search_space)}
    for name in fixed:
        if name not in known:
            raise unknown("parameter of these methods", name, sorted(known))
    for name in methods:
        _check_values(name, fixed)
    path = Path(out) / f"{tuned_name(spec)}.yaml"
    check_recipe(path, header_of(spec))
    tasks = [
        prepare(spec.model_copy(update={"seed": s, "split_seed": s, "training_seed": s}))
        for s in pilot_seeds
    ]
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    for name in methods:
        if not METHODS[name].search:
            continue
        held, space = _held(name, fixed)
        called = f"{tuned_name(spec)}_{name}_{_digest(spec, pilot_seeds, [held, _plain(space)])}"
        default = {**METHODS[name].settings({}), **METHODS[name].defaults}
        called_there = entry_name(name, spec.mask)
        starts = elsewhere(path, header_of(spec), called_there, space) + relatives(path, space)
        with open_study(
            Path(state), called, what=name, space=space, default=default, starts=starts
        ) as study:
            ranges = _search(study, space, name, tasks, held, trials, deadline)
            if ranges is None:
                continue
            entry = chosen(study, held) | _afterwards(study, ranges)
            facts = {
                "pilot_seeds": list(pilot_seeds),
                "device": device_facts(tasks[0].device)["name"],
            }
            write_chosen(path, header_of(spec), called_there, entry | facts)
            write_trials(path, called_there, study)
    return path


def _check(methods, trials: int, pilot_seeds: Sequence[int], minutes: float | None) -> None:
    for name in methods:
        if name not in METHODS:
            raise unknown("method", name, METHODS)
    if methods and not any(METHODS[name].search for name in methods):
        raise InputError(f"there is nothing to tune: {', '.join(methods)} searches no parameter")
    check_budget(trials, minutes)
    if not pilot_seeds:
        raise InputError("tuning needs at least 1 pilot seed")
    for kind, given in (("method", methods), ("pilot seed", pilot_seeds)):
        if twice := next((value for value in given if list(given).count(value) > 1), None):
            raise InputError(f"{kind} {twice!r} is named twice")
    for seed in pilot_seeds:
        check_seed(seed)


def _check_values(method: str, fixed: Mapping[str, Any]) -> None:
    """Raise `InputError` for a value held still, or one to choose from, that the method can't take:
    before networks are trained, and before a trial of the night draws it.
    """
    held, _ = _held(method, fixed)
    lists = {k: v for k, v in fixed.items() if isinstance(v, list) and k in _taken(method)}
    for given in [held, *(held | {k: value} for k, values in lists.items() for value in values)]:
        own = METHODS[method].parameters(given)
        check_settings(own, METHODS[method].settings(given))
        for name, value in own.items():
            default = METHODS[method].defaults[name]
            if isinstance(default, int | float) and not isinstance(default, bool):
                check_number(name, value, low=-math.inf)


WIDENINGS = 3


def _search(
    study: Any,
    space: Space,
    method: str,
    tasks: Sequence[Task],
    held: Mapping[str, Any],
    trials: int,
    deadline: float | None,
) -> Space | None:
    """Run trials until there are enough and no choice lies at an edge; the ranges in the end, None
    where time ran out before.
    """
    for _ in range(WIDENINGS + 1):
        ends = json.loads(study.user_attrs.get("ends", "[]"))  # as far as an earlier call came
        ranges: Space = space
        for at in ends:
            ranges = widened(ranges, at)
        goal = trials + len(ends) * max(1, round(trials / 3))
        while finished(study) < goal:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            _trial(study, ranges, method, tasks, held)
        at = edges(study.best_params, ranges)
        at = {n: end for n, end in at.items() if widened(ranges, {n: end})[n] != ranges[n]}
        if not at or len(ends) == WIDENINGS:
            return ranges
        study.set_user_attr("ends", json.dumps([*ends, at]))
    return ranges


def _trial(
    study: Any, space: Space, method: str, tasks: Sequence[Task], held: Mapping[str, Any]
) -> None:
    """One trial: one pilot seed after the other, as long as it is not worse than most."""
    trial, gaps = study.ask(), []
    params = {**suggest(trial, space), **held}
    for step, task in enumerate(tasks):
        gaps.append(judged_gap(task, method, params))
        trial.set_user_attr("gaps", gaps)
        trial.report(statistics.fmean(gaps), step)
        if step + 1 < len(tasks) and trial.should_prune():
            study.tell(trial, state=_pruned())
            return
    study.tell(trial, statistics.fmean(gaps))


def _pruned() -> Any:
    from optuna.trial import TrialState

    return TrialState.PRUNED


def _afterwards(study: Any, ranges: Space) -> dict[str, Any]:
    """What the page on tuning needs beside the choice: the gap on each pilot seed, the ranges in
    the end, choices that lie at an edge of theirs, and what choosing on one seed costs.
    """
    best = study.best_trial
    found: dict[str, Any] = {
        "pilot_gaps": [round(gap, 4) for gap in best.user_attrs["gaps"]],
        "ranges": {n: [r.low, r.high] for n, r in ranges.items() if isinstance(r, Range)},
        "edges": edges(best.params, ranges),
    }
    cost = one_seed_costs(
        [t.user_attrs["gaps"] for t in study.trials if t.state.name == "COMPLETE"]
    )
    return found | ({} if cost is None else {"one_seed_costs": round(cost, 4)})


def one_seed_costs(gaps: Sequence[Sequence[float]]) -> float | None:
    """By how many points the trial that is best on one pilot seed is worse on the others than the
    one that is best there, a mean over the seeds; None for a single seed.

    Parameters
    ----------
    gaps : of each trial, one for each pilot seed.
    """
    seeds = range(len(gaps[0]))
    if len(seeds) < 2:
        return None
    costs = []
    for seed in seeds:
        elsewhere = [
            statistics.fmean(g for s, g in enumerate(trial) if s != seed) for trial in gaps
        ]
        picked = min(range(len(gaps)), key=lambda i: gaps[i][seed])
        costs.append(elsewhere[picked] - min(elsewhere))
    return statistics.fmean(costs)


@numerics(1, "tuning")
def judged_gap(task: Task, method: str, params: dict[str, Any]) -> float:
    """The average gap of one trial, validation pictures in the place of test pictures; `DIVERGED`
    where unlearning did. An original that diverges is no matter of the trial: that error goes to
    the caller.
    """
    original, reference = task.original, _judged_reference(task)
    task = with_spec(task, task.spec.model_copy(update={"method": method, "params": {}}))
    try:
        settings = {
            "seed": derive(task.spec.seed, "tuning"),
            "keep": task.spec.keep,
            "augment": task.spec.augment,
            **({} if task.spec.mask is None else {"mask": task.spec.mask}),
            **params,
        }
        result = unlearn(method, original, task.split, **settings)
        return _judged(task, result.model).gap(reference).average
    except TrainingDivergedError:
        return DIVERGED


def _judged(task: Task, model: nn.Module) -> Scores:
    """Scores with the validation pictures in the place of the test set."""
    judged = dataclasses.replace(task.split, test=task.split.validation)
    return evaluate(model, judged, protocol=task.spec.protocol, seed=task.split.seed)


def _judged_reference(task: Task) -> Scores:
    """Those of Retrain, worked out once for all trials of a task."""
    return task.once("judged reference", lambda: _judged(task, task.retrained))


def _held(method: str, fixed: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters held still that this method takes, and the space that is left; a list among
    the former narrows a range or a choice to its values.
    """
    own = {k: v for k, v in fixed.items() if k in _taken(method)}
    held = {k: v for k, v in own.items() if not isinstance(v, list)}
    space = {k: v for k, v in METHODS[method].search_space.items() if k not in held}
    return held, {**space, **{k: tuple(v) for k, v in own.items() if isinstance(v, list)}}


def _taken(method: str) -> set[str]:
    return {*METHODS[method].defaults, *METHODS[method].search_space}


def _plain(space: Space) -> dict[str, Any]:
    return {
        k: [v.low, v.high, v.log] if isinstance(v, Range) else list(v) for k, v in space.items()
    }


def _digest(spec: RunSpec, pilot_seeds: Sequence[int], searched: Sequence[Any]) -> str:
    """Trials under another recipe, or of another space, belong to another study."""
    decides = spec.model_dump(
        exclude={
            "tier",
            "method",
            "params",
            "seed",
            "split_seed",
            "training_seed",
            "device",
            "data_note",
        }
    )
    return hashlib.sha256(
        json.dumps([decides, list(pilot_seeds), searched], sort_keys=True).encode()
    ).hexdigest()[:8]
