"""`run`: from a `RunSpec` to a `Record`."""

from __future__ import annotations

from typing import Any

from ..units import numerics
from ..unlearning import METHODS, UnlearnResult, unlearn
from .cache import Cache
from .records.numerics import units_of
from .records.record import Record
from .spec import RunSpec
from .task import Task, prepare, with_spec


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


@numerics(1, "run")
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
            task.retrained,
            task.retrained_seconds,
            None,
            own,
            task.retrained_cpu_seconds,
            spec.method,
            task.pflop["retrained"],
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
        passes, masks = result.pflop, spent.get("pflop")  # which an older cached mask doesn't know
        pflop = None if passes is None or masks is None else passes + masks
        result = UnlearnResult(result.model, wall, mask, result.params, cpu, spec.method, pflop)
    return make_record(task, result), result


def make_record(task: Task, result: UnlearnResult) -> Record:
    """Score a result and gather its provenance."""
    scores, reference = task.scores(result.model), task.retrained_scores
    gap = scores.gap(reference)
    validation = {
        "unlearned": task.validation_accuracy(result.model),
        "original": task.original_validation,
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
    pflop = {**task.pflop, "unlearned": result.pflop}
    return _record(
        task,
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
        measurements={"validation": validation, "pflop": pflop},
    )


def diverged_record(task: Task, spec: RunSpec, error: Exception) -> Record:
    """The record of a run that ended in numbers that are not finite: without scores, and with what
    was said in its measurements.
    """
    return _record(with_spec(task, spec), measurements={"diverged": str(error)})


def _record(task: Task, **own: Any) -> Record:
    """A record of this task, stamped."""
    spec = task.spec
    return Record.of(
        units=units_of(spec.effective),
        device=task.device,
        id=spec.id,
        tier=spec.tier,
        spec=spec.effective | {"dataset": task.data.name},
        seeds=spec.seeds,
        data=task.facts,
        **own,
    )
