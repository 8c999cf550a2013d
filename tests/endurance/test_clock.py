"""A clock that is set back, and files from times to come: nothing is believed, or done again, for
the time of a file.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.runner import grid as grids
from salun_utils.runner.grid import durations, here
from salun_utils.runs.cache import Cache

DAY = 86_400.0
NOW = time.time
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "00_run.ipynb"
GRID = f"""
notebook: {NOTEBOOK}
minutes_per_run: 10
fixed:
  {{dataset: digits, train_epochs: 1, width: 0.25, train_images: 200, scenario: random, epochs: 1}}
product: {{method: [ft], seed: [1, 2]}}
"""


@pytest.fixture
def set_back(monkeypatch):
    """Set the clock back by that many seconds."""
    return lambda seconds: monkeypatch.setattr(time, "time", lambda: NOW() - seconds)


@pytest.fixture
def grid(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "clock.yaml"
    path.write_text(GRID)
    return grids.read(path)


def to_come(folder: Path) -> None:
    """Date every file of a folder a year ahead."""
    for path in folder.rglob("*"):
        os.utime(path, (NOW() + 365 * DAY,) * 2)


def test_a_training_goes_on_from_a_checkpoint_of_a_time_to_come(digits, tmp_path, set_back):
    few = digits.train.subset(range(200))

    def fit(path: Path, stop_at: int | None = None) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = su.models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25)
        steps = []

        def after(step: int, rate: float) -> None:
            steps.append(step)
            if len(steps) == stop_at:
                raise KeyboardInterrupt

        how = {"epochs": 3, "lr": 0.05, "seed": 1, "batch_size": 50, "precision": "float32"}
        su.training.fit(model, few, **how, checkpoint=path, after_step=after)
        assert stop_at or path.name != "b" or len(steps) == 8  # the two epochs that were left
        return [p.detach().clone() for p in model.parameters()]

    whole = fit(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", stop_at=6)
    to_come(tmp_path)
    set_back(DAY)
    assert all(torch.equal(x, y) for x, y in zip(whole, fit(tmp_path / "b"), strict=True))


def test_an_artefact_of_a_time_to_come_is_found_and_a_changed_one_is_not(tmp_path, set_back):
    cache, made = Cache(tmp_path), []

    def make(_: Path) -> tuple[dict[str, torch.Tensor], dict]:
        made.append(1)
        return {"w": torch.ones(3)}, {}

    cache.get("models", {"what": "clock"}, make)
    to_come(tmp_path)
    set_back(DAY)
    assert cache.get("models", {"what": "clock"}, make)[2] and len(made) == 1
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    to_come(tmp_path)
    with pytest.warns(UserWarning, match="making it again"):
        assert not cache.get("models", {"what": "clock"}, make)[2]


def test_a_grid_makes_no_record_of_a_time_to_come_again(grid, tmp_path, set_back):
    places = {n: tmp_path / n for n in ("records", "state", "notebooks")}
    here.run_all(grid, grid.runs[:1], places["records"], deadline=None)
    (first,) = (places["records"] / "quick").glob("*.json")
    to_come(places["records"])
    before = first.stat().st_mtime_ns
    set_back(DAY)
    found = grids.run(grid, **places, here=True)
    assert (found.before, found.done) == ([grid.runs[0].name], [grid.runs[1].name])
    assert first.stat().st_mtime_ns == before


def test_minutes_count_by_the_clock_and_one_set_back_only_lengthens_them(
    grid, tmp_path, monkeypatch, set_back
):
    started = []

    class Stub:
        def __init__(self, *_):
            pass

        def run(self, parameters, path):
            started.append(parameters["seed"])
            set_back(3600.0)  # while the first run is going
            raise InputError("nothing to do")

    monkeypatch.setattr(here, "Here", Stub)
    deadline = time.time() + 11 * 60  # time for one run of ten minutes
    here.run_all(grid, grid.runs, tmp_path, deadline=deadline)
    assert started == [1, 2]  # an hour was won
    set_back(-3600.0)
    here.run_all(grid, grid.runs, tmp_path, deadline=deadline)
    assert started == [1, 2]
    row = {"parameters": {"method": "ft"}, "minutes": 10.0}
    listed = {"state": str(tmp_path), "deadline": NOW() + 11 * 60}
    set_back(0.0)
    assert not durations.too_late(listed, row)
    set_back(-3600.0)
    assert durations.too_late(listed, row)
