"""The fast parts of what `make test-durability` does at length."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import contention
import kills
import tiny
from works import Work, _whole_choice, _whole_tensors

from salun_utils.files import save_checked
from salun_utils.runner import grid as grids
from salun_utils.runs.records.record import Record
from salun_utils.runs.tuning.search import open_study
from salun_utils.unlearning.registry import Range

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are forked")


def _write_all(folder: Path) -> None:
    """Records of some size, each once; who writes one that was there says so."""
    for number in range(12):
        path = folder / "records" / f"r{number}.json"
        if not path.is_file():
            notes = {str(n): float(n) for n in range(300)}
            Record(id=path.stem, measurements=notes).write(path)
            time.sleep(0.01)


def _read_all(folder: Path) -> dict[str, str]:
    found = sorted((folder / "records").glob("r*.json"))
    assert all(Record.read(path).id == path.stem for path in found)
    return {path.name: str(path.stat().st_mtime_ns) for path in found}


@linux
def test_records_written_by_a_process_that_is_killed_are_whole_and_stay(tmp_path):
    work = Work("writing", _write_all, lambda folder: list(_read_all(folder)), _read_all)
    found = kills.disturb(work, tmp_path, kills=6, seed=1)
    assert found["kills"] == 6 and found["ends_equal"]
    assert not found["finished_and_lost"] and not found["finished_and_done_again"]
    assert found["finished_before_kills"] > 0


@linux
@pytest.mark.parametrize("loses", [True, False])
def test_what_is_lost_or_done_again_is_counted_and_so_are_parts_of_all_rounds(tmp_path, loses):
    """Work that forgets at each start what it had done, or writes it anew."""

    def write(folder: Path) -> None:
        (folder / f".{time.monotonic_ns()}.part").touch()
        path = folder / "done"
        if loses:
            path.unlink(missing_ok=True)
            time.sleep(0.2)
        path.write_text(f"{time.monotonic_ns()}")
        time.sleep(0.4)

    def read(folder: Path) -> dict[str, str]:
        return {p.name: p.read_text() for p in folder.glob("done")}

    found = kills.disturb(Work("forgetful", write, lambda _: 0, read), tmp_path, kills=6, seed=2)
    assert found["finished_and_lost" if loses else "finished_and_done_again"] > 0
    assert found["parts_left"] == len(list(tmp_path.glob("round-*/*.part"))) >= 6


def test_finished_epochs_weights_and_trials_are_named_each_with_what_came_out(tmp_path):
    saved = {"losses": [0.5, 0.25]}
    save_checked(saved, tmp_path / "training.checkpoint")
    save_checked({"w": torch.ones(2)}, tmp_path / "final.pt")
    before = _whole_tensors(tmp_path)
    assert list(before) == ["epoch 1", "epoch 2", "final.pt"]
    save_checked({"w": torch.ones(2)}, tmp_path / "final.pt")
    after = _whole_tensors(tmp_path)
    assert after["final.pt"] != before["final.pt"] and after["epoch 2"] == before["epoch 2"]

    optuna = pytest.importorskip("optuna")
    with open_study(
        tmp_path / "state", "s", what="ft", space={"lr": Range(0.1, 1.0)}, default={"lr": 0.5}
    ) as study:
        study.tell(study.ask(), 3.0)
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
        study.ask()
    found = _whole_choice(tmp_path)
    assert list(found) == ["trial 0"] and "3.0" in found["trial 0"]
    assert _whole_choice(tmp_path) == found


@linux
def test_work_that_fails_by_itself_is_no_kill(tmp_path):
    def fail(folder: Path) -> None:
        raise ValueError("broken")

    with pytest.raises(RuntimeError, match="failed with status 1"):
        kills.finish(kills.start(Work("failing", fail, list, dict), tmp_path))


@linux
def test_an_artefact_that_several_processes_want_is_made_once(tmp_path):
    found = contention.same_artefact(tmp_path, processes=3, pause=0.2)
    assert found == {"processes": 3, "made": 1, "wrong": 0}


@linux
def test_a_disk_that_is_full_leaves_nothing_that_a_reader_believes(tmp_path):
    with contention.files_of_at_most(20_000):
        said = contention.writes(tmp_path)
    assert all(said.values()) and contention.seen(tmp_path) == []
    assert not any(contention.writes(tmp_path).values())  # and with space it goes on
    assert contention.made_by(tmp_path / "other", 0) == (7000.0, False)


def test_the_grid_of_tiny_runs_is_one(tmp_path):
    path = tiny.grid(tmp_path, [0, 1, 2], wait=0.5)
    assert [run.parameters["seed"] for run in grids.read(path).runs] == [0, 1, 2]
    assert tiny.counted(tmp_path, "begun") == {}
