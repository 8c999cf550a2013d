"""Canaries of whole runs: from a spec to a record, the run's mask, a sweep, and tuning."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import tuning
from ..cache import Cache
from ..execute import run, run_with_result
from ..records.numerics import units_of
from ..records.record import Record
from ..spec import RunSpec
from ..sweeps import expand, run_all
from ..task import prepare
from . import canary
from .figures import change, digest, near, points, projected, some

SETTINGS: dict[str, Any] = dict(
    dataset="digits",
    train_images=200,
    width=0.25,
    scenario="random",
    forget_fraction=0.2,
    train_epochs=2,
    train_batch_size=64,
    train_lr=0.1,
)
SPEC = RunSpec(**SETTINGS, method="ft", epochs=1, lr=0.02)
MASKED = RunSpec(**SETTINGS, method="salun", mask="magnitude", keep=0.3, epochs=1, lr=0.02)
SCORES = 4.0  # of 200 pictures, two or three may stand at the edge between two classes


def alone(make: Callable[[Cache], dict]) -> Callable[[], dict]:
    """With a cache that nothing else has been in."""

    @functools.wraps(make)
    def made() -> dict:
        with tempfile.TemporaryDirectory() as folder:
            return make(Cache(Path(folder)))

    return made


def scored(record: Record) -> dict:
    names = ("ua", "ra", "ta")
    whole = [record.scores, record.reference, record.original]
    return {
        "sizes": [record.data[n] for n in ("forget", "retain", "validation", "test")],
        "scores": points([part[name] for part in whole for name in names], SCORES),
        "gap is scores less reference": all(
            abs(record.gap[n] - record.scores[n] + record.reference[n]) < 1e-9 for n in names
        ),
        "average": points(
            record.gap["average"] - sum(abs(record.gap[n]) for n in (*names, "mia")) / 4, 1e-9
        ),
    }


@canary("run", touches=[*units_of(SPEC.effective), "run/mask"])
@alone
def one_run(cache: Cache) -> dict:
    task = prepare(SPEC, cache=cache)
    record, result = run_with_result(SPEC, task=task)
    models = {"original": task.original, "retrained": task.retrained, "unlearned": result.model}
    return scored(record) | {
        "id": record.id,
        "seeds": record.seeds,
        "forget": digest(task.split.forget.index.sort().values),
        "validation": points(list(record.measurements["validation"].values()), 2 * SCORES),
        **{name: projected(dict(m.named_parameters()), 1e-2) for name, m in models.items()},
        "moved": change(dict(task.original.named_parameters()), result.model, 1e-2),
    }


@canary("run/mask", touches=[*units_of(MASKED.effective), "method/rl"])
@alone
def a_mask(cache: Cache) -> dict:
    task = prepare(MASKED, cache=cache)
    record = run(MASKED, task=task)
    mask = some(task.mask()[0])
    again, _ = prepare(MASKED, cache=cache).mask()
    weights = sum(p.numel() for p in task.original.parameters())
    return {
        "record": [record.mask["rule"], record.mask["weights"]],
        "density": near(record.mask["density"], 1e-9),
        "kept": [mask.kept, weights],
        "from the cache": again == mask,
    }


@canary("sweep", touches=[*units_of(SPEC.effective), "run/mask"])
@alone
def a_sweep(cache: Cache) -> dict:
    base = SETTINGS | {"method": "ft", "params": {"epochs": 1}}
    specs = expand(json.dumps({"lr": [0.02, 0.1]}), **base)
    records = run_all(specs, cache=cache)
    return {
        "runs": [record.id for record in records],
        "sizes": [record.data["forget"] for record in records],
        "scores": points([r.scores[n] for r in records for n in ("ua", "ra", "ta")], SCORES),
    }


@canary("tuning", touches=units_of(SPEC.effective))
@alone
def objective(cache: Cache) -> dict:
    task = prepare(SPEC, cache=cache)
    gaps = [tuning.judged_gap(task, "ft", {"epochs": 1, "lr": lr}) for lr in (0.0, 0.5, 1e30)]
    return {"gaps": points(gaps[:2], SCORES), "diverged": gaps[2] == tuning.DIVERGED}
