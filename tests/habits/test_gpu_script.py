"""The script for minutes on a GPU, in its tiny form: what it measures, runs and packs."""

from __future__ import annotations

import importlib.util
import json
import tarfile
from pathlib import Path

import pytest

from salun_utils.runner import grid
from salun_utils.runs import Record
from salun_utils.unlearning import METHODS

SCRIPT = Path(__file__).resolve().parents[2] / "benchmark" / "gpu.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tiny_form_leaves_a_speed_line_and_a_pack_of_records(script, tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    assert script.main(["--tiny", "--minutes", "5", "--out", str(out)]) == 0
    measured = json.loads((out / "speed.json").read_text())["measured"]
    assert all(value > 0 for value in measured.values())
    share = measured["ddpm_tflops"] / measured["peak_tflops"]
    assert measured["ddpm_share_of_peak"] == pytest.approx(share)
    assert {"ddpm_step_s", "ddpm_plain_step_s", "ddpm_plain_over_library"} <= measured.keys()
    with tarfile.open(out / "records.tar.gz") as pack:
        pack.extractall(tmp_path / "home", filter="data")
    found = [Record.read(path) for path in (tmp_path / "home").rglob("*.json")]
    assert len(found) == 6 and {r.spec["method"] for r in found} == {"retrain", "salun", "ft"}
    assert all(r.device["name"] and r.data["fingerprint"] for r in found)


def test_no_time_no_runs_and_a_wrong_word_is_a_line(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    assert script.main(["--tiny", "--minutes", "0.0001", "--out", str(tmp_path)]) == 0
    assert "0 runs done" in capsys.readouterr().out
    assert script.main(["--tiny", "--minutes", "0", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_grids_hold_every_method_and_more_seeds_than_a_paired_test_needs(script):
    """In the order of what they tell; and no method is taken from its place by another grid."""
    every, audits, oracles, resnet = map(grid.read, script.GRIDS)
    tasks = {}
    for run in every.runs:
        asked = run.parameters
        task = asked["scenario"], asked.get("forget_fraction"), asked.get("forget_class")
        tasks.setdefault(task, {}).setdefault(asked["method"], set()).add(asked["seed"])
    seeds = set(range(1, 11))
    assert len(tasks) == 3 and all(s == seeds for m in tasks.values() for s in m.values())
    for (scenario, *_), methods in tasks.items():
        assert methods.keys() == METHODS.keys() - ({"unsir"} if scenario == "random" else set())
    first = [run.parameters["method"] for run in every.runs[:60:10]]
    assert set(first[:2]) == {"retrain"} and {"original", "salun"} <= set(first)
    assert all(run.parameters["models"] == 64 for run in audits.runs)
    assert len({run.parameters["seed"] for run in oracles.runs}) == 100
    assert {run.parameters["train_epochs"] for run in resnet.runs} == {182}
    assert {run.tier for g in (every, audits, oracles, resnet) for run in g.runs} == {"paper"}
