"""The command line: bad input ends with status 2 and one line, nothing half-written; a run is done
once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from picture_folders import make_classes, write_table

from salun_utils import cli
from salun_utils.runner.parameters import parse_value

ROOT = Path(__file__).parents[2]
TEMPLATE = str(ROOT / "notebooks" / "00_run.ipynb")
QUICK = [
    "-p",
    "dataset",
    "digits",
    "-p",
    "train_epochs",
    "2",
    "-p",
    "epochs",
    "1",
    "-p",
    "lr",
    "0.02",
]


def call(capsys, *words: str) -> tuple[int, str, str]:
    try:
        status = cli.main(list(words))
    except SystemExit as stop:
        status = stop.code
    seen = capsys.readouterr()
    return status, seen.out, seen.err


def files(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-p", "methd", "ga"], "did you mean 'method'"),
        (["-p", "method", "saluun"], "did you mean 'salun'"),
        (["-p", "dataset", "fashion-mimi"], "did you mean 'fashion-mini'"),
        (["-p", "arch", "small-cn"], "did you mean 'small-cnn'"),
        *[
            (["-p", "forget_fraction", f], "forget_fraction must be")
            for f in ("0", "1", "1.5", ".nan", "nan", "most")
        ],
        *[(["-p", "keep", k], "keep must be") for k in ("-0.1", "2", "nan")],
        (["-p", "forget_class", "10"], "there is no class 10"),
        (["-p", "forget_class", "-1"], "there is no class -1"),
        (["-p", "forget_class", "zebra"], "there is no class 'zebra'"),
        *[(["-p", "seed", s], "seed must be") for s in ("1.5", "one", "-1")],
        (["-p", "epochs", "0"], "epochs"),
        (["-p", "params", "{alpha"], "params must be a JSON object"),
        (["-p", "params", '{"alfa": 1}'], "did you mean 'alpha'"),
        (["-p", "dataset", "/no/such/folder"], "there is no folder"),
        (["-p", "device", "cuda:99"], "device cuda:99 is not there"),
        (["-p", "seed", "1", "-p", "seed", "2"], "given twice"),
    ],
)
def test_bad_parameters_end_with_status_2_and_one_line(capsys, tmp_path, words, said):
    status, out, err = call(capsys, "run", TEMPLATE, *words, "--out", str(tmp_path))
    assert status == 2 and said in err and not out
    assert len(err.strip().splitlines()) == 1
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rum"], "invalid choice"),
        (["run", "nowhere.ipynb"], "there is no notebook"),
        (["run", TEMPLATE, "-p", "seed"], "expected 2 arguments"),
        (["table", "--records", "/no/such/folder"], "there is no folder of records"),
        (["table", "--tier", "cpu", "--export", "x.xlsx"], "allowed endings"),
        (["grid", "nowhere.yaml"], "can't read the grid"),
        (["tune", "-p", "methd", "x"], "did you mean 'method'"),
        (["completion", "tcsh"], "allowed: bash, zsh"),
    ],
)
def test_bad_usage_ends_with_status_2(capsys, words, said):
    status, _, err = call(capsys, *words)
    assert status == 2 and said in err and "Traceback" not in err


def test_values_are_read_as_numbers_words_and_nothing():
    assert [parse_value(v) for v in ("1", "1.5", "1e-3", "true", "null", "ga", "{}")] == [
        1,
        1.5,
        0.001,
        True,
        None,
        "ga",
        "{}",
    ]


@pytest.mark.slow
def test_a_run_is_done_once_and_forced_again(capsys, tmp_path):
    words = ["run", TEMPLATE, *QUICK, "--out", str(tmp_path)]
    status, out, _ = call(capsys, *words)
    assert status == 0 and out.startswith("done: ")
    record, notebook = next(tmp_path.rglob("*.json")), next(tmp_path.rglob("*.ipynb"))
    content = json.loads(record.read_text())
    assert (
        content["spec"]["dataset"] == "digits"
        and content["measurements"]["parameters"]["seed"] == 0
    )
    assert "ua" in content["scores"] and record.stat().st_mtime >= notebook.stat().st_mtime
    before = record.read_bytes()
    assert call(capsys, *words)[1].startswith("done already: ")
    assert record.read_bytes() == before
    status, out, _ = call(capsys, *words, "--force")
    assert out.startswith("done: ")
    assert json.loads(record.read_text())["scores"] == content["scores"]
    status, out, _ = call(capsys, "table", "--records", str(tmp_path))
    assert (
        status == 0 and "digits" in out and "class-3" in out and len(out.strip().splitlines()) == 3
    )


@pytest.mark.slow
def test_a_notebook_that_fails_leaves_a_log_and_no_record(capsys, tmp_path):
    status, _, err = call(
        capsys,
        "run",
        TEMPLATE,
        *QUICK[:-3],
        "-p",
        "lr",
        "1e30",
        "-p",
        "method",
        "ft",
        "--out",
        str(tmp_path),
    )
    assert (
        status == 1
        and "TrainingDivergedError" in err
        and '"lr": 1e+30' in err
        and len(err.strip().splitlines()) == 1
    )
    assert not list(tmp_path.rglob("*.json")) and len(list(tmp_path.rglob("*.ipynb"))) == 1


def test_paths_of_the_callers_folder_are_found_by_the_notebook(tmp_path, monkeypatch):
    from salun_utils.runner.notebooks import _absolute

    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics").mkdir()
    (tmp_path / "digits").mkdir()
    (tmp_path / "rows.txt").write_text("1")
    given = {
        "dataset": "pics",
        "indices": "rows.txt",
        "model": "mini-sd",
        "method": "pics",
        "seed": 1,
    }
    found = _absolute(given)
    assert found == given | {
        "dataset": str(tmp_path.resolve() / "pics"),
        "indices": str(tmp_path.resolve() / "rows.txt"),
    }
    # a known name is that data set
    assert _absolute({"dataset": "digits"}) == {"dataset": "digits"}


@pytest.mark.slow
def test_a_kernel_that_is_killed_is_a_failed_run(capsys, tmp_path):
    import nbformat

    cells = [nbformat.v4.new_code_cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
    status, _, err = call(capsys, "run", str(tmp_path / "n.ipynb"), "--out", str(tmp_path / "o"))
    assert (
        status == 1
        and "n.ipynb failed: DeadKernelError" in err
        and len(err.strip().splitlines()) == 1
    )
    assert not list(tmp_path.rglob("*.json"))


def test_the_table_names_failed_runs_wherever_they_lie_below(capsys, tmp_path):
    (tmp_path / "records" / "failed").mkdir(parents=True)
    (tmp_path / "records" / "failed" / "r.txt").write_text("r: the loss became nan\n")
    status, out, _ = call(capsys, "table", "--records", str(tmp_path))
    assert status == 0 and "failed: r: the loss became nan" in out


def test_tuning_of_an_original_that_diverges_fails_with_its_configuration(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path))
    words = [
        "-p",
        "dataset",
        "digits",
        "-p",
        "train_epochs",
        "1",
        "-p",
        "width",
        "0.25",
        "-p",
        "train_lr",
        "1e30",
        "--methods",
        "ga, ft",
    ]
    status, _, err = call(capsys, "tune", *words, "--out", str(tmp_path), "--state", str(tmp_path))
    assert (
        status == 1 and "lr 1e+30" in err and "digits" in err and len(err.strip().splitlines()) == 1
    )


def test_an_ending_that_no_export_has_is_refused_before_records_are_read(capsys, monkeypatch):
    monkeypatch.setattr("salun_utils.runs.load_records", lambda *a, **k: pytest.fail("read"))
    status, _, err = call(capsys, "table", "--tier", "cpu", "--export", "x.xlsx")
    assert status == 2 and "allowed endings" in err and len(err.strip().splitlines()) == 1


def test_tuning_that_runs_out_of_time_says_what_is_missing(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path))
    words = ["-p", "dataset", "digits", "--methods", "ga,ft,retrain", "--minutes", "1e-6"]
    status, out, _ = call(capsys, "tune", *words, "--out", str(tmp_path), "--state", str(tmp_path))
    assert status == 0 and "not yet those of ga, ft" in out


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_an_output_folder_that_can_t_be_written_is_said_before_anything_runs(capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    status, _, err = call(capsys, "run", TEMPLATE, *QUICK, "--out", str(blocked / "out"))
    assert status == 2 and len(err.strip().splitlines()) == 1


def test_the_program_itself_prints_no_traceback(tmp_path):
    words = [
        sys.executable,
        "-m",
        "salun_utils.cli",
        "run",
        TEMPLATE,
        "-p",
        "keep",
        "2",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (
        done.returncode == 2
        and done.stderr == "salun: keep must be a number from 0 to 1, not 2.0\n"
        and done.stdout == ""
    )


def test_doctor_tells_versions_device_data_and_cache(capsys):
    status, out, _ = call(capsys, "doctor")
    assert status == 0
    assert all(
        word in out
        for word in ("torch", "device", "fashion-mini", "10,000 + 2,000 images", "cache")
    )


def test_doctor_shows_what_would_be_loaded_from_a_path(capsys, tmp_path):
    make_classes(tmp_path / "seg_train", {"1": 3, "10": 3, "2": 4})
    make_classes(tmp_path / "seg_test", {"1": 1, "10": 1, "2": 1}, start=9)
    (tmp_path / "seg_train" / "10" / "x.heic").write_text("x")
    status, out, _ = call(capsys, "doctor", str(tmp_path))
    assert status == 0 and "class folders in seg_train and seg_test" in out
    assert "3: 1, 2, 10" in out and "10 pictures, of 1: 3, 2: 4, 10: 3" in out
    assert "3 pictures, 1 of each class" in out and "3×8×10" in out and "x.heic" in out
    (tmp_path / "seg_train" / "10" / "y.png").write_text("no picture")
    status, out, _ = call(capsys, "doctor", str(tmp_path))
    assert status == 2 and "y.png: not a picture in a known format" in out
    for words in (["doctor", str(tmp_path / "gone")], ["doctor", "--label-column", "breed"]):
        status, out, err = call(capsys, *words)
        assert status == 2 and not out and err.count("\n") == 1


def test_doctor_takes_the_names_of_columns(capsys, tmp_path):
    write_table(tmp_path / "d.parquet", ["tabby", "siam"] * 4, label="breed")
    status, out, _ = call(capsys, "doctor", str(tmp_path), "--label-column", "breed")
    assert status == 0 and "1 table, columns image and breed" in out and "2: siam, tabby" in out
    assert "(fixed 80/20 split)" in out and "all 10×8 pixels" in out


def test_a_run_whose_attack_is_a_coin_says_so_below_its_figures(capsys, monkeypatch):
    from salun_utils import runs

    coin = {"balanced_accuracy": 50.0, "low": 48.0, "high": 52.0, "members": 9, "nonmembers": 9}
    ran = runs.Record(
        id="mine",
        spec={"method": "salun", "seed": 0},
        scores={"ua": 99.0, "ra": 98.0, "ta": 97.0, "mia": 100.0, "attack": coin},
        gap={"ua": -1.0, "ra": -0.5, "ta": 0.0, "mia": 100.0, "average": 25.375},
    )
    monkeypatch.setattr(runs, "run_notebook", lambda *_, **__: (ran, Path("mine.json"), False))
    assert cli.main(["run", "notebooks/00_run.ipynb"]) == 0
    said = capsys.readouterr().out
    assert "avg_gap 25.38" in said and "can't tell here: average gap without MIA 0.50" in said
