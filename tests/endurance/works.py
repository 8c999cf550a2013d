"""Pieces of work that can be killed at any moment and called again: each leaves files in one
folder, goes on where it was stopped, and says what may never be seen there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import salun_utils as su
from salun_utils.files import load_checked, save_checked, sha256, unsealed
from salun_utils.runs.cache import Cache
from salun_utils.runs.records.record import Record
from salun_utils.runs.tuning import read_tuned, tune
from salun_utils.runs.tuning.search import ENDED

SPEC: dict[str, Any] = {
    **{"dataset": "digits", "scenario": "class", "forget_class": 3, "width": 0.25},
    **{"train_images": 200, "train_epochs": 3},
}  # as little as can be: what is tried is how it ends, not what comes out
TABLE = ("method", "ua", "ra", "ta", "mia", "avg_gap")


@dataclass(frozen=True)
class Work:
    """Work on a folder, and what is left of it at the end.

    Attributes
    ----------
    do : works on the folder until all is done. left : what came out, the same for every call on a
        new folder. whole : raises when a file that can be seen now is not whole; returns the names
        of what is finished, with a digest of each.
    """

    name: str
    do: Callable[[Path], None]
    left: Callable[[Path], Any]
    whole: Callable[[Path], dict[str, str]]


def _train(folder: Path) -> None:
    final = folder / "final.pt"
    if final.is_file():
        return
    torch.manual_seed(0)
    data = su.runs.inputs.load_dataset(su.runs.RunSpec(**SPEC))
    model = su.models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25)
    checkpoint = folder / "training.checkpoint"
    su.training.fit(
        model, data.train, epochs=12, lr=0.05, seed=1, batch_size=50, checkpoint=checkpoint
    )
    save_checked(model.state_dict(), final)


def _trained(folder: Path) -> list[float]:
    weights = load_checked(folder / "final.pt")
    return [float(w.double().sum()) for w in weights.values()]


def _whole_tensors(folder: Path) -> dict[str, str]:
    """The epochs that the checkpoint holds, each with its loss, and the weights at the end."""
    found = {}
    for path in folder.glob("*.checkpoint"):
        losses = load_checked(path)["losses"]
        found |= {f"epoch {number}": loss.hex() for number, loss in enumerate(losses, 1)}
    for path in folder.glob("*.pt"):
        load_checked(path)
        found[path.name] = f"{sha256(path)} {_written(path)}"
    return found


def _written(path: Path) -> str:
    """Another word whenever the file is written anew, be it as it was."""
    return str((path.stat().st_ino, path.stat().st_mtime_ns))


def _record(folder: Path) -> None:
    cache = Cache(folder / "artefacts")
    for method in ("ga", "ft", "salun"):
        path = folder / "records" / "quick" / f"{method}.json"
        if path.is_file():
            continue
        spec = su.runs.RunSpec(**SPEC, method=method, params={"epochs": 1}, seed=1)
        su.runs.run(spec, cache=cache).write(path)


def _recorded(folder: Path) -> list[dict[str, Any]]:
    rows = [Record.read(p).row() for p in sorted((folder / "records").rglob("*.json"))]
    return [{name: row[name] for name in TABLE} for row in rows]


def _whole_records(folder: Path) -> dict[str, str]:
    """Every record is read, every card of an artefact is sealed, and its tensors are of its sum."""
    cache = Cache(folder / "artefacts")
    for card in (folder / "artefacts").rglob("*.json"):
        unsealed(card.read_bytes())
        if cache._read(card.with_suffix(".safetensors")) is None:
            raise ValueError(f"{card} stands beside an artefact that isn't whole")
    found = {}
    for path in (folder / "records").rglob("*.json"):
        Record.read(path)
        found[path.name] = _written(path)
    return found


def _tune(folder: Path) -> None:
    spec = su.runs.RunSpec(**SPEC, seed=9)
    tune(spec, ["ft"], trials=3, pilot_seeds=(9,), out=folder / "tuned", state=folder / "state")


def _tuned(folder: Path) -> Any:
    (path,) = (folder / "tuned").glob("*.yaml")
    chosen = read_tuned(path)
    trials = json.loads((folder / "tuned" / "trials" / f"{path.stem}.json").read_text())
    return [chosen["ft"]["params"], len(trials["ft"])]


def _whole_choice(folder: Path) -> dict[str, str]:
    """The trials that have ended, each with its point, its value and when it ended."""
    for path in (folder / "tuned").glob("*.yaml"):
        read_tuned(path)["ft"]["params"]
    for path in (folder / "tuned" / "trials").glob("*.json"):
        json.loads(path.read_text())
    return {k: v for path in (folder / "state").glob("*.log") for k, v in _trials(path).items()}


def _trials(path: Path) -> dict[str, str]:
    """The trials of a study's file that have ended."""
    from optuna import study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(path)))
    return {
        f"trial {trial.number}": str((trial.params, trial.values, trial.datetime_complete))
        for name in study.get_all_study_names(storage)
        for trial in study.load_study(study_name=name, storage=storage).trials
        if trial.state.name in ENDED
    }


WORKS = (
    Work("training", _train, _trained, _whole_tensors),
    Work("records", _record, _recorded, _whole_records),
    Work("tuning", _tune, _tuned, _whole_choice),
)
