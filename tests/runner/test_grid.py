"""Grids: multiplied out and checked before anything runs; interrupted anywhere, they go on with
what is missing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner import grid
from salun_utils.runner.grid import call, driver, job
from salun_utils.runner.grid.durations import expected_minutes, note_duration, too_late
from salun_utils.runner.grid.job import gpu_lease

ROOT = Path(__file__).parents[2]
HEAD = "fixed: {dataset: digits, train_epochs: 2}\n"
OLD = "fixed:\n  tier: cpu\n  train_images: null\n  scenario: random\n"  # a run on record


def write(folder: Path, text: str) -> Path:
    path = folder / "g.yaml"
    path.write_text(f"notebook: {ROOT / 'notebooks' / '00_run.ipynb'}\n{text}")
    return path


def test_a_product_is_multiplied_out_in_order_of_priority(tmp_path):
    text = (
        HEAD + "blocks:\n  - {product: {method: [ga, ft], seed: [0, 1]}}\n  - {product: {method:"
        " [retrain], seed: [0]}, priority: 5}\n"
    )
    runs = grid.read(write(tmp_path, text)).runs
    assert [(r.parameters["method"], r.parameters["seed"]) for r in runs] == [
        ("retrain", 0),
        ("ga", 0),
        ("ga", 1),
        ("ft", 0),
        ("ft", 1),
    ]
    assert len({r.name for r in runs}) == 5


def test_a_parameter_added_later_leaves_the_names_of_old_runs_alone(tmp_path):
    """`train_recipe` came after the records: at None it doesn't count, otherwise it does."""
    retrain = "product: {seed: [1], method: [retrain]}\n"
    (old,) = grid.read(write(tmp_path, OLD + retrain)).runs
    assert (ROOT / "benchmark" / "records" / "cpu" / f"{old.name}.json").is_file()
    named = OLD + "  train_recipe: null\n" + retrain
    assert [r.name for r in grid.read(write(tmp_path, named)).runs] == [old.name]
    names = [
        [r.name for r in grid.read(write(tmp_path, named.replace("train_recipe: null", text))).runs]
        for text in ("arch: speednet", "arch: speednet\n  train_recipe: speednet")
    ]
    assert names[0] != names[1]


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
        (HEAD + "blocks: 3", "blocks must be a list"),
        (HEAD + "blocks: []", "blocks must be a list"),
        (HEAD + "minutes_per_run: 0", "minutes_per_run must be above 0"),
        (HEAD + "minutes_per_run: .nan", "minutes_per_run must be a number"),
        (HEAD + "minutes_per_run: 1e300", "minutes_per_run must be above 0 and at most"),
        (HEAD + "priority: 1.5", "priority must be a whole number"),
        (HEAD + "priority: 1e300", "priority must be a whole number"),
        (HEAD + "priority: true", "priority must be a number"),
        ("fixed: 0\nproduct: {seed: [0]}", "fixed must be a mapping"),
        (HEAD + "product: []", "product must be a mapping"),
        (HEAD + "resources: false", "resources must be a mapping"),
        (HEAD + "tuned: [a]", "tuned must be a folder or a file"),
        (HEAD + "tuned: true", "tuned must be a folder or a file"),
        (HEAD + "carried: width", "carried must be a list"),
        (HEAD + "carried: [widht]", "did you mean 'width'"),
        (HEAD + "blocks: [{carried: 0}]", "carried must be a list"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "g.yaml"
    path.write_text(text) if text.startswith("-") else write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        grid.read(path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("named", ["0", "[a.ipynb]", "false", "''"])
def test_a_notebook_that_is_no_name_is_refused(tmp_path, named):
    (tmp_path / "g.yaml").write_text(f"notebook: {named}\n{HEAD}")
    with pytest.raises(InputError, match="notebook"):
        grid.read(tmp_path / "g.yaml")


def test_every_grid_in_the_repository_can_be_read():
    for path in sorted((ROOT / "benchmark" / "grids").glob("*.yaml")):
        assert grid.read(path).runs, path.name


def test_the_runs_of_one_tier_are_taken_alone():
    both = grid.read(ROOT / "benchmark" / "grids" / "harmful-concepts.yaml")
    parts = [both.only(tier) for tier in ("cpu", "paper")]
    assert [{run.tier for run in part.runs} for part in parts] == [
        {"cpu"},
        {"paper"},
    ] and both.only(None) is both
    assert parts[0].runs + parts[1].runs == both.runs
    with pytest.raises(
        InputError, match="unknown tier of the grid harmful-concepts 'quick'; allowed: cpu, paper"
    ):
        both.only("quick")


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


def test_once_no_run_can_end_in_time_snakemake_is_told_to_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(call, "PATIENCE", 0.05)
    runs = {
        "a": {"parameters": {"method": "ga"}, "minutes": 5},
        "b": {"parameters": {"method": "ft"}, "minutes": 1},
    }
    listed = {"state": str(tmp_path), "deadline": time.time() + 90, "runs": runs}
    assert too_late(listed, runs["a"]) and not too_late(listed, runs["b"])
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"]) as process:
        call.wait(process, listed)  # one run can still end in time: nothing is stopped
        assert process.returncode == 0
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        call.wait(process, listed | {"deadline": time.time() + 30})
        assert process.returncode == -signal.SIGTERM
    assert not too_late(listed | {"deadline": None}, runs["a"])


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """A machine that seems to have three GPUs."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr(job.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


def test_each_run_gets_a_gpu_of_its_own_and_gives_it_back(gpus):
    def seen():
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    with gpu_lease():
        first = seen()
        os.environ.pop("CUDA_VISIBLE_DEVICES")  # as another process would find it
        with gpu_lease("cuda"):
            assert {first, seen()} == {"0", "1"}
        with gpu_lease():
            assert seen() == "1"
        for device in ("cpu", "cuda:2"):
            with gpu_lease(device):
                assert seen() is None
    assert seen() is None


def test_a_lease_keeps_to_the_gpus_that_the_caller_may_use(gpus):
    gpus.setenv("CUDA_VISIBLE_DEVICES", "5, 7")
    gpus.setattr("torch.cuda.device_count", lambda: 2)
    with gpu_lease():
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
        os.environ["CUDA_VISIBLE_DEVICES"] = "5,7"
        with gpu_lease():
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5, 7"


def test_a_run_waits_until_a_gpu_is_free(gpus):
    gpus.setattr("torch.cuda.device_count", lambda: 2)
    free = job._free(["0", "1"]), job._free(["0", "1"])
    gpus.setattr(job.time, "sleep", lambda seconds: free[1][0].__exit__(None, None, None))
    with gpu_lease():
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    free[0][0].__exit__(None, None, None)


@pytest.mark.parametrize(
    "error", [ValueError("odd\nthing"), MemoryError(), InputError("no such thing")]
)
def test_a_run_that_ends_in_any_error_leaves_one_line(tmp_path, monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("salun_utils.runner.notebooks.run_notebook", broken)
    monkeypatch.setattr(job, "die_with_parent", lambda: None)
    row = {"parameters": {"device": "cpu"}, "minutes": 1, "record": "r.json", "log": "r.ipynb"}
    pending = {
        "deadline": None,
        "notebook": "n.ipynb",
        "records": str(tmp_path),
        "state": str(tmp_path),
        "runs": {"r": row},
    }
    pending["folder"] = os.getcwd()
    (tmp_path / "p.json").write_text(json.dumps(pending))
    assert job.main([str(tmp_path / "p.json"), "r", "0"]) == 1
    line = (tmp_path / "failed" / "r.txt").read_text()
    assert line.startswith("r: ") and line.count("\n") == 1 and len(line) > 5


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="parents are tied to their children on Linux only"
)
def test_a_run_whose_parent_is_gone_already_does_nothing(tmp_path):
    """Snakemake may be killed while the run's process is still importing: too early for the system
    to take it along.
    """
    command = [
        sys.executable,
        "-m",
        "salun_utils.runner.grid.job",
        str(tmp_path / "none.json"),
        "r",
        str(2**30),
    ]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300).returncode == 3


def test_without_a_copy_of_the_repository_a_grid_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "SNAKEFILE", Path("nowhere") / "Snakefile")
    with pytest.raises(InputError, match="copy of the repository"):
        driver._snakefile(grid.read(write(tmp_path, HEAD)))


def run_salun(*words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "salun_utils.cli", *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="killing a parent with its children is done on Linux only",
)
def test_a_killed_grid_goes_on_with_what_is_missing_and_a_failed_run_is_named(tmp_path):
    text = (
        HEAD
        + "blocks:\n  - {product: {seed: [0, 1]}, fixed: {method: ga, epochs: 1}, priority: 9}\n"
    )
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
    assert subprocess.run(["pgrep", "-f", str(out)], capture_output=True).stdout == b"", (
        "a run went on behind the back of the next call"
    )

    status, said, err = finish(run_salun("grid", str(path), "--out", str(out)))
    assert status == 1 and "failed: " in err and "TrainingDivergedError" in err
    assert f"{len(kept)} done before, {2 - len(kept)} done now, 1 failed, 0 left" in said
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())

    status, said, _ = finish(run_salun("table", "--records", str(out / "records")))
    assert status == 0 and "failed: " in said and said.count("digits") >= 2

    status, said, _ = finish(run_salun("grid", str(path), "--out", str(out), "--minutes", "0.001"))
    assert status == 0 and "2 done before, 0 done now, 0 failed, 1 left" in said
