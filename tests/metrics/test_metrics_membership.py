"""The membership attack against hand calculations and against scikit-learn's support vector
machine.
"""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC

import salun_utils.metrics as metrics
from salun_utils.errors import InputError
from salun_utils.metrics.svm import NotSolvedError, fit_rbf_svm, low_rank, rbf

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], dtype=torch.float64)


def log(x):
    return math.log(x)


def test_entropy_by_hand():
    expected = [
        -(0.7 * log(0.7) + 0.2 * log(0.2) + 0.1 * log(0.1)),
        -(0.1 * log(0.1) + 0.6 * log(0.6) + 0.3 * log(0.3)),
    ]
    assert metrics.entropy(P).tolist() == pytest.approx(expected, rel=1e-12)


def test_modified_entropy_by_hand():
    # row 0, true class 0: -(1 - 0.7) log 0.7 - 0.2 log(1 - 0.2) - 0.1 log(1 - 0.1)
    # row 1, true class 2: -(1 - 0.3) log 0.3 - 0.1 log(1 - 0.1) - 0.6 log(1 - 0.6)
    expected = [
        -0.3 * log(0.7) - 0.2 * log(0.8) - 0.1 * log(0.9),
        -0.7 * log(0.3) - 0.1 * log(0.9) - 0.6 * log(0.4),
    ]
    assert metrics.modified_entropy(P, torch.tensor([0, 2])).tolist() == pytest.approx(
        expected, rel=1e-12
    )


def test_entropies_at_the_ends_of_the_range():
    sure = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert metrics.entropy(sure).tolist() == [0, 0]
    right, wrong = metrics.modified_entropy(sure, torch.tensor([0, 1])).tolist()
    assert right == 0
    # -(1 - 0) log 0 - 1 log(1 - 1), with 0 read as 1e-30
    assert wrong == pytest.approx(-2 * log(1e-30))


def published_modified_entropy(p, labels):
    """Two faults at once, as published: whole columns are exchanged, and log p stands where log(1 -
    p) belongs.
    """
    log_p = p.clamp_min(1e-30).log()
    probabilities, logs = p.clone(), log_p.clone()
    probabilities[:, labels] = (1 - p)[:, labels]
    logs[:, labels] = log_p[:, labels]
    return -(probabilities * logs).sum(1)


def columns_modified_entropy(p, labels):
    """The first fault alone: log(1 - p) is right, but the columns of all labels of the batch are
    exchanged in every row.
    """
    probabilities, logs = p.clone(), (1 - p).clamp_min(1e-30).log()
    probabilities[:, labels] = (1 - p)[:, labels]
    logs[:, labels] = p.clamp_min(1e-30).log()[:, labels]
    return -(probabilities * logs).sum(1)


def test_item_06_modified_entropy_changes_one_entry_only():
    labels = torch.tensor([0, 2])
    batch = metrics.modified_entropy(P, labels)
    alone = torch.cat([metrics.modified_entropy(P[i : i + 1], labels[i : i + 1]) for i in range(2)])
    # a row's value does not depend on the labels of its neighbours
    assert torch.equal(batch, alone)
    faulty = columns_modified_entropy(P, labels)
    assert not torch.allclose(
        faulty,
        torch.cat([columns_modified_entropy(P[i : i + 1], labels[i : i + 1]) for i in range(2)]),
    )
    assert (faulty - batch).abs().min() > 0.1


def test_item_06_modified_entropy_uses_one_minus_p():
    one, label = P[:1], torch.tensor([0])
    by_hand = -0.3 * log(0.7) - 0.2 * log(0.8) - 0.1 * log(0.9)
    with_log_p = -0.3 * log(0.7) - 0.2 * log(0.2) - 0.1 * log(0.1)
    assert metrics.modified_entropy(one, label).item() == pytest.approx(by_hand)
    assert published_modified_entropy(one, label).item() == pytest.approx(with_log_p)
    assert abs(by_hand - with_log_p) > 0.3


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.integers(1, 20), st.integers(0, 10_000), st.floats(0.01, 60))
def test_modified_entropy_is_finite_and_orders_by_confidence(classes, count, seed, sharpness):
    draws = torch.Generator().manual_seed(seed)
    p = (torch.randn(count, classes, generator=draws, dtype=torch.float64) * sharpness).softmax(1)
    best = metrics.modified_entropy(p, p.argmax(1))
    worst = metrics.modified_entropy(p, p.argmin(1))
    assert torch.isfinite(best).all() and torch.isfinite(worst).all()
    assert (best >= 0).all() and (worst >= best - 1e-9).all()


