"""Which units a run touches, and what counts as done once one of them has a new version."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

import salun_utils as su
from salun_utils import units
from salun_utils.errors import InputError
from salun_utils.runner.kinds import load_all
from salun_utils.runs import Record, RunSpec
from salun_utils.runs.kinds import KINDS, UNLEARNING
from salun_utils.runs.records.numerics import check_adopted, read_adopted, touched, units_of
from salun_utils.runs.records.standing import of_file, of_record, run_name, standing

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "benchmark" / "records"


def made(**own) -> Record:
    """A record of one run as the code would make it now."""
    spec = RunSpec(**own)
    return Record(
        id=spec.id,
        spec=spec.effective,
        seeds=spec.seeds,
        data={"fingerprint": "f" * 64},
        numerics=units.versions(units_of(spec.effective)),
    )


# -- units


def test_every_unit_has_a_version_and_known_parts():
    for name in units.names():
        assert units.version(name) >= 1
        assert set(units.with_parts([name])) <= set(units.names())


def test_a_unit_knows_where_its_version_stands():
    stamp = units.stamp_of("method/rl")
    line = Path(stamp.file).read_text().splitlines()[stamp.line - 1]
    assert Path(stamp.file).name == "rl.py" and line.startswith("@numerics(1")
    assert "numerics(1)" in _line("schedule/cosine") and "numerics(1" in _line("network/resnet18")


def _line(name: str) -> str:
    stamp = units.stamp_of(name)
    return Path(stamp.file).read_text().splitlines()[stamp.line - 1]


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", True, None])
def test_a_version_is_a_whole_number_from_one(version):
    with pytest.raises(InputError, match="a whole number, at least 1"):
        units.numerics(version)


def test_a_registered_method_without_a_version_is_named(monkeypatch):
    from salun_utils.unlearning.registry import Method

    bare = Method("bare", "", "", lambda job: job.model, {}, {})
    monkeypatch.setitem(su.unlearning.METHODS, "bare", bare)
    with pytest.raises(InputError, match=r"method/bare has no version: put @numerics\(1\)"):
        units.versions(units_of(RunSpec(method="bare").effective))


def test_a_name_that_is_no_unit_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'method/salun'"):
        units.version("method/saloon")


# -- runs


def test_a_run_touches_its_own_method_network_mask_scenario_and_schedule_alone():
    touched = set(units_of(RunSpec(scenario="random", method="salun", mask="wanda").effective))
    assert {"method/salun", "mask/wanda", "run/mask", "masking", "scenario/random"} <= touched
    assert {"network/small-cnn", "schedule/one-cycle", "schedule/constant"} <= touched
    assert not {"mask/saliency", "method/rl", "scenario/class", "schedule/steps"} & touched
    assert not {"saliency", "network/resnet18", "network/timm"} & touched


def test_methods_without_training_touch_none_of_their_own():
    trained = set(units_of(RunSpec(method="salun-soft").effective))
    closed = set(units_of(RunSpec(method="ssd", mask="random").effective))
    assert "schedule/constant" in trained and "schedule/constant" not in closed
    assert "run/mask" in closed and "masking" not in closed and "run/mask" not in trained


def test_a_penalty_that_falls_is_no_learning_rate():
    touched = units_of(RunSpec(method="salun-soft", params={"schedule": "rising"}).effective)
    assert "schedule/rising" not in touched


def test_a_record_is_outdated_when_a_unit_that_it_touched_has_a_higher_version(raised):
    records = [made(method=name) for name in ("rl", "salun", "ft")]
    assert standing(records) == "3 records, none outdated"
    raised("method/ft")
    assert [of_record(r).word for r in records] == ["done", "done", "outdated"]
    assert standing(records) == "3 records: 2 done, 1 outdated (method/ft from 1 to 2)"
    raised("training")
    assert {of_record(r).word for r in records} == {"outdated"}
    assert of_record(records[2]).why == "method/ft from 1 to 2, training from 1 to 2"


def test_a_record_with_a_unit_that_is_gone_or_lower_now():
    record = made()
    record.numerics["method/of-old"] = 1
    assert "method/of-old" in of_record(record).why
    record = made()
    record.numerics["training"] = 7  # made by newer code
    assert of_record(record).word == "done"


def test_a_record_without_versions_by_unknown_code_is_outdated():
    record = made().model_copy(update={"numerics": {}, "code": {"fingerprint": "0" * 16}})
    assert of_record(record).word == "outdated" and "unknown" in of_record(record).why


# -- files


def test_the_four_words(tmp_path, raised):
    parameters = {"method": "rl", "seed": 0}
    name = run_name("00_run", parameters)
    record = made(method="rl").model_copy(
        update={"id": name, "notebook": "00_run", "measurements": {"parameters": parameters}}
    )
    path = tmp_path / f"{name}.json"
    assert of_file(path, parameters=parameters).word == "missing"
    record.write(path)
    assert of_file(path, parameters=parameters, data="f" * 64).word == "done"
    others = of_file(path, parameters=parameters, data="e" * 64)
    assert str(others) == f"outdated (the data from {'f' * 12} to {'e' * 12})"
    assert of_file(path, parameters={**parameters, "seed": 1}).word == "damaged"
    raised("method/rl")
    assert of_file(path, parameters=parameters).word == "outdated"
    path.write_text("{")
    assert of_file(path, parameters=parameters).word == "damaged"


def test_a_record_that_is_not_what_its_name_says_or_lacks_its_data_is_damaged(tmp_path):
    parameters = {"method": "rl"}
    own = {"notebook": "00_run", "measurements": {"parameters": parameters}}
    named = made().model_copy(update=own | {"id": run_name("00_run", {"method": "ga"})})
    assert "is not the name of a run with its parameters" in str(of_record(named))
    without = made().model_copy(update={"data": {}})
    assert "no fingerprint of its data" in str(of_record(without))


def test_reading_outdated_records_is_said(tmp_path, raised):
    made(method="ft").save(tmp_path)
    made(method="ga").save(tmp_path)
    assert len(su.runs.load_records(tmp_path)) == 2
    raised("method/ft")
    with pytest.warns(UserWarning, match=r"1 outdated \(method/ft from 1 to 2\)"):
        assert len(su.runs.load_records(tmp_path)) == 2


@pytest.fixture
def page(monkeypatch):
    """A notebook's shell, with nothing but its events; `page.end()` ends a cell."""
    import IPython
    from IPython.core.events import EventManager

    shell = SimpleNamespace(kernel=None)
    shell.events = EventManager(shell, {"post_run_cell": lambda result: None})
    shell.end = lambda: shell.events.trigger("post_run_cell", None)
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield shell


