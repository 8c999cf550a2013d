"""The recorded study of gradient and influence: what a record holds, what is refused, and the
template under papermill and grids.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from salun_utils.errors import InputError
from salun_utils.runner import grid
from salun_utils.runner.parameters import check_parameters
from salun_utils.runs import Cache, Record, RunSpec, load_records, prepare
from salun_utils.runs.records.standing import run_name
from salun_utils.runs.summary import plain
from salun_utils.seeds import generator
from salun_utils.studies import common
from salun_utils.studies.influence import mean_loss, study
from salun_utils.studies.influence.study import Study
from salun_utils.unlearning import unlearn

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "notebooks" / "00_influence.ipynb"
SMALL = {
    "dataset": "digits",
    "width": 0.25,
    "train_epochs": 8,
    "train_batch_size": 128,
    "scenario": "random",
    "forget_fraction": 0.2,
}


def spec(**changes) -> RunSpec:
    return RunSpec(**{**SMALL, "method": "rl", "params": {"epochs": 2, "lr": 0.02}, **changes})


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return prepare(spec(), cache=Cache(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def record(task) -> Record:
    return study.run(Study(task.spec, judged=50, draws=2, head_images=80, left_out=5), task)


def test_a_record_holds_all_four_measurements_and_is_no_row_of_methods(record, tmp_path):
    assert set(record.measurements) == {"head", "deciles", "drift", "masks"}
    assert not plain(record)
    assert record.row()["avg_gap"] != record.row()["avg_gap"]
    record.save(tmp_path)
    (back,) = load_records(tmp_path, method="influence", dataset="digits", scenario="random-20")
    assert back.measurements == record.measurements
    assert back.spec["watched"] == "rl"
    assert back.spec["params"]["epochs"] == 2
    assert load_records(tmp_path, method="rl") == []


def test_every_decile_of_every_ordering_is_changed_in_every_way(record):
    rows = record.measurements["deciles"]["rows"]
    keys = [(r["scoring"], r["change"], r["part"]) for r in rows]
    assert len(set(keys)) == len(keys) == 4 * 6 * 10
    equal = {r["distance"] for r in rows if r["change"] == "equal noise"}
    assert len(equal) == 1
    noise = [
        r["distance"] ** 2 for r in rows if r["change"] == "noise" and r["scoring"] == "random"
    ]
    assert equal.pop() ** 2 == pytest.approx(sum(noise) / 10, rel=0.05)
    assert all(r["forget_size"] >= abs(r["forget"]) - 1e-9 for r in rows), (
        "changes of different sign don't cancel in their size"
    )
    assert all(r["forget_size"] == abs(r["forget"]) for r in rows if "noise" not in r["change"])
    again = {r["change"]: r for r in rows if r["scoring"] == "magnitude" and r["part"] == 1}
    assert again["zero"]["distance"] < again["noise"]["distance"], (
        "the smallest weights have the shortest way to 0"
    )


def test_undoing_a_decile_starts_from_the_unlearned_network(record, task):
    """The distances of the deciles add up, squared, to the whole way that unlearning went, whatever
    orders the weights.
    """
    unlearned = unlearn("rl", task.original, task.split, seed=0, epochs=2, lr=0.02).model
    way = sum(
        float((p - q).square().sum())
        for p, q in zip(unlearned.parameters(), task.original.parameters(), strict=True)
    )
    for scoring in ("saliency", "magnitude", "random"):
        undone = [
            r
            for r in record.measurements["deciles"]["rows"]
            if r["change"] == "undo" and r["scoring"] == scoring
        ]
        assert sum(r["distance"] ** 2 for r in undone) == pytest.approx(way, rel=1e-3)
    judged = common.some(task.split.forget, 50, generator(0, "judged"))
    assert record.measurements["deciles"]["loss"]["unlearned"]["forget"] == pytest.approx(
        mean_loss(unlearned, judged), rel=1e-3
    )
    assert record.measurements["deciles"]["rank"]["random"] == pytest.approx(0, abs=0.05)


def test_drift_has_one_row_an_epoch_and_two_things_to_compare_with(record):
    drift = record.measurements["drift"]
    assert [row["epoch"] for row in drift["epochs"]] == [1, 2]
    for row in (*drift["epochs"], drift["halves"], drift["retain"]):
        assert 0 <= row["jaccard_10"] <= 1
        assert 0 <= row["jaccard_50"] <= 1
        assert -1 <= row["rank"] <= 1


def test_influence_in_the_last_layer_agrees_with_retraining_it(record):
    head = record.measurements["head"]
    assert head["one_own"] >= 0.9
    assert head["set_by_influence"] > head["set_by_gradient"]


def test_the_same_study_again_gives_the_same_figures(record, task):
    assert (
        study.run(
            Study(task.spec, judged=50, draws=2, head_images=80, left_out=5), task
        ).measurements
        == record.measurements
    )


def test_numbers_are_rounded_to_significant_digits():
    assert common.rounded({"a": [1.23456789e-7, 3], "b": {"c": 123456.789}}) == {
        "a": [1.2346e-7, 3],
        "b": {"c": 123460.0},
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"judged": 0}, "judged must be a whole number"),
        ({"noise": 0.0}, "noise must be"),
        ({"l2": 0.0}, "l2 must be"),
        ({"left_out": 30, "head_images": 20}, "at most head_images"),
        ({"spec": RunSpec(method="iu")}, "no epochs to watch"),
    ],
)
def test_a_study_that_can_not_be_run_is_refused_before_it_starts(wrong, said):
    with pytest.raises(InputError, match=said):
        Study(**{"spec": spec(), **wrong})


def test_a_wrong_parameter_of_the_template_is_named_before_anything_runs():
    assert run_name(TEMPLATE.stem, check_parameters(TEMPLATE, {"seed": 3})).startswith(
        "00_influence-rl-s3-"
    )
    for wrong, said in (
        ({"scenario": "some"}, "unknown scenario"),
        ({"method": "none"}, "unknown method"),
        ({"judge": 3}, "did you mean 'judged'"),
    ):
        with pytest.raises(InputError, match=said):
            check_parameters(TEMPLATE, wrong)


def test_both_grids_are_checked_and_hold_enough_seeds():
    for name, tier, seeds in (("influence", "cpu", 5), ("influence-paper", "paper", 10)):
        runs = grid.read(ROOT / "benchmark" / "grids" / f"{name}.yaml").runs
        assert {r.tier for r in runs} == {tier}
        assert len(runs) == 2 * seeds
        assert [r.priority for r in runs] == sorted((r.priority for r in runs), reverse=True)


def test_a_grid_of_the_template_is_run_and_not_run_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    small = {
        "judged": 20,
        "draws": 1,
        "head_images": 60,
        "left_out": 3,
        "epochs": 1,
        "lr": 0.02,
        "tier": "cpu",
    }
    path = tmp_path / "g.yaml"
    path.write_text(
        json.dumps(
            {"notebook": str(TEMPLATE), "fixed": {**SMALL, **small}, "product": {"seed": [2]}}
        )
    )
    read, places = (
        grid.read(path),
        {
            "records": tmp_path / "r",
            "state": tmp_path / "s",
            "notebooks": tmp_path / "n",
        },
    )
    (name,) = grid.run(read, **places).done
    found = Record.read(tmp_path / "r" / "cpu" / f"{name}.json")
    assert found.row()["method"] == "influence"
    assert found.measurements["parameters"]["left_out"] == 3
    assert grid.run(read, **places).before == [name]