def test_features_by_hand():
    labels = torch.tensor([0, 2])
    features = metrics.membership_features(P.log(), labels)  # softmax of log p is p
    assert tuple(features) == metrics.VARIANTS
    assert features["correctness"].tolist() == [1, 0]
    assert features["confidence"].tolist() == pytest.approx([0.7, 0.3])
    assert torch.allclose(features["entropy"], metrics.entropy(P))
    assert torch.allclose(features["m_entropy"], metrics.modified_entropy(P, labels))
    assert torch.allclose(features["prob"], P)


def test_correctness_attack_by_hand():
    # members: 90 right, 10 wrong; non-members: 60 right, 40 wrong. Right answers are mostly
    # members' (90 > 60), wrong ones
    # mostly non-members' (40 > 10): so "non-member" is called for exactly the wrong answers, 3 of
    # these 8.
    member, nonmember = np.repeat([1.0, 0.0], [90, 10]), np.repeat([1.0, 0.0], [60, 40])
    target = np.array([1, 0, 1, 1, 0, 1, 0, 1.0])
    assert metrics.membership_attack(member, nonmember, target) == pytest.approx(3 / 8)


def test_confidence_attack_by_hand():
    # members answer with 0.9 to 1, non-members with 0 to 0.6: whatever lies below the gap is called
    # non-member, 2 of these 5.
    member, nonmember = torch.linspace(0.9, 1, 50), torch.linspace(0, 0.6, 50)
    target = torch.tensor([0.95, 0.5, 0.99, 0.1, 0.92])
    assert metrics.membership_attack(member, nonmember, target) == pytest.approx(2 / 5)


def two_worlds(count=64):
    """Members are answered surely and rightly; non-members unsurely, half of them wrongly. Logits
    and labels of 4 classes.
    """
    labels = torch.arange(count) % 4
    sure = torch.nn.functional.one_hot(labels, 4) * 9.0
    unsure = (
        torch.nn.functional.one_hot((labels + (torch.arange(count) % 8 < 4).long()) % 4, 4) * 1.0
    )
    return (sure, labels), (unsure, labels)


@pytest.mark.parametrize("variant", metrics.VARIANTS)
def test_each_variant_tells_the_two_worlds_apart(variant):
    member, nonmember = (metrics.membership_features(*world)[variant] for world in two_worlds())
    # correctness can only see the half that is answered wrongly
    wrong = 0.5 if variant == "correctness" else 1.0
    assert metrics.membership_attack(member, nonmember, nonmember) == pytest.approx(wrong)
    assert metrics.membership_attack(member, nonmember, member) == 0


def confidences(count, mean, spread, seed):
    """Shaped like a trained network's: most of the mass close to 1, a long tail to 0."""
    return 1 / (1 + np.exp(-np.random.default_rng(seed).normal(mean, spread, count)))


@pytest.mark.parametrize(("mean", "spread"), [(9, 1.5), (8, 2.5), (5.2, 3.6)])
def test_attack_agrees_with_scikit_learn_on_confidences(mean, spread):
    member, nonmember, target = (
        confidences(1000, mean, spread, 1),
        confidences(1000, 5, 4, 2),
        confidences(4000, 5, 4, 3),
    )
    points, truth = np.r_[member, nonmember][:, None], np.repeat([1, 0], 1000)
    reference = SVC(C=3, gamma="auto").fit(points, truth).predict(target[:, None]) == 1
    machine = fit_rbf_svm(points, truth == 1, C=3, gamma=1.0)
    assert machine.solver == "low-rank"
    assert (machine.predict(target[:, None]) == reference).mean() >= 0.995
    assert metrics.membership_attack(member, nonmember, target) == pytest.approx(
        1 - reference.mean(), abs=0.005
    )


def probability_rows(count, scale, seed, classes=10):
    draws = np.random.default_rng(seed)
    logits = draws.normal(0, 2, (count, classes))
    logits[np.arange(count), draws.integers(0, classes, count)] += draws.normal(scale, 2, count)
    return torch.softmax(torch.from_numpy(logits), 1).numpy()