def test_a_page_says_how_the_records_that_it_read_stand(tmp_path, raised, page, capsys):
    for method in ("ft", "ga", "rl"):
        made(method=method).save(tmp_path)
    su.runs.load_records(tmp_path, method="ft")
    assert capsys.readouterr().out == ""  # the line comes last, when the cell ends
    page.end()
    assert capsys.readouterr().out == "1 record, not outdated\n"
    raised("method/ft")
    su.runs.load_records(tmp_path, method="ft")
    su.runs.load_records(tmp_path, where=lambda run: run.spec["method"] != "rl")
    page.end()
    line = "2 records: 1 done, 1 outdated (method/ft from 1 to 2)\n"
    assert capsys.readouterr().out == line  # one line a cell, each record counted once
    su.runs.load_records(tmp_path, where=lambda run: run.spec["method"] != "ft")
    page.end()
    assert capsys.readouterr().out == "2 records, none outdated\n"


def test_a_cell_that_read_no_record_says_nothing(tmp_path, page, capsys):
    assert su.runs.load_records(tmp_path) == []
    page.end()
    assert capsys.readouterr().out == ""


# -- what each kind of run says of itself

OWN = {  # kind -> the unit that all of its runs touch and no other kind's
    "unlearning": "run",
    "sweep": "sweep",
    "anatomy": "study/anatomy",
    "audit": "study/audit",
    "influence": "study/influence",
    "traces": "study/traces",
    "probes": "study/probes",
    "requests": "study/requests",
    "erasure": "trial",
    "relearning": "trial/relearning",
    "harmful": "trial/harmful",
}


def test_each_kind_says_which_units_the_runs_of_its_notebooks_touched():
    load_all()
    declared = {kind.name: kind for kind in [*KINDS.values(), UNLEARNING]}
    assert set(declared) == set(OWN)
    for name, kind in declared.items():
        for notebook in kind.notebooks:
            assert (RECORDS.parents[1] / "notebooks" / f"{notebook}.ipynb").is_file()
            for path in sorted(RECORDS.rglob(f"{notebook}-*.json"))[:1]:
                for record in Record.read(path).flat():
                    assert OWN[name] in touched(record), path.stem
    assert touched(made().model_copy(update={"notebook": "by-nobody"})) is None


# -- adoption


def test_every_record_on_file_is_adopted_or_has_versions():
    found = [of_file(path) for path in sorted(RECORDS.rglob("*.json"))]
    assert not [one for one in found if one.word not in ("done", "outdated")]
    assert not [one for one in found if "unknown" in one.why]


def test_the_adoption_file_names_fingerprints_that_records_carry_and_units_that_exist(tmp_path):
    records = [Record.read(path) for path in sorted(RECORDS.rglob("*.json"))]
    check_adopted(records)
    path = tmp_path / "adopted.json"
    path.write_text(json.dumps({"fingerprints": {"0123456789abcdef": {}}}))
    with pytest.raises(InputError, match="0123456789abcdef, a fingerprint that no record carries"):
        check_adopted(records, path)
    carried = records[0].code["fingerprint"]
    path.write_text(json.dumps({"fingerprints": {carried: {"method/none": 1}}}))
    with pytest.raises(InputError, match="unknown unit"):
        check_adopted(records, path)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"other": 1}', '{"fingerprints": {"a": 1}}', '{"fingerprints": {"a": {"b": -1}}}'],
)
def test_a_malformed_adoption_file_is_refused(tmp_path, text):
    path = tmp_path / "adopted.json"
    path.write_text(text)
    with pytest.raises(InputError, match="must hold an object 'fingerprints'"):
        read_adopted(path)


def test_what_several_runs_touch_alike_is_written_once(tmp_path):
    both = Record.together([made(method="ft"), made(method="ssd")], id="both")
    assert "training" in both.numerics and "method/ft" not in both.numerics
    again = Record.read(both.write(tmp_path / "both.json"))
    assert [r.numerics for r in again.flat()] == [made(method=m).numerics for m in ("ft", "ssd")]
