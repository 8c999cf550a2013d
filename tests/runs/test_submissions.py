"""A stranger's records: what is accepted, and every reason to refuse."""

from __future__ import annotations

import json
import shutil

import pytest

import salun_utils as su
from salun_utils.cli import main
from salun_utils.errors import InputError
from salun_utils.files import sealed
from salun_utils.runs import Record, RunSpec, canaries, submissions
from salun_utils.runs.records.naming import notebook_run

TEMPLATE = "00_run"
SMALL = dict(
    tier="cpu",
    dataset="digits",
    train_images=200,
    width=0.25,
    scenario="random",
    forget_fraction=0.2,
    train_epochs=1,
    train_batch_size=64,
    method="ft",
)


def named(record: Record, seed: int) -> Record:
    """As `salun run` leaves it: with the parameters of its notebook, and their digest as name."""
    given = {**SMALL, "seed": seed, "epochs": 1, "lr": 0.05}
    own = {"parameters": given, **record.measurements}
    return record.model_copy(
        update={"id": notebook_run(TEMPLATE, given), "notebook": TEMPLATE, "measurements": own}
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Five whole records, one a seed."""
    folder, cache = (tmp_path_factory.mktemp(n) for n in ("made", "cache"))
    for seed in range(1, 6):
        spec = RunSpec(**SMALL, seed=seed, epochs=1, lr=0.05)
        named(su.runs.run(spec, cache=su.runs.Cache(cache)), seed).save(folder)
    return folder


@pytest.fixture
def theirs(made, tmp_path):
    return shutil.copytree(made, tmp_path / "theirs")


@pytest.fixture
def ours(tmp_path):
    folder = tmp_path / "benchmark" / "records"
    folder.mkdir(parents=True)
    return folder


def looked_at(theirs, ours, **options) -> submissions.Report:
    return submissions.check(theirs, ours=ours, canaries=False, **options)


def change(theirs, **fields) -> str:
    """Change fields of one record, seal it again, and say which file it is."""
    path = sorted(theirs.rglob("*.json"))[0]
    content = json.loads(path.read_text()) | fields
    content.pop("checksum")
    path.write_text(sealed(content))
    return str(path.relative_to(theirs))


def why(report: submissions.Report) -> str:
    """The one reason there is."""
    (found,) = {reason for reason in report.files.values() if reason}
    return found


def test_whole_records_are_accepted(theirs, ours):
    report = looked_at(theirs, ours)
    assert set(report.files.values()) == {""} and report.refused == 0
    assert list(report.lines())[-1] == "5 records: 5 accepted, 0 refused"
    assert "no record on digits" in report.notes[0]


def test_a_figure_changed_by_hand_is_refused(theirs, ours):
    path = sorted(theirs.rglob("*.json"))[0]
    path.write_text(path.read_text().replace('"ua": ', '"ua": 1', 1))
    report = looked_at(theirs, ours)
    assert "damaged" in report.files[str(path.relative_to(theirs))]


def test_a_gap_that_is_no_difference_is_refused_though_the_checksum_fits(theirs, ours):
    name = change(theirs, gap={"ua": 0.0, "ra": 0.0, "ta": 0.0, "mia": 0.0, "average": 0.0})
    assert "gap" in looked_at(theirs, ours).files[name]


def test_other_parameters_than_the_name_says(theirs, ours):
    path = sorted(theirs.rglob("*.json"))[0]
    other = json.loads(path.read_text())["measurements"]
    other["parameters"]["lr"] = 0.06
    name = change(theirs, measurements=other)
    assert looked_at(theirs, ours).files[name]


def test_a_unit_that_is_not_named(theirs, ours):
    path = sorted(theirs.rglob("*.json"))[0]
    numerics = json.loads(path.read_text())["numerics"]
    name = change(theirs, numerics={k: v for k, v in numerics.items() if k != "method/ft"})
    assert "method/ft" in looked_at(theirs, ours).files[name]


@pytest.mark.parametrize(("version", "said"), [(0, "outdated"), (99, "newer code")])
def test_other_behaviour(theirs, ours, version, said):
    path = sorted(theirs.rglob("*.json"))[0]
    numerics = json.loads(path.read_text())["numerics"]
    name = change(theirs, numerics=numerics | {"method/ft": version})
    assert said in looked_at(theirs, ours).files[name]


def test_other_pictures_than_ours(theirs, ours):
    first = Record.read(sorted(theirs.rglob("*.json"))[0])
    other = first.data | {"fingerprint": "0" * 64}
    first.model_copy(update={"data": other, "seeds": first.seeds | {"unlearning": 77}}).save(ours)
    assert "its pictures are other ones" in why(looked_at(theirs, ours))


def test_a_run_that_is_here_already(theirs, ours):
    Record.read(sorted(theirs.rglob("*.json"))[0]).save(ours)
    assert "on record here" in " ".join(looked_at(theirs, ours).files.values())


def test_a_pilot_seed(theirs, ours):
    tuned = ours.parent / "tuned"
    tuned.mkdir()
    entry = "ft:\n  params: {lr: 0.1}\n  pilot_seeds: [3]\n"
    (tuned / "digits_small-cnn_random-20.yaml").write_text(entry)
    reasons = looked_at(theirs, ours).files.values()
    assert sum("seed 3 is one of those" in reason for reason in reasons) == 1


def test_too_few_seeds(theirs, ours):
    sorted(theirs.rglob("*.json"))[0].unlink()
    report = looked_at(theirs, ours)
    assert "needs 5 seeds" in why(report) and report.refused == 4


def test_a_link_that_leads_nowhere_is_refused(theirs, ours):
    (theirs / "gone.json").symlink_to(theirs / "nowhere.json")
    report = looked_at(theirs, ours)
    assert report.refused and "leads nowhere" in report.files["gone.json"]


def test_a_file_under_another_name(theirs, ours):
    path = sorted(theirs.rglob("*.json"))[0]
    path.rename(path.with_name("best.json"))
    assert "must be called" in " ".join(looked_at(theirs, ours).files.values())


def test_nothing_there(tmp_path, ours):
    with pytest.raises(InputError, match="there is no folder"):
        looked_at(tmp_path / "none", ours)
    with pytest.raises(InputError, match="there is no record"):
        looked_at(ours, ours)


def test_a_moved_canary_speaks_against_all(theirs, ours, monkeypatch):
    moved = canaries.Report(ran=("method/ft",), moved={"method/ft": ["weights"]})
    monkeypatch.setattr(canaries, "check", lambda names: moved)
    report = submissions.check(theirs, ours=ours)
    assert report.refused == 5 and "canaries moved" in "\n".join(report.lines())


def test_the_command(theirs, ours, monkeypatch, capsys):
    monkeypatch.setattr(canaries, "check", lambda names: canaries.Report(ran=tuple(names)))
    assert main(["table", "--check", str(theirs), "--records", str(ours)]) == 0
    assert "5 accepted" in capsys.readouterr().out
    sorted(theirs.rglob("*.json"))[0].write_text("{")
    assert main(["table", "--check", str(theirs), "--records", str(ours)]) == 2
    assert main(["table", "--check", str(theirs), "--tier", "cpu"]) == 2
    assert main(["table", "--check", str(theirs / "none")]) == 2
