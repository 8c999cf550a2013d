"""Grids: multiplied out and checked before anything runs; interrupted anywhere, they go on with what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from salun_utils import cli, grid
from salun_utils.errors import InputError
from salun_utils.grid.job import expected_minutes, note_duration

ROOT = Path(__file__).parents[1]
HEAD = "fixed: {dataset: digits, train_epochs: 2}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "g.yaml"
    path.write_text(f"notebook: {ROOT / 'notebooks' / '00_run.ipynb'}\n{text}")
    return path


def test_a_product_is_multiplied_out_in_order_of_priority(tmp_path):
    text = HEAD + "blocks:\n  - {product: {method: [ga, ft], seed: [0, 1]}}\n  - {product: {method: [retrain], seed: [0]}, priority: 5}\n"
    runs = grid.read(write(tmp_path, text)).runs
    assert [(r.parameters["method"], r.parameters["seed"]) for r in runs] == [("retrain", 0), ("ga", 0), ("ga", 1), ("ft", 0), ("ft", 1)]
    assert len({r.name for r in runs}) == 5


def test_a_run_named_by_two_blocks_is_run_once(tmp_path):
    text = HEAD + "blocks:\n  - {product: {seed: [0, 1]}}\n  - {product: {seed: [1, 2]}}\n"
    assert len(grid.read(write(tmp_path, text)).runs) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fixd: {}", "did you mean 'fixed'"),
        (HEAD + "product: {seed: []}", "at least one value"),
        (HEAD + "product: {seed: 3}", "at least one value"),
        ("description: nothing", "holds no runs"),
        (HEAD + "product: {sed: [1]}", "did you mean 'seed'"),
        (HEAD + "product: {method: [gaa]}", "unknown method"),
        (HEAD + "product: {keep: [0.5, 2]}", "keep must be"),
        (HEAD + "blocks: [{prodct: {}}]", "did you mean 'product'"),
        (HEAD + "priority: high", "priority must be a number"),
        ("- a list", "must be a mapping"),
        (HEAD + "tuned: nowhere", "no tuned values for salun"),
        ("fixed: [1]", "fixed must be a mapping"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "g.yaml"
    path.write_text(text) if text.startswith("-") else write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        grid.read(path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_every_grid_in_the_repository_can_be_read():
    for path in sorted((ROOT / "benchmark" / "grids").glob("*.yaml")):
        assert grid.read(path).runs, path.name


def test_two_grids_on_one_folder_are_refused(tmp_path, capsys):
    path = write(tmp_path, HEAD + "product: {seed: [0]}")
    (tmp_path / "o" / "state").mkdir(parents=True)
    with FileLock(tmp_path / "o" / "state" / "grid.lock"):
        assert cli.main(["grid", str(path), "--out", str(tmp_path / "o")]) == 2
    assert "another grid is running" in capsys.readouterr().err


def test_minutes_are_expected_from_what_runs_of_a_kind_took(tmp_path):
    pending, row = {"state": str(tmp_path)}, {"parameters": {"method": "ga"}, "minutes": 7}
    assert expected_minutes(pending, row) == 7
    note_duration(pending, row, 30)
    note_duration(pending, row, 90)
    note_duration(pending, {"parameters": {"method": "ft"}, "minutes": 7}, 900)
    assert expected_minutes(pending, row) == 1.5


def run_salun(*words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "salun_utils.cli", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="killing a parent with its children is done on Linux only")
def test_a_killed_grid_goes_on_with_what_is_missing_and_a_failed_run_is_named(tmp_path):
    text = HEAD + "blocks:\n  - {product: {seed: [0, 1]}, fixed: {method: ga, epochs: 1}, priority: 9}\n"
    text += "  - {fixed: {method: ft, epochs: 2, lr: 1.0e+30}}\n"
    path, out = write(tmp_path, text), tmp_path / "o"
    first = run_salun("grid", str(path), "--out", str(out))
    deadline = time.time() + 300
    while not list((out / "records").rglob("*.json")) and time.time() < deadline:
        time.sleep(0.2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    time.sleep(3)
    kept = {p: p.stat().st_mtime_ns for p in (out / "records").rglob("*.json")}
    assert kept and not list((out / "records").rglob("*.part"))
    assert subprocess.run(["pgrep", "-f", str(out)], capture_output=True).stdout == b"", "a run went on behind the back of the next call"

    status, said, err = finish(run_salun("grid", str(path), "--out", str(out)))
    assert status == 1 and "failed: " in err and "TrainingDivergedError" in err
    assert f"{len(kept)} done before, {2 - len(kept)} done now, 1 failed, 0 left" in said
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())

    status, said, _ = finish(run_salun("table", "--records", str(out / "records")))
    assert status == 0 and "failed: " in said and said.count("digits") >= 2

    status, said, _ = finish(run_salun("grid", str(path), "--out", str(out), "--minutes", "0.001"))
    assert status == 0 and "2 done before, 0 done now, 0 failed, 1 left" in said
