"""Tuning: trials of a method's declared space, resumed where they stopped, chosen without a look at
the test set.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.runner.grid.chosen import Chosen
from salun_utils.runs import tuning
from salun_utils.runs.kinds import tuned_method
from salun_utils.runs.records.numerics import units_of
from salun_utils.runs.tuning import tune, values
from salun_utils.runs.tuning.search import widened
from salun_utils.training import TrainingDivergedError
from salun_utils.unlearning import METHODS, Range

STILL = {"epochs": 1, "lr_schedule": "constant"}  # so that the rate alone is searched


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


def test_a_study_that_goes_on_draws_new_points_and_keeps_the_best(call, tmp_path, monkeypatch):
    play(monkeypatch, lambda seed, params: abs(math.log(params["lr"] / 5e-4)))
    first = call(["ga"], 3, fixed=STILL)["ga"]
    before = drawn(tmp_path / "state")
    again = call(["ga"], 3, fixed=STILL)["ga"]
    assert again == first and drawn(tmp_path / "state") == before
    later = call(["ga"], 6, fixed=STILL)["ga"]
    tried = drawn(tmp_path / "state")
    assert tried[:3] == before[:3] and len(tried) == len(set(tried)) == later["trials"] >= 6
    assert later["pilot_gap"] <= first["pilot_gap"] <= first["default_gap"]
    assert later["params"]["epochs"] == 1 and later["params"]["lr"] in tried


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
        patch.setattr(tuning, "judged_gap", dying)
        call(["ga"], 3, fixed=STILL)
    cut = drawn(tmp_path / "state")[at]
    tried = []
    monkeypatch.setattr(
        tuning, "judged_gap", lambda task, method, params: tried.append(params["lr"]) or 7.0
    )
    chosen = call(["ga"], 3, fixed=STILL)["ga"]
    assert chosen["trials"] == 3 and len(tried) == 3 - at
    assert tried[0] == pytest.approx(METHODS["ga"].defaults["lr"] if at == 0 else cut)
    assert chosen["default_gap"] == (7.0 if at == 0 else 5.0)


def test_a_search_that_was_killed_again_and_again_ends_as_an_undisturbed_one(
    call, tmp_path, monkeypatch
):
    """Killed within the default, among the first points drawn at random, and among those that are
    drawn by what came before, pruned ones among them: the same trials in the same order.
    """
    cut = iter([1, 2, 3, 5, 8, 9, 12, 15, 16])  # calls of the gap, over all lives

    def gap(task, method, params):
        calls.append(params["lr"])
        if len(calls) == at:
            raise KeyboardInterrupt
        return abs(math.log(params["lr"] / 5e-4)) + task.spec.seed

    def trials() -> object:
        (file,) = (tmp_path / "tuned" / "trials").glob("*.json")
        return json.loads(file.read_text())

    monkeypatch.setattr(tuning, "judged_gap", gap)
    options = {"fixed": {"epochs": 1}, "pilot_seeds": (1, 2)}
    calls, at = [], 0
    call(["ga"], 9, **options)
    whole = trials()
    for folder in ("tuned", "state"):
        (tmp_path / folder).rename(tmp_path / f"undisturbed-{folder}")
    calls, kills = [], 0
    for moment in cut:
        at = moment
        with contextlib.suppress(KeyboardInterrupt):
            call(["ga"], 9, **options)
            break
        kills += 1
    at = 0
    call(["ga"], 9, **options)
    assert kills >= 7 and trials() == whole
    assert any(trial["pruned"] for trial in whole["ga"])


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

    monkeypatch.setattr(tuning, "judged_gap", again)
    assert call(["ga"], 1)["ga"]["pilot_gap"] == 1.0


def test_values_held_still_go_to_the_methods_that_take_them_and_make_a_study_of_their_own(
    call, tmp_path
):
    chosen = call(["ga", "fisher"], 1, fixed={"epochs": 1, "samples": 20})
    assert chosen["ga"]["params"].keys() == {"lr", "epochs", "lr_schedule"}
    assert chosen["fisher"]["params"].keys() == {"alpha", "samples"}
    call(["ga"], 1, fixed={"epochs": 2})
    assert len(list((tmp_path / "state").glob("*_ga_*.log"))) == 2


def test_wrong_calls_are_refused(call):
    with pytest.raises(InputError, match="unknown method 'gaa'"):
        call(["gaa"], 1)
    with pytest.raises(
        InputError, match="unknown parameter of these methods 'epoch'; did you mean 'epochs'"
    ):
        call(["ga"], 1, fixed={"epoch": 1})
    with pytest.raises(InputError, match="at least 1 trial"):
        call(["ga"], 0)
    with pytest.raises(InputError, match="nothing to tune: retrain, original"):
        call(["retrain", "original"], 1)


@pytest.mark.parametrize(
    ("method", "fixed"),
    [
        ("ga", {"lr": "fast"}),
        ("ga", {"lr": -1.0}),
        ("ga", {"epochs": [1, 0]}),
        ("ga", {"lr": [0.1, "x"]}),
        ("ga", {"lr_schedule": ["cosine", "wave"]}),
        ("rl", {"alpha": ["yes", 1.0]}),
    ],
)
def test_values_no_method_takes_are_refused_before_a_network_is_trained(
    method, fixed, call, monkeypatch
):
    monkeypatch.setattr(tuning, "prepare", lambda spec: pytest.fail("prepared"))
    with pytest.raises(InputError):
        call([method], 1, fixed=fixed)


def play(monkeypatch, gap) -> list[tuple[int, dict]]:
    """Put a function of the pilot seed and the parameters in the place of unlearning."""
    seen: list[tuple[int, dict]] = []

    def played(task, method, params):
        seen.append((task.spec.seed, params))
        return gap(task.spec.seed, params)

    monkeypatch.setattr(tuning, "judged_gap", played)
    return seen


def test_methods_have_the_same_kinds_of_freedom():
    for name, method in METHODS.items():
        if "lr" in method.search:
            assert "epochs" in method.search_space, name
            assert ("lr_schedule" in method.search_space) != method.own_schedule, name
    weighed = ("rl", "salun", "salun-annealed", "salun-soft", "neggrad+", "scrub", "sfr-on")
    assert all({"alpha", "beta"} & set(METHODS[name].search_space) for name in weighed)


def test_a_list_narrows_what_is_chosen_from(call, monkeypatch):
    seen = play(monkeypatch, lambda seed, params: 1.0)
    call(["rl"], 6, fixed={"epochs": [1, 2], "alpha": 2.0})
    assert {params["epochs"] for _, params in seen} <= {1, 2}
    assert {params["alpha"] for _, params in seen} == {2.0}


def test_a_choice_at_an_edge_makes_the_range_longer_and_the_search_go_on(call, monkeypatch):
    """The gap falls with the rate for ever: three times the range gets longer, then the entry says
    where the choice lies.
    """
    seen = play(monkeypatch, lambda seed, params: 1e3 - 1e5 * params["lr"])
    chosen = call(["ga"], 9, fixed=STILL)["ga"]
    own = METHODS["ga"].search["lr"]
    assert chosen["ranges"]["lr"][0] == own.low and chosen["ranges"]["lr"][1] > 2 * own.high
    assert max(params["lr"] for _, params in seen) > own.high
    assert chosen["trials"] == len(seen) > 9
    assert call(["ga"], 9, fixed=STILL)["ga"] == chosen  # all of it was stored


def test_a_choice_well_inside_leaves_the_range(call, monkeypatch):
    play(monkeypatch, lambda seed, params: abs(math.log(params["lr"] / 1e-4)))
    chosen = call(["ga"], 12, fixed=STILL)["ga"]
    own = METHODS["ga"].search["lr"]
    assert chosen["edges"] == {} and chosen["ranges"]["lr"] == [own.low, own.high]
    assert chosen["trials"] == 12 and chosen["pilot_gap"] == 0.0


def test_a_share_is_never_searched_outside_0_and_1():
    shares = {"beta": Range(0.8, 0.9999), "share": Range(0.05, 0.9), "epochs": Range(1, 3)}
    wide = widened(shares, {"beta": "high", "share": "low", "epochs": "low"})
    assert wide["beta"] == Range(0.8, 1) and wide["share"] == Range(0, 0.9)
    assert wide["epochs"] == shares["epochs"]
    grown = widened({"lr": Range(1e-3, 1e-1, log=True)}, {"lr": "low"})["lr"]
    assert grown.low == pytest.approx(1e-4) and grown.high == 1e-1


def test_a_poor_trial_is_not_taken_to_the_other_pilot_seeds(call, monkeypatch, tmp_path):
    seen = play(monkeypatch, lambda seed, params: abs(math.log(params["lr"] / 1e-4)))
    chosen = call(["ga"], 12, fixed=STILL, pilot_seeds=(98, 99))["ga"]
    first, second = ([p for s, p in seen if s == seed] for seed in (98, 99))
    assert len(first) == 12 and chosen["pruned"] == 12 - len(second) > 0
    assert [params for params in first if params in second] == second
    stored = json.loads((tmp_path / "tuned/trials/digits_small-cnn_random-10.json").read_text())
    assert [len(trial["gaps"]) for trial in stored["ga"]].count(1) == chosen["pruned"]
    assert len(chosen["pilot_gaps"]) == 2


def test_what_choosing_on_one_seed_costs():
    # by the first seed the first is best, which has 5 on the other, where the third has 1;
    # by the second seed the third, which has 4 on the first, where the first has 0
    assert tuning.one_seed_costs([[0, 5], [1, 2], [4, 1]]) == 4.0
    assert tuning.one_seed_costs([[0, 0], [1, 1]]) == 0.0 and tuning.one_seed_costs([[3]]) is None


def test_a_mask_is_tuned_on_its_own_and_a_grid_takes_its_values(tmp_path, monkeypatch):
    spec = su.runs.RunSpec(dataset="digits", scenario="random", train_epochs=1, mask="random")
    monkeypatch.setattr(tuning, "judged_gap", lambda task, method, params: 2.0)
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    path = tune(spec, ["salun"], trials=1, out=tmp_path / "tuned", state=tmp_path / "state")
    entries = yaml.safe_load(path.read_text())
    assert list(entries) == ["salun/random"]
    entries["salun/random"]["params"]["lr"] = 0.007
    entries["salun"] = entries["salun/random"] | {"params": {"lr": 0.009}}
    path.write_text(yaml.safe_dump(entries))
    own = {"dataset": "digits", "arch": "small-cnn", "scenario": "random", "method": "salun"}
    tuned = {mask: tuned_method({**own, "mask": mask}) for mask in (None, "random", "magnitude")}
    rates = {m: Chosen.of(t, tmp_path / "tuned").params["lr"] for m, t in tuned.items()}
    assert rates == {None: 0.009, "random": 0.007, "magnitude": 0.009}


def test_a_falling_rate_is_part_of_the_run_and_of_its_units():
    spec = su.runs.RunSpec(dataset="digits", method="ft")
    falling = su.runs.RunSpec(dataset="digits", method="ft", lr_schedule="cosine")
    assert spec.id == su.runs.RunSpec(dataset="digits", method="ft", lr_schedule="constant").id
    assert "lr_schedule" not in spec.effective["params"] and falling.id != spec.id
    assert "schedule/cosine" in units_of(falling.effective)
    with pytest.raises(InputError, match="unknown lr_schedule 'cosin'; did you mean 'cosine'"):
        su.runs.RunSpec(dataset="digits", method="ft", lr_schedule="cosin")


def test_a_relative_starts_from_what_was_chosen_for_the_other(call, monkeypatch):
    """RL is told what SalUn has, and tries it first after its default."""
    play(monkeypatch, lambda seed, params: abs(math.log(params["lr"] / 0.02)) + params["alpha"])
    salun = call(["salun"], 5, fixed=STILL)["salun"]
    seen = play(monkeypatch, lambda seed, params: 1.0)
    call(["rl"], 3, fixed=STILL)
    tried = [params for _, params in seen]
    assert tried[0]["lr"] == METHODS["rl"].defaults["lr"]
    assert tried[1]["lr"] == salun["params"]["lr"] and tried[1]["alpha"] == salun["params"]["alpha"]
    seen.clear()
    call(["rl"], 4, fixed=STILL)  # which knows by now that it was tried
    assert len(seen) == 1 and seen[0][1]["lr"] != salun["params"]["lr"]


@pytest.mark.parametrize("epochs, known", [(2, True), (3, False)])
def test_another_scenario_of_the_same_recipe_begins_where_the_first_ended(
    call, tmp_path, monkeypatch, epochs, known
):
    play(monkeypatch, lambda seed, params: abs(math.log(params["lr"] / 0.02)))
    first = call(["ft"], 5, fixed=STILL)["ft"]["params"]["lr"]
    seen = play(monkeypatch, lambda seed, params: 1.0)
    of_class = {"scenario": "class", "forget_class": 3}
    spec = su.runs.RunSpec(dataset="digits", train_epochs=epochs, width=0.25, **of_class)
    folders = {"out": tmp_path / "tuned", "state": tmp_path / "state"}
    tune(spec, ["ft"], trials=2, fixed=STILL, **folders)
    assert [params["lr"] == first for _, params in seen] == [False, known]


def test_values_written_at_once_all_stay(tmp_path, monkeypatch):
    path, read = tmp_path / "some.yaml", values.read_tuned

    def slowly(file):
        found = read(file)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(values, "read_tuned", slowly)

    def write(method):
        values.write_chosen(path, "# values\n", method, {"params": {"lr": 0.1}})

    names = ["ga", "ft", "rl", "salun"]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(write, names))
    assert sorted(read(path)) == sorted(names)
    assert [p.name for p in tmp_path.iterdir()] == ["some.yaml"]
