"""The script for minutes on a GPU, in its tiny form: what it measures, runs and packs."""

from __future__ import annotations

import importlib.util
import json
import tarfile
from pathlib import Path

import pytest

from salun_utils.runs import Record

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
