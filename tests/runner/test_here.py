"""Runs in one process leave the records that their notebook leaves, and share their beginnings."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner import here, notebooks
from salun_utils.runner.grid import read
from salun_utils.runner.grid.here import run_all
from salun_utils.runner.parameters import notebook_parameters
from salun_utils.runs import Record
from salun_utils.runs.records.standing import of_file

TEMPLATE = Path(__file__).resolve().parents[2] / "notebooks" / "00_run.ipynb"
TINY = {"dataset": "digits", "train_epochs": 1, "width": 0.25, "train_images": 200}
TINY |= {"scenario": "random", "method": "ft", "epochs": 1}
GRID = """
notebook: notebooks/00_run.ipynb
fixed:
  {dataset: digits, train_epochs: 1, width: 0.25, train_images: 200, scenario: random, epochs: 1}
product: {method: [ft, ga], seed: [1, 2]}
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def grid(tmp_path, cache):
    path = tmp_path / "tiny.yaml"
    path.write_text(GRID)
    return path


@pytest.mark.slow
def test_the_record_is_that_of_the_notebook(tmp_path, cache):
    mine, _ = here.Here(TEMPLATE).run(TINY, tmp_path / "here.json")
    theirs, _, _ = notebooks.run_notebook(TEMPLATE, TINY, out=tmp_path / "out")
    for name in ("id", "notebook", "tier", "spec", "seeds", "scores", "reference", "numerics"):
        assert getattr(mine, name) == getattr(theirs, name), name
    assert mine.measurements["parameters"] == theirs.measurements["parameters"]
    assert set(mine.measurements) == set(theirs.measurements)


def test_a_run_that_is_done_is_not_made_again_and_the_next_shares_its_start(tmp_path, cache):
    runs = here.Here(TEMPLATE)
    first, done = runs.run(TINY, tmp_path / "a.json")
    task = runs._task
    again, done_again = runs.run(TINY, tmp_path / "a.json")
    assert (done, done_again) == (False, True) and again.created == first.created
    runs.run({**TINY, "method": "ga"}, tmp_path / "b.json")
    assert runs._task.split is task.split and runs._task.original is task.original
    runs.run({**TINY, "seed": 5}, tmp_path / "c.json")
    assert runs._task.split is not task.split
    assert of_file(tmp_path / "b.json").record.spec["method"] == "ga"


def test_a_grid_in_one_process(grid, tmp_path, capsys):
    assert cli.main(["grid", str(grid), "--here", "--out", str(tmp_path / "out")]) == 0
    assert "4 runs: 0 done before, 4 done now" in capsys.readouterr().out
    assert cli.main(["grid", str(grid), "--here", "--out", str(tmp_path / "out")]) == 0
    assert "4 done before, 0 done now" in capsys.readouterr().out
    found = [Record.read(p) for p in (tmp_path / "out").rglob("00_run-*.json")]
    assert {(r.spec["method"], r.seeds["unlearning"]) for r in found} == {
        (m, s) for m in ("ft", "ga") for s in (1, 2)
    }


def test_one_that_fails_is_named_and_the_others_go_on(grid, tmp_path, monkeypatch):
    made = here.run

    def failing(spec, **options):
        if spec.method == "ga" and spec.seed == 1:
            raise RuntimeError("the device is gone")
        return made(spec, **options)

    monkeypatch.setattr(here, "run", failing)
    known = read(grid)
    run_all(known, known.runs, tmp_path / "records", deadline=None)
    said = [p.read_text() for p in (tmp_path / "records/failed").glob("*.txt")]
    assert len(said) == 1 and "the device is gone" in said[0]
    assert len(list((tmp_path / "records/quick").glob("*.json"))) == 3
    monkeypatch.undo()
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    run_all(known, known.runs, tmp_path / "records", deadline=None)
    assert not list((tmp_path / "records/failed").glob("*")), "it has been run since"


def test_nothing_is_started_that_can_not_end_in_time(grid, tmp_path):
    known = read(grid)
    run_all(known, known.runs, tmp_path / "records", deadline=0.0)
    assert not list(tmp_path.rglob("00_run-*.json"))


def test_what_needs_a_kernel_is_refused(grid, tmp_path, capsys):
    with pytest.raises(InputError, match="only 00_run can be run without a kernel, not 00_sweep"):
        here.Here(TEMPLATE.with_name("00_sweep.ipynb"))
    words = ["grid", str(grid), "--here", "--cores", "2", "--out", str(tmp_path / "out")]
    assert cli.main(words) == 2
    assert "take no cores" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("seed = 0\n%matplotlib inline", "without magics .* in line 2"),
        ("seed = {[]: 1}", "parameter 'seed' is no plain scalar"),
    ],
)
def test_a_cell_of_parameters_that_is_not_plain_is_named(tmp_path, cell, said):
    made = nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]})
    path = tmp_path / "odd.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[made]), path)
    with pytest.raises(InputError, match=said):
        notebook_parameters(path)
