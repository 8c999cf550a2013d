"""One protocol for every kind of trial: `of` reads what is to be done, `run` does it, `record` says
what came of it. What all of them do alike stands here.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch

from ...data.images import Dataset
from ...runs.inputs import load_dataset, pick_device
from ...runs.records.record import Record
from ...runs.spec import RunSpec
from .. import erase, judge, load
from ..erasers.registry import Erased
from ..models.judges import Judge
from .trial import ErasureSettings, weights_facts


class Trials(Protocol):
    """A module that runs one kind of trial. What describes a trial has `of(parameters)`; what it
    works on, a scene, has `of(trial)`; an outcome is what `run` found.
    """

    def run(self, trial: Any, scene: Any = None) -> Any:
        """What the trial gives; the scene is loaded where none is handed in."""

    def record(self, trial: Any, scene: Any, outcome: Any) -> Record:
        """The record of it, not yet written."""


def loaded(trial: ErasureSettings) -> tuple[Any, Judge | None]:
    """The generator and the judge that a trial names, on its device; None without a judge."""
    device = pick_device(trial.device)
    referee = judge(trial.judge) if trial.judge else None
    if referee is not None:
        referee.model.to(device)
    return load(trial.model).to(device), referee


def pictures_of(trial: ErasureSettings) -> Dataset:
    """The data set that a trial names, at its size."""
    return load_dataset(RunSpec(dataset=trial.data), size=trial.image_size)


def erased_by(
    trial: ErasureSettings, model: Any, concept: str | int, data: Dataset
) -> tuple[Erased, float]:
    """What the trial's eraser makes of a generator, and the processor seconds it took."""
    begun = time.process_time()
    erased = erase(
        trial.eraser, model, concept=concept, seed=trial.seed, data=data, **trial.settings
    )
    return erased, time.process_time() - begun


def settings_of(trial: ErasureSettings) -> dict[str, Any]:
    """Every setting of a trial but its eraser, with lists for tuples as a record holds them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(trial).items()
        if name != "eraser"
    }


def in_force(trial: ErasureSettings, erased: Erased) -> dict[str, Any]:
    """Every setting of a trial, those of its eraser as they were in force."""
    used = {"params": dict(erased.params), "mask": erased.params.get("mask", "none")}
    return dataclasses.asdict(trial) | used


def record_of(
    trial: ErasureSettings,
    model: Any,
    *,
    units: Iterable[str],
    sampling: int,
    data: Mapping[str, Any],
    **own: Any,
) -> Record:
    """A record with what every trial says of itself.

    Parameters
    ----------
    units : that the trial touched. sampling : seed of the noises. data : facts of the pictures, to
        which those of the weights are added. own : the other fields.
    """
    return Record.of(
        units=units,
        device=torch.device(model.device),
        **{"id": trial.id, **own},
        tier=trial.tier,
        seeds={"unlearning": trial.seed, "sampling": sampling},
        data={**data, "weights": weights_facts(trial.model, trial.judge)},
    )


def facts_of(data: Dataset) -> dict[str, str]:
    """What a record says of a data set."""
    return {"name": data.name, "note": data.note, "fingerprint": data.fingerprint}


def facts_of_mask(erased: Erased) -> dict[str, Any]:
    """What a record says of the mask that an eraser held; nothing where there was none."""
    mask = erased.mask
    if mask is None:
        return {}
    return {"rule": mask.rule, "density": mask.density, "weights": mask.numel}


def thinned(
    losses: Sequence[float] | Mapping[str, Sequence[float]], points: int = 20
) -> list | dict:
    """About `points` of the losses, rounded, for a record; by name where there are several."""
    if isinstance(losses, Mapping):
        return {name: thinned(values, points) for name, values in losses.items()}
    return [round(v, 5) for v in losses[:: max(len(losses) // points, 1)]]
