"""The fast parts of what `make test-durability` does at length."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import contention
import kills
import tiny
from works import Work

from salun_utils.runner import grid as grids
from salun_utils.runs.records.record import Record

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