def test_attack_agrees_with_scikit_learn_on_probability_vectors():
    member, nonmember, target = (
        probability_rows(1000, 9, 1),
        probability_rows(1000, 6, 2),
        probability_rows(3000, 6, 3),
    )
    points, truth = np.r_[member, nonmember], np.repeat([1, 0], 1000)
    reference = SVC(C=3, gamma="auto").fit(points, truth).predict(target) == 1
    machine = fit_rbf_svm(points, truth == 1, C=3, gamma=0.1)
    assert machine.solver == "low-rank"
    assert (machine.predict(target) == reference).mean() >= 0.995


def test_attack_at_10000_and_10000_points_is_fast():
    member, nonmember, target = (
        confidences(10_000, 8, 2.5, 1),
        confidences(10_000, 5, 4, 2),
        confidences(1000, 5, 4, 3),
    )
    begin = time.process_time()  # of this process, so that a busy machine does not fail the test
    share = metrics.membership_attack(member, nonmember, target, solver="low-rank")
    assert time.process_time() - begin < 5
    assert 0.1 < share < 0.9


def test_no_low_rank_means_the_pairwise_solver():
    points = np.random.default_rng(0).normal(size=(600, 40))
    truth = points[:, 0] > 0
    with pytest.raises(NotSolvedError, match="rank"):
        low_rank(points, 5.0, tol=1e-5, max_rank=200)
    with pytest.raises(NotSolvedError):
        fit_rbf_svm(
            np.r_[points, points + 0.01], np.r_[truth, truth], C=3, gamma=50.0, solver="low-rank"
        )
    assert (
        fit_rbf_svm(np.r_[points, points + 0.01], np.r_[truth, truth], C=3, gamma=50.0).solver
        == "pairwise"
    )


def test_the_factor_reproduces_the_kernel():
    points = probability_rows(300, 5, 0)
    factor, features = low_rank(points, 0.1, tol=1e-8)
    assert np.abs(factor @ factor.T - rbf(points, points, 0.1)).max() < 1e-7
    assert np.allclose(features(points), factor, atol=1e-5)
    assert factor.shape[1] < 300


def test_equal_features_say_nothing_and_crash_nothing():
    same = np.full(30, 0.5)
    assert metrics.membership_attack(same, same, same) == 0
    assert metrics.membership_attack(same, same, same, solver="pairwise") == 0
    assert metrics.membership_attack(np.ones(1), np.zeros(1), np.zeros(3)) == 1


def test_sides_are_balanced_by_a_seeded_draw():
    member, nonmember = confidences(2000, 5, 4, 1), confidences(300, 5, 4, 2)
    first = metrics.membership_attack(member, nonmember, nonmember, seed=1)
    assert first == metrics.membership_attack(member, nonmember, nonmember, seed=1)
    # Seven members to one non-member of the same distribution: without the draw everything is
    # called a member.
    assert metrics.membership_attack(member, nonmember, nonmember, balance=False) < 0.05
    many = {metrics.membership_attack(member, nonmember, nonmember, seed=seed) for seed in range(6)}
    assert len(many) > 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"member": np.zeros((0, 2))}, "member"),
        ({"target": np.array([[np.nan, 0.0]])}, "NaN"),
        ({"target": np.zeros((3, 3))}, "same number of features"),
        ({"C": 0}, "C must be"),
        ({"gamma": -1.0}, "gamma must be"),
        ({"solver": "low-rnk"}, "did you mean 'low-rank'"),
        ({"member": "abc"}, "member must be numbers"),
        ({"target": [[1.0, 2.0], [3.0]]}, "target must be numbers"),
    ],
)
def test_bad_input_is_named(change, word):
    arguments = {
        "member": np.zeros((4, 2)),
        "nonmember": np.ones((4, 2)),
        "target": np.ones((4, 2)),
        **change,
    }
    with pytest.raises(InputError, match=word):
        metrics.membership_attack(**arguments)


def test_logits_instead_of_probabilities_are_refused():
    with pytest.raises(InputError, match="softmax"):
        metrics.entropy(torch.tensor([[3.0, -1.0]]))
    with pytest.raises(InputError, match="probabilities must be numbers"):
        metrics.entropy("abc")
