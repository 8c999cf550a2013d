"""Tuning: trials of a method's declared space, resumed where they stopped, chosen without a look at
the test set.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.runs import tuning
from salun_utils.runs.tuning import tune
from salun_utils.training import TrainingDivergedError
from salun_utils.unlearning import METHODS


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    spec = su.runs.RunSpec(dataset="digits", scenario="random", train_epochs=2, width=0.25)

    def go(methods, trials, **options) -> dict:
        path = tune(
            spec,
            methods,
            trials=trials,
            out=tmp_path / "tuned",
            state=tmp_path / "state",
            **options,
        )
        return yaml.safe_load(path.read_text())

    return go


def drawn(folder: Path) -> list[float]:
    """Values of every parameter that the studies of a folder have tried, in order."""
    lines = [
        json.loads(line)
        for file in sorted(folder.glob("*.log"))
        for line in file.read_text().splitlines()
    ]
    return [line["param_value_internal"] for line in lines if "param_value_internal" in line]


def test_a_study_that_goes_on_draws_new_points_and_keeps_the_best(call, tmp_path):
    first = call(["ga"], 3, fixed={"epochs": 1})["ga"]
    again = call(["ga"], 3, fixed={"epochs": 1})["ga"]
    assert again == first and len(drawn(tmp_path / "state")) == 3
    later = call(["ga"], 6, fixed={"epochs": 1})["ga"]
    tried = drawn(tmp_path / "state")
    assert len(tried) == len(set(tried)) == 6
    assert later["trials"] == 6 and later["pilot_gap"] <= first["pilot_gap"] <= first["default_gap"]
    assert (
        later["params"]["epochs"] == 1
        and METHODS["ga"].search["lr"].low
        <= later["params"]["lr"]
        <= METHODS["ga"].search["lr"].high
    )


@pytest.mark.parametrize("at", [0, 1])
def test_a_trial_cut_short_is_run_again(call, tmp_path, monkeypatch, at):
    """The process dies within trial `at`: the call after it tries that point again, the default
    above all, and ends with as many trials.
    """
    ended = []

    def dying(task, method, params):
        if len(ended) == at:
            raise KeyboardInterrupt  # as a kill does, it leaves a trial marked as running
        ended.append(dict(params))
        return 5.0

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tuning, "_gap", dying)
        call(["ga"], 3)
    cut = drawn(tmp_path / "state")[at]
    tried = []
    monkeypatch.setattr(
        tuning, "_gap", lambda task, method, params: tried.append(params["lr"]) or 7.0
    )
    chosen = call(["ga"], 3)["ga"]
    assert chosen["trials"] == 3 and len(tried) == 3 - at
    assert tried[0] == pytest.approx(METHODS["ga"].defaults["lr"] if at == 0 else cut)
    assert chosen["default_gap"] == (7.0 if at == 0 else 5.0)


def test_an_original_that_diverges_is_no_matter_of_the_trial(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    spec = su.runs.RunSpec(
        dataset="digits", scenario="random", train_epochs=2, width=0.25, train_lr=1e30
    )
    with pytest.raises(TrainingDivergedError):
        tune(spec, ["ga"], trials=1, out=tmp_path, state=tmp_path)
    assert not list(tmp_path.glob("*.yaml"))


def test_two_calls_on_one_study_are_refused(call, tmp_path, monkeypatch):
    def again(task, method, params):
        with pytest.raises(InputError, match="is being tuned"):
            call(["ga"], 1)
        return 1.0

    monkeypatch.setattr(tuning, "_gap", again)
    assert call(["ga"], 1)["ga"]["pilot_gap"] == 1.0


def test_values_held_still_go_to_the_methods_that_take_them_and_make_a_study_of_their_own(
    call, tmp_path
):
    chosen = call(["ga", "fisher"], 1, fixed={"epochs": 1, "samples": 20})
    assert chosen["ga"]["params"].keys() == {"lr", "epochs"} and chosen["fisher"][
        "params"
    ].keys() == {"alpha", "samples"}
    call(["ga"], 1, fixed={"epochs": 2})
    assert len(list((tmp_path / "state").glob("*_ga_*.log"))) == 2


def test_wrong_calls_are_refused(call):
    with pytest.raises(InputError, match="unknown method 'gaa'"):
        call(["gaa"], 1)
    with pytest.raises(
        InputError, match="unknown parameter of these methods 'epoch'; did you mean 'epochs'"
    ):
        call(["ga"], 1, fixed={"epoch": 1})
    # it is searched, so it can't be held still
    with pytest.raises(InputError, match="unknown parameter of these methods 'lr'"):
        call(["ga"], 1, fixed={"lr": 0.1})
    with pytest.raises(InputError, match="at least 1 trial"):
        call(["ga"], 0)
