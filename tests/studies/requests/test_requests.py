"""Requests in a row: parts that add up, networks that follow one another, tables of records."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
import torch

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.runner import grid
from salun_utils.runner.kinds import kind_of
from salun_utils.runs import Record, RunSpec, prepare
from salun_utils.studies.requests import harm, recorded, study

ROOT = Path(__file__).parents[3]
SMALL = dict(
    dataset="digits",
    train_images=300,
    width=0.25,
    scenario="random",
    forget_fraction=0.2,
    train_epochs=1,
    train_batch_size=64,
    train_lr=0.1,
    method="original",
)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    cache = su.runs.Cache(tmp_path_factory.mktemp("cache"))
    plan = study.Plan(RunSpec(**SMALL), {"ft": {"epochs": 1, "lr": 0.05}}, requests=3)
    task = prepare(plan.spec, cache=cache)
    return plan, task, study.run(plan, task)


def test_the_requests_are_the_forget_set_dealt_out(one):
    plan, task, _ = one
    steps = study.steps_of(plan, task)
    asked = [set(step.now.forget.index.tolist()) for step in steps]
    assert set.union(*asked) == set(task.split.forget.index.tolist())
    assert sum(map(len, asked)) == len(task.split.forget)
    kept = set(task.split.retain.index.tolist())
    for number, step in enumerate(steps, start=1):
        gone = set.union(*asked[:number])
        assert set(step.task.split.forget.index.tolist()) == gone
        later = set().union(*asked[number:])
        assert set(step.now.retain.index.tolist()) == kept | later
        assert set(step.first.index.tolist()) == asked[0]


def test_the_record_holds_every_network_after_every_request(one):
    _, _, record = one
    found = record.measurements["networks"]
    lengths = {name: len(steps) for name, steps in found.items()}
    assert lengths == {"retrain": 3, "retrain again": 3, "original": 3, "ft": 3, "ft at once": 1}
    assert Record.model_validate_json(record.model_dump_json()) == record
    assert {"study/requests", "method/ft", "scenario/random"} <= set(record.numerics)
    assert not record.scores


def test_at_once_is_the_run_that_a_single_record_would_hold(one):
    plan, task, record = one
    spec = plan.spec.but(method="ft", params=plan.methods["ft"])
    alone = su.runs.run(spec, task=task).scores
    once = record.measurements["networks"]["ft at once"][0]
    assert once["ra"] == pytest.approx(alone["ra"], abs=1e-3)
    assert once["ua"] == pytest.approx(alone["ua"], abs=1e-3)


def test_each_request_is_answered_where_the_last_one_ended(one, monkeypatch):
    plan, task, _ = one
    given = []

    def follow(name, model, split, **settings):
        given.append(next(model.parameters()).detach().clone())
        moved = su.unlearning.unlearn(name, model, split, **settings)
        return moved

    monkeypatch.setattr(study, "unlearn", follow)
    list(study._in_a_row(plan, task, study.steps_of(plan, task), "ft", plan.methods["ft"]))
    start = next(task.original.parameters()).detach()
    assert torch.equal(given[0], start)
    assert not torch.equal(given[1], start) and not torch.equal(given[2], given[1])


def test_bad_plans_are_refused():
    with pytest.raises(InputError, match="requests must be"):
        study.Plan(RunSpec(**SMALL), {}, requests=1)
    with pytest.raises(InputError, match="did you mean"):
        study.Plan(RunSpec(**SMALL), {"salum": {}}, requests=2)
    with pytest.raises(InputError, match="scenario must be"):
        study.Plan(RunSpec(**SMALL | {"scenario": "class"}), {"ft": {}}, requests=2)


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({}, "at least one"),
        (["salun"], "at least one"),
        ({"salun": 3}, "salun needs its parameters as a mapping"),
        ({"salun": {"lrr": 1}}, "parameter of salun 'lrr'"),
        ({"salun": {"lr": "x"}}, "lr must be a number"),
        ({"salun": {"seed": 1}}, "seed is of the whole row"),
    ],
)
def test_methods_are_checked_before_anything_is_trained(methods, said):
    with pytest.raises(InputError, match=said) as caught:
        study.Plan(RunSpec(**SMALL), methods, requests=2)
    assert "\n" not in str(caught.value)


def test_methods_that_are_no_json_are_named_as_such():
    with pytest.raises(InputError, match=r"^methods must be a JSON object"):
        study.Plan.of(SMALL | {"methods": "{broken", "requests": 2})


def test_too_few_pictures_for_the_requests(one):
    plan, task, _ = one
    with pytest.raises(InputError, match="need at least"):
        study.steps_of(dataclasses.replace(plan, requests=100), task)


def rows(gaps: dict[tuple[str, int], float], seeds=range(1, 8)) -> pd.DataFrame:
    """Rows as `recorded.rows` gives, one gap a network and request, a little apart by seed."""
    return pd.DataFrame(
        [
            dict(seed=s, network=n, request=r, ua=10.0, ra=90.0, ta=80.0, mia=5.0)
            | dict(first=10.0, first_gap=1.0, gap=gap + 0.01 * s * (r + 1))
            for s in seeds
            for (n, r), gap in gaps.items()
        ]
    )


def test_verdicts_say_which_way_is_farther():
    found = rows(
        {("FT", 1): 1.0, ("FT", 2): 4.0, ("FT, at once", 2): 2.0}
        | {("GA", 1): 1.0, ("GA", 2): 1.0, ("GA, at once", 2): 3.0}
        | {("another Retrain", 1): 0.5, ("another Retrain", 2): 0.5}
        | {("original", 1): 5.0, ("original", 2): 5.0}
    )
    answers = {name: v.answer for name, v in recorded.worse_in_a_row(found).items()}
    assert answers == {"FT": "yes", "GA": "no"}
    assert "GA" in str(recorded.answer(found)) and "1.12" in str(recorded.answer(found))
    (every,) = recorded.claims(found)  # SalUn isn't among them
    assert every.mark == "FAILS" and "every method" in every.text
    assert every.behind == "−2.00 (GA) to +2.00 (FT) points, 2 of 2 decided, 7 pairs"
    assert "another Retrain" in str(recorded.table_of(found))


def test_claims_are_of_salun_and_of_every_method():
    gaps = {("SalUn", 2): 4.0, ("SalUn, at once", 2): 2.0, ("FT", 2): 4.0, ("FT, at once", 2): 2.0}
    marks = {}
    for seeds in (range(1, 4), range(1, 10)):
        ours, every = recorded.claims(rows(gaps, seeds))
        assert "SalUn" in ours.text and "every method" in every.text
        marks[len(seeds)] = (ours.mark, every.mark)
    assert marks == {3: ("too few", "too few"), 9: ("holds", "holds")}
    assert recorded.claims(rows({}, ())) == []


def test_a_row_of_one_record(one):
    found = recorded.rows([one[2]])
    retrain = found[found.network == "Retrain"]
    assert (retrain.gap == 0).all() and list(retrain.request) == [1, 2, 3]
    assert set(found[found.network == "FT, at once"].request) == {3}


def test_the_template_and_the_grids_are_of_these_kinds():
    listed = grid.read(ROOT / "benchmark" / "grids" / "requests.yaml")
    assert {kind_of(run.parameters).name for run in listed.runs} == {"requests"}
    others = grid.read(ROOT / "benchmark" / "grids" / "forget-sets.yaml")
    assert {kind_of(run.parameters).name for run in others.runs} == {"unlearning"}


@pytest.mark.parametrize("scenario", harm.SCENARIOS)
def test_tables_of_harm_say_what_was_seen(scenario, tmp_path):
    kind, share = scenario.rsplit("-", 1)
    small = SMALL | {"scenario": kind, "forget_fraction": int(share) / 100}
    cache = su.runs.Cache(tmp_path)
    records = [
        su.runs.run(RunSpec(**small | {"method": m}), cache=cache) for m in ("retrain", "original")
    ]
    groups = harm.recorded(scenario, records=records)
    text = str(harm.table_of(groups, scenario))
    assert "Retrain" in text and (harm.SEEN.get(scenario, "UA") in text)


def test_the_sentence_names_after_whom_the_stamp_still_works():
    def runs(*shares):
        made = (Record(id=f"r{s}", scores={"test_forgotten": v}) for s, v in enumerate(shares))
        return dict(enumerate(made))

    groups = {"original": runs(98.0), "Retrain": runs(1.0), "SalUn": runs(2.0), "FT": runs(60, 80)}
    assert harm.sentence(groups).endswith("by 1 of 2 methods; it still works after FT (70 %).")
    assert "98 % of pictures" in harm.sentence(groups) and harm.sentence({}) == ""
