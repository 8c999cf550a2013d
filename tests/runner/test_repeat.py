"""A recorded run again, literally; and two equal runs at once."""

from __future__ import annotations

import json
import threading
import time
import warnings
from pathlib import Path

import pytest

from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner import notebooks
from salun_utils.runner.repeat import recorded_run
from salun_utils.runs import Record
from salun_utils.runs.records.naming import HALVES, notebook_run, since_cut
from salun_utils.units import versions

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "notebooks" / "00_run.ipynb"
RECORDS = ROOT / "benchmark" / "records" / "cpu"


@pytest.fixture
def executed(monkeypatch):
    """What was handed to papermill, of runs that publish one record."""
    calls = []

    def made(path, log_path, name, parameters, effective, progress):
        calls.append(dict(parameters))
        time.sleep(0.3)
        return Record(
            id=name,
            notebook=path.stem,
            spec={"dataset": effective["dataset"]},
            data={"fingerprint": notebooks.data_fingerprint(effective)},
            measurements={"parameters": dict(effective)},
            numerics=versions(["run"]),
        )

    monkeypatch.setattr(notebooks, "_made", made)
    return calls


@pytest.mark.parametrize("notebook", ["00_run", "00_sweep", "00_erase", "20_errata"])
def test_a_recorded_run_is_repeated_with_all_of_its_values(notebook):
    for file in sorted(RECORDS.glob(f"{notebook}-*.json"))[:3]:
        path, parameters = recorded_run(file)
        stem, known = since_cut(notebook, Record.read(file).measurements["parameters"])
        assert path == ROOT / "notebooks" / f"{stem}.ipynb" and parameters == known
        effective = notebooks.check_parameters(path, parameters)
        assert notebook_run(path.stem, effective) == file.stem


def test_a_notebook_cut_in_two_leaves_the_names_of_its_runs_as_they_were():
    whole, left = HALVES["25_errata_of_generators"]
    own = {k: v for k, v in HALVES[whole][1].items() if k != "parts"}
    parameters = own | {"method": "salun", "seed": 4, "concept": "Bag"}
    name = notebook_run("25_errata_of_generators", parameters)
    assert name == notebook_run(whole, {**left, **parameters})
    assert name.startswith("20_errata-salun")
    assert since_cut(whole, {**left, **parameters}) == ("25_errata_of_generators", parameters)
    assert since_cut("25_errata_of_generators", parameters)[1] == parameters
    other = {**left, **parameters, "lr": 0.5}  # no half has such a run
    assert since_cut(whole, other) == (whole, other)
    assert since_cut("00_run", parameters) == ("00_run", parameters)


def test_nothing_and_the_empty_text_stay_what_they_were(tmp_path, executed, capsys):
    given = {"dataset": "digits", "data_note": "", "indices": None, "lr": None, "params": ""}
    _, path, _ = notebooks.run_notebook(TEMPLATE, given, out=tmp_path / "first")
    words = ["run", "--record", str(path), "--out", str(tmp_path / "again")]
    assert cli.main(words) == 0
    again = Path(capsys.readouterr().out.removeprefix("done: ").strip())
    assert again.name == path.name and again.is_relative_to(tmp_path / "again")
    one, two = (Record.read(p).measurements["parameters"] for p in (path, again))
    assert one == two == executed[1] and {k: two[k] for k in given} == given
    assert cli.main(words) == 0 and capsys.readouterr().out.startswith("done already: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "name a notebook"),
        (["run", "--record", "nowhere.json"], "nowhere.json"),
        (["run", "--record", "RECORD", "-p", "seed", "1"], "takes no -p"),
        (["run", "notebooks/00_sweep.ipynb", "--record", "RECORD"], "made by 00_run"),
        (["run", "--record", "COSTS"], "not made by a notebook"),
    ],
)
def test_what_can_not_be_repeated_is_said_in_a_line(words, said, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    named = {"RECORD": sorted(RECORDS.glob("00_run-*.json"))[0], "COSTS": RECORDS / "costs.json"}
    assert cli.main([str(named.get(word, word)) for word in words]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1


def test_a_damaged_record_is_not_repeated(tmp_path):
    every = (json.loads(path.read_text()) for path in sorted(RECORDS.glob("00_run-*.json")))
    content = next(found for found in every if "checksum" not in found)
    content["measurements"]["parameters"]["seed"] = 77
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="digest of its parameters"):
        recorded_run(tmp_path / "r.json")


def test_of_two_equal_runs_at_once_the_second_waits_and_finds_the_record(tmp_path, executed):
    found, said = [], []

    def run() -> None:
        found.append(notebooks.run_notebook(TEMPLATE, {"dataset": "digits"}, out=tmp_path))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        said = [str(w.message) for w in caught if "waiting" in str(w.message)]
    assert len(executed) == 1 and sorted(done for _, _, done in found) == [False, True, True]
    assert len({record.created for record, _, _ in found}) == 1 and len(said) == 2
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [found[0][1].name]


def test_a_run_that_fails_leaves_the_next_one_free(tmp_path, executed, monkeypatch):
    made = notebooks._made

    def failing(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(notebooks, "_made", failing)
    with pytest.raises(RuntimeError):
        notebooks.run_notebook(TEMPLATE, {"dataset": "digits"}, out=tmp_path)
    monkeypatch.setattr(notebooks, "_made", made)
    assert notebooks.run_notebook(TEMPLATE, {"dataset": "digits"}, out=tmp_path)[2] is False
    assert not list(tmp_path.rglob("*.lock"))
