"""Shadow models and the likelihood-ratio audit: analytic on known Gaussians, 0.5 for Retrain, well
above for the original.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from salun_utils.errors import InputError
from salun_utils.metrics import audit
from salun_utils.runs import Cache, RunSpec
from salun_utils.studies.audit import attack, study
from salun_utils.studies.audit.shadows import Plan, Shadows, complementary

SMALL = dict(
    dataset="fashion-mini",
    train_images=300,
    train_epochs=25,
    train_lr=0.1,
    scenario="random",
    seed=5,
)


def plan(method: str, **more) -> Plan:
    return Plan(RunSpec(**{**SMALL, "method": method, **more}), models=8, targets=80, watched=80)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    return Cache(tmp_path_factory.mktemp("shadows"))


@pytest.fixture(scope="module")
def records(cache):
    return {method: study.run(plan(method), cache=cache) for method in ("original", "retrain")}


def of(record, pictures: str, when: str, kind: str = "likelihood ratio") -> dict:
    (found,) = (
        a
        for a in record.measurements["attacks"]
        if (a["pictures"], a["when"], a["attack"]) == (pictures, when, kind)
    )
    return found


def test_every_picture_is_in_one_model_of_each_pair():
    member = complementary(10, 500, torch.Generator().manual_seed(0))
    assert (member[0::2] ^ member[1::2]).all() and 200 < member[0].sum() < 300


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_two_known_gaussians_give_the_analytic_auc(shift):
    rng = np.random.default_rng(1)
    models, pictures = 64, 1500
    member = complementary(models, pictures, torch.Generator().manual_seed(2)).numpy()
    # each picture has a level of its own
    margins = rng.normal(size=(models, pictures)) + 5 * rng.normal(size=pictures) + shift * member
    found = attack.over_models(attack.leave_one_out(margins, member), member, resamples=200)
    analytic = norm.cdf(shift / np.sqrt(2))
    slack = 0.006  # the level of a picture is known from 31 models a side only
    assert found["auc_interval"][0] - slack <= analytic <= found["auc_interval"][1] + slack
    one_threshold = attack.over_models(margins, member, resamples=20)["auc"]
    assert one_threshold <= norm.cdf(shift / np.sqrt(52)) + 0.02, (
        "a threshold for all pictures can't see past their levels"
    )


def test_an_attack_that_knows_nothing_is_not_judged_below_chance():
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        member = complementary(6, 600, torch.Generator().manual_seed(seed)).numpy()
        found.append(
            attack.over_models(
                attack.leave_one_out(rng.normal(size=(6, 600)), member), member, resamples=2
            )["auc"]
        )
    assert abs(np.mean(found) - 0.5) < 0.01


def test_the_interval_of_an_attack_that_knows_nothing_holds_one_half():
    held = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        member = complementary(10, 150, torch.Generator().manual_seed(seed)).numpy()
        low, high = attack.over_models(
            attack.leave_one_out(rng.normal(size=(10, 150)), member), member, resamples=150
        )["auc_interval"]
        held += low <= 0.5 <= high
    assert held >= 17, f"a 95 % interval holds the truth in {held} of 20 cases"


def test_intervals_over_groups_are_wider_where_a_groups_scores_go_together():
    rng = np.random.default_rng(0)
    member = np.tile([True, False], 500)
    groups = np.repeat(np.arange(10), 100)
    # what members gain differs from model to model
    scores = rng.normal(size=1000) + np.repeat(rng.normal(size=10), 100) * member

    def width(a):
        return a.auc_interval.high - a.auc_interval.low

    assert width(audit(scores, member, groups=groups)) > 1.5 * width(audit(scores, member))
    both = np.stack([groups, np.tile(np.arange(100), 10) // 2], axis=1)
    assert width(audit(scores, member, groups=both)) > 0.9 * width(
        audit(scores, member, groups=groups)
    )
    with pytest.raises(InputError, match="every group"):
        audit(scores, member, groups=(~member).astype(int))


def test_retrain_is_at_chance_and_the_original_well_above(records):
    gone = of(records["retrain"], "targets", "after")
    assert gone["auc_interval"][0] <= 0.5 <= gone["auc_interval"][1]
    for record in records.values():
        before = of(record, "targets", "before", "likelihood ratio, out only")
        assert before["auc"] > 0.6 and before["auc_interval"][0] > 0.55, before["auc_interval"]
    left = of(records["original"], "targets", "after")
    assert left == {
        **of(records["original"], "targets", "before"),
        "when": "after",
    }, "doing nothing changes nothing"
    kept = of(records["retrain"], "watched", "after", "likelihood ratio, out only")
    assert kept["auc_interval"][0] > 0.55, "retained pictures are still trained on"


def test_the_record_holds_what_the_models_score_and_cost(records):
    record = records["retrain"]
    models = record.measurements["models"]
    assert {len(values) for values in models.values()} == {8}
    assert (
        np.mean(models["ra"]) > np.mean(models["ta"])
        and record.seconds > 0
        and record.original_seconds > 0
    )
    assert (
        record.spec["audited"] == "retrain"
        and not record.scores
        and record.row()["method"] == "u-lira"
    )
    curve = of(record, "targets", "before")["roc"]
    assert curve["fpr"][0] == 0 and curve["tpr"][-1] == 1 and (np.diff(curve["tpr"]) >= 0).all()


def test_the_papers_attack_asks_the_same_of_unlearned_and_unseen_pictures(records):
    before = {k: np.mean(v) for k, v in records["retrain"].measurements["paper"]["before"].items()}
    after = {k: np.mean(v) for k, v in records["retrain"].measurements["paper"]["after"].items()}
    assert before["unlearned"] < before["unseen"] - 5, "before, the targets are members"
    assert abs(after["unlearned"] - after["unseen"]) < 8


def test_shadows_are_shared_by_methods_and_a_call_that_was_cut_short_goes_on(
    cache, records, monkeypatch
):
    from salun_utils.runs import task

    monkeypatch.setattr(
        task.training, "fit", lambda *a, **k: pytest.fail("a shadow model was trained again")
    )
    made = Shadows(plan("retrain"), cache=cache)
    assert len(list(made)) == 8
    other = Shadows(plan("original"), cache=cache)
    first, second = other.task(3), made.task(3)
    assert torch.equal(
        first.original.state_dict()["fc.weight"], second.original.state_dict()["fc.weight"]
    )


def test_a_shadow_forgets_its_targets_and_nothing_else(cache, records):
    made = Shadows(plan("retrain"), cache=cache)
    for k in (0, 1):
        split = made.task(k).split
        assert set(split.forget.index.tolist()) == set(
            made.audited[:80][made.member[k, :80]].tolist()
        )
        retained = set(split.retain.index.tolist())
        assert retained.isdisjoint(made.audited[:80].tolist()) and retained >= set(
            made.audited[80:][made.member[k, 80:]].tolist()
        )
        assert retained.isdisjoint(split.validation.index.tolist())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(models=7), "even"),
        (dict(models=4), "at least 6"),
        (dict(targets=1), "at least 2"),
        (dict(targets=200, watched=200), "only 270"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        Shadows(
            Plan(
                RunSpec(**SMALL, method="ft"),
                **{"models": 8, "targets": 80, "watched": 80, **given},
            )
        )
