"""RMIA among shadow models, exposed pictures and the forgetting score on synthetic networks; what
canaries change in a plan; and the gap-free scores of a tiny run.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from salun_utils import metrics
from salun_utils.errors import InputError
from salun_utils.runs import Cache, RunSpec
from salun_utils.runs.records.naming import notebook_run
from salun_utils.studies.audit import alike, attack, exposed, memory, reference, study
from salun_utils.studies.audit.gap_free import RUINED
from salun_utils.studies.audit.memory import check_memory
from salun_utils.studies.audit.shadows import Plan, Shadows, complementary

MODELS, PICTURES, POPULATION = 8, 600, 500
TINY = dict(dataset="digits", train_images=300, width=0.25, scenario="random", train_epochs=3)


def members(models: int, pictures: int, seed: int = 0) -> np.ndarray:
    return complementary(models, pictures, torch.Generator().manual_seed(seed)).numpy()


def normal_models(memory: float, member: np.ndarray, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Margins (M, N) about a level of each picture, higher by `memory` where trained on, and those
    of a population."""
    rng = np.random.default_rng(seed)
    models, pictures = member.shape
    level = rng.normal(0.5, 2.5, pictures + POPULATION)
    values = level + rng.normal(0, 0.6, (models, len(level)))
    return values[:, :pictures] + memory * member, values[:, pictures:]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def relative(memory: float, member: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    margins, population = normal_models(memory, member)
    return reference.relative_scores(sigmoid(margins), sigmoid(population), member), margins


def test_rmia_sees_what_is_remembered_and_nothing_after_exact_forgetting():
    member = members(MODELS, PICTURES)
    scores, margins = relative(1.2, member)
    blunt = attack.over_models(margins, member, resamples=200)["auc_interval"]
    forgot, _ = relative(0.0, member)
    assert list(scores) == [reference.ONE, reference.MANY, reference.BOTH]
    for name in scores:
        low, high = attack.over_models(forgot[name], member, resamples=200)["auc_interval"]
        assert low <= 0.5 <= high, f"{name} on Retrain"
        found = attack.over_models(scores[name], member, resamples=200)["auc_interval"]
        assert found[0] > blunt[1], f"{name} is above the population attack"


def test_one_reference_is_the_metric_with_one_network():
    """Of the next pair, on the pictures that its first network never saw, with a population on
    which both networks of the pair answer alike."""
    member = members(MODELS, 50)
    margins, population = map(sigmoid, normal_models(1.0, member))
    population[3] = population[2]
    found = reference.relative_scores(margins, population, member)[reference.ONE][0]
    alone = metrics.rmia(margins[0], margins[2:3], population[0], population[2:3])
    assert found[~member[2]] == pytest.approx(alone[~member[2]])


def test_the_pair_of_the_audited_model_has_no_say():
    member = members(MODELS, 80)
    p, q = map(sigmoid, normal_models(1.0, member))
    before = reference.relative_scores(p, q, member)
    p[1], q[1] = 0.5, 0.5
    after = reference.relative_scores(p, q, member)
    for name, scores in before.items():
        assert np.array_equal(scores[0], after[name][0])


def test_vulnerable_pictures_are_chosen_by_the_other_half():
    member = members(MODELS, 100)
    margins = np.random.default_rng(0).normal(size=member.shape) + 6 * member * (
        np.arange(100) < 10
    )
    chosen = exposed.vulnerable(margins, member)
    assert (chosen.sum(1) == 10).all() and chosen[:, :10].mean() > 0.9
    assert (chosen[0::2] == chosen[1::2]).all(), "models of a pair are asked about the same"
    half = np.arange(MODELS) // 2 % 2
    margins[half == 0] = 0
    again = exposed.vulnerable(margins, member)
    assert np.array_equal(again[half == 0], chosen[half == 0])


def test_the_luck_of_the_choice_exposes_nobody():
    member = members(12, 400)
    rng = np.random.default_rng(3)
    noise = {when: rng.normal(size=member.shape) for when in ("before", "after")}
    rows = exposed.attacked(noise, member, targets=300, canaries=50)
    assert [(r["pictures"], r["when"]) for r in rows] == [
        (kind, when) for when in ("before", "after") for kind in ("vulnerable", "canaries")
    ]
    for row in rows:
        assert row["auc_interval"][0] <= 0.5 <= row["auc_interval"][1], row
    assert rows[0]["members"] + rows[0]["nonmembers"] == 12 * 30


def test_each_picture_is_scored_by_those_that_had_it_against_those_that_had_not():
    member = members(6, 40)
    values = np.where(member, 1.0, -1.0)
    assert (alike.of_pictures(values, member, had=True) == 1).all()
    assert (alike.of_pictures(values, member, had=False) == -1).all()
    assert alike.counts(6) == [4, 6] and alike.counts(32) == [4, 8, 16, 32]
    assert alike.counts(4) == [3, 4] and alike.counts(3) == [3]


def test_the_forgetting_score_of_two_normals_is_the_analytic_one():
    """At a delta where the best threshold lies where so many networks measure well."""
    member = members(8000, 5)
    rng = np.random.default_rng(2)
    unlearned, retrained = rng.normal(size=(2, *member.shape))
    found = alike.by_count(unlearned + 1, retrained, member, draws=1, delta=0.2)
    assert found[4000] == [alike.exact_score(1.0, 4000, delta=0.2)] == [0.5]
    apart, together = found[4][0], alike.by_count(retrained, unlearned, member, draws=1)[4][0]
    assert 0 <= apart <= 1 and together < 0.6, "few networks find a difference where there is none"


def test_normals_whose_score_is_known_have_it_within_its_interval():
    score, low, high = alike.of_normals(1.0, 4000, pictures=20, delta=0.2)
    assert low <= alike.exact_score(1.0, 4000, delta=0.2) <= high and score == 0.5


def test_exact_scores_by_hand_and_what_few_networks_make_of_them():
    assert alike.exact_score(0.0, 512) == 1 and alike.exact_score(1.0, 512) == 2**-8
    score, low, high = alike.of_normals(0.0, 64, pictures=30)
    assert low <= score <= high < 0.5
    assert alike.of_normals(2.0, 64, pictures=30)[2] < low


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    return Cache(tmp_path_factory.mktemp("shadows"))


def plan(**more) -> Plan:
    spec = RunSpec(**TINY, method="ft", params={"epochs": 1, "lr": 0.01}, seed=5)
    return Plan(spec, **{"models": 6, "targets": 60, "watched": 40, **more})


def test_canaries_are_trained_on_under_a_wrong_label_and_unlearned(cache):
    made, plain = Shadows(plan(canaries=30), cache=cache), Shadows(plan(), cache=cache)
    true = made.clean.train.labels[made.audited]
    assert (made.labels[100:] != true[100:]).all() and (made.labels[:100] == true[:100]).all()
    assert torch.equal(made.audited[:100], plain.audited) and plain.data is plain.clean
    split = made.task(0).split
    held = set(split.forget.index.tolist())
    assert held >= set(made.audited[100:][made.member[0, 100:]].tolist())
    assert held.isdisjoint(made.audited[60:100].tolist())
    assert held.isdisjoint(split.retain.index.tolist())
    assert made.facts["fingerprint"] == plain.facts["fingerprint"] != made.data.fingerprint
    assert made.facts["canaries"] == 30 and "canaries" not in plain.facts


def test_a_record_holds_what_is_asked_for_further_and_else_looks_as_before(cache):
    record = study.run(plan(canaries=30, further=True), cache=cache)
    found = record.measurements["further"]
    assert record.numerics["study/audit/further"] == 1 and record.spec["canaries"] == 30
    assert {a["pictures"] for a in found["exposed"]} == {"vulnerable", "canaries"}
    assert set(found["forgetting"]) == {"before", "after", "retrain"}
    free = {k: {n: np.mean(v) for n, v in by.items()} for k, by in found["free"].items()}
    assert free[RUINED]["zrf"] > 0.99 > free["before"]["zrf"], "nothing is known by the ruined"
    assert free[RUINED]["rf_jsd"] > free["before"]["rf_jsd"]
    assert free["before"]["ta"] == pytest.approx(
        np.mean(record.measurements["models"]["ta_before"])
    )
    plain = study.run(plan(), cache=cache)
    assert "further" not in plain.measurements and "study/audit/further" not in plain.numerics
    assert not {"canaries", "further"} & set(plain.spec)


def test_audits_without_canaries_are_called_what_they_were():
    asked = {"method": "ft", "seed": 1, "models": 64}
    assert notebook_run("00_audit", asked) == notebook_run(
        "00_audit", {**asked, "canaries": 0, "further": False}
    )
    assert notebook_run("00_audit", asked) != notebook_run("00_audit", {**asked, "canaries": 9})


def test_more_shadow_models_than_memory_holds_are_refused_before_any_is_trained(cache, monkeypatch):
    data = Shadows(plan(), cache=cache).clean
    logits = 6 * (100 + len(data.test)) * 10
    asked = {"models": 6, "audited": 100}
    check_memory(data, **asked, limit=logits * 32)
    with pytest.raises(InputError, match="too little memory for the shadow models"):
        check_memory(data, **asked, further=True, limit=logits * 32)
    monkeypatch.setattr(memory, "memory_limit", lambda: 1000)
    with pytest.raises(InputError, match="choose fewer models"):
        Shadows(plan(), cache=cache)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(canaries=-1), "canaries must be a whole number, at least 0"),
        (dict(canaries=None), "canaries must be a whole number"),
        (dict(further=1), "further must be True or False"),
        (dict(targets=200, canaries=40), "targets, watched and canaries are 280"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(given, said, cache):
    with pytest.raises(InputError, match=said):
        Shadows(plan(**given), cache=cache)
