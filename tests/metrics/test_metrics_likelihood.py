"""Likelihood ratios, curves and rates against their analytic values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

import salun_utils.metrics as metrics
from salun_utils.errors import InputError


def test_margin_by_hand():
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    assert metrics.margin(logits, torch.tensor([0])).item() == pytest.approx(
        2 - math.log(math.e + 1)
    )
    p = logits.double().softmax(1)[0, 1]
    assert metrics.margin(logits, torch.tensor([1])).item() == pytest.approx(math.log(p / (1 - p)))
    # p is 1 in any float, the margin is still right
    sure = metrics.margin(torch.tensor([[1000.0, 0.0]]), torch.tensor([0]))
    assert sure.item() == 1000


def test_likelihood_ratio_by_hand():
    # "in" is 1 and 3: mean 2, variance 2; "out" is -1 and 1: mean 0, variance 2. At 2: -(0²)/4 +
    # (2²)/4 = 1
    found = metrics.likelihood_ratio(
        np.array([[1.0], [3]]), np.array([[-1.0], [1]]), np.array([2.0]), variance="per-example"
    )
    assert found == pytest.approx([1.0])
    # in other words log N(2; 2, √2) - log N(2; 0, √2)
    assert found == pytest.approx(norm.logpdf(2, 2, math.sqrt(2)) - norm.logpdf(2, 0, math.sqrt(2)))


def test_pooled_variance_is_the_mean_of_all_examples():
    scores_in = np.array([[0.0, 10.0], [2.0, 14.0]])  # variances 2 and 8: pooled 5
    scores_out = np.array([[-1.0, 0.0], [1.0, 2.0]])  # variances 2 and 2: pooled 2
    found = metrics.likelihood_ratio(scores_in, scores_out, np.array([1.0, 1.0]), variance="pooled")
    expected = [
        norm.logpdf(1, 1, math.sqrt(5)) - norm.logpdf(1, 0, math.sqrt(2)),
        norm.logpdf(1, 12, math.sqrt(5)) - norm.logpdf(1, 1, math.sqrt(2)),
    ]
    assert found == pytest.approx(expected)
    # "auto" with 2 models
    assert metrics.likelihood_ratio(scores_in, scores_out, np.array([1.0, 1.0])) == pytest.approx(
        expected
    )


def test_missing_shadow_scores_are_left_out():
    nan = float("nan")
    full = metrics.likelihood_ratio(
        np.array([[1.0], [3]]), np.array([[-1.0], [1]]), np.array([2.0]), variance="per-example"
    )
    holes = metrics.likelihood_ratio(
        np.array([[1.0], [nan], [3]]),
        np.array([[nan], [-1.0], [1]]),
        np.array([2.0]),
        variance="per-example",
    )
    assert full == pytest.approx(holes)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.5])
def test_two_known_gaussians_give_the_analytic_auc_within_the_interval(distance):
    """Each example's means are `distance` standard deviations apart: AUC = Φ(distance / √2)."""
    draws = np.random.default_rng(5)
    examples, models = 4000, 64
    centre, spread = draws.normal(0, 3, examples), draws.uniform(0.5, 2, examples)
    scores_out = centre + spread * draws.normal(size=(models, examples))
    scores_in = centre + spread * (distance + draws.normal(size=(models, examples)))
    member = np.arange(examples) < examples // 2
    observed = centre + spread * (distance * member + draws.normal(size=examples))
    found = metrics.audit(metrics.likelihood_ratio(scores_in, scores_out, observed), member)
    analytic = norm.cdf(distance / math.sqrt(2))
    slack = 0.01  # means and variances estimated from 64 models cost a little of the ideal attack
    assert found.auc_interval.low - slack <= analytic <= found.auc_interval.high + slack
    # TPR at FPR f is Φ(distance - z) with z the upper quantile of f
    assert found.tpr[0.01] == pytest.approx(norm.cdf(distance - norm.isf(0.01)), abs=0.06)
    # One threshold for all examples sees much less: they differ more from one another than "in"
    # from "out"
    if distance:
        assert metrics.auc(observed, member) < found.auc - 0.05


def test_without_in_models_the_score_is_a_number_of_standard_deviations():
    scores_out = np.array([[0.0, 5.0], [2.0, 9.0]])
    found = metrics.likelihood_ratio(None, scores_out, np.array([3.0, 7.0]), variance="per-example")
    assert found == pytest.approx([(3 - 1) / math.sqrt(2), 0])


def test_equal_shadow_scores_do_not_divide_by_zero():
    found = metrics.likelihood_ratio(np.ones((4, 1)), np.zeros((4, 1)), np.array([1.0]))
    assert np.isfinite(found).all() and found[0] > 0


def test_many_audited_models_at_once():
    draws = np.random.default_rng(0)
    inside, outside, observed = (
        draws.normal(size=(40, 6)),
        draws.normal(size=(40, 6)),
        draws.normal(size=(3, 6)),
    )
    rows = np.stack([metrics.likelihood_ratio(inside, outside, row) for row in observed])
    assert metrics.likelihood_ratio(inside, outside, observed) == pytest.approx(rows)


def test_roc_by_hand():
    # scores 3 (member), 2 (member and non-member), 1 (non-member): the tie is passed in one step,
    # through (½, 1)
    curve = metrics.roc([3, 2, 2, 1], [True, True, False, False])
    assert curve.fpr.tolist() == [0, 0, 0.5, 1] and curve.tpr.tolist() == [0, 0.5, 1, 1]
    assert curve.thresholds.tolist() == [math.inf, 3, 2, 1]
    # pairs (member, non-member): 3 > 2, 3 > 1, 2 = 2, 2 > 1
    assert metrics.auc([3, 2, 2, 1], [True, True, False, False]) == (1 + 1 + 0.5 + 1) / 4


def test_auc_equals_the_share_of_ordered_pairs_with_ties():
    draws = np.random.default_rng(0)
    scores, member = draws.integers(0, 6, 300).astype(float), draws.random(300) < 0.4
    assert metrics.auc(scores, member) == pytest.approx(roc_auc_score(member, scores))
    assert metrics.auc(-scores, member) == pytest.approx(1 - metrics.auc(scores, member))
    assert metrics.auc(np.zeros(300), member) == 0.5


def test_tpr_at_fpr_does_not_interpolate():
    # four non-members: an FPR of 0.1 allows none of them, 0.25 allows one
    scores, member = [9, 8, 7, 6, 5, 4, 3, 2], [True, False, True, False, True, True, False, False]
    assert metrics.tpr_at_fpr(scores, member, 0.1) == 1 / 4
    assert metrics.tpr_at_fpr(scores, member, 0.25) == 2 / 4
    assert metrics.tpr_at_fpr(scores, member, 0.5) == 1


def test_intervals_shrink_with_the_number_of_examples_and_are_seeded():
    draws = np.random.default_rng(0)

    def score(n):
        return (
            np.r_[draws.normal(1, 1, n), draws.normal(0, 1, n)],
            np.arange(2 * n) < n,
        )

    small, large = (
        metrics.audit(*score(100), resamples=300),
        metrics.audit(*score(2500), resamples=300),
    )

    def width(found):
        return found.auc_interval.high - found.auc_interval.low

    # the standard error falls with √n: by about 5
    assert 3 < width(small) / width(large) < 8
    example = score(50)
    assert metrics.audit(*example) == metrics.audit(*example)
    assert metrics.audit(*example).members == 50


@pytest.mark.parametrize("member", [[1, 0, 0], [0, 1, 0]])
def test_equal_infinite_scores_are_ties(member):
    inf = float("inf")
    assert metrics.auc([inf, inf, 0], member) == metrics.auc([1, 1, 0], member) == 0.75
    assert metrics.auc([-inf, -inf, 0], [1, 0, 0]) == metrics.auc([-1, -1, 0], [1, 0, 0])


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: metrics.roc([1, 2], [True, True]), "at least one"),
        (lambda: metrics.roc([1, float("nan")], [True, False]), "NaN"),
        (lambda: metrics.tpr_at_fpr([1, 2], [True, False], 2), "false-positive"),
        (lambda: metrics.auc([1, 2, 3], [1, 0, float("nan")]), "is_member"),
        (lambda: metrics.auc([1, 2, 3], [1, 0, 0.3]), "True and False"),
        (lambda: metrics.auc([1, 2, 3], [1, 0, -1]), "True and False"),
        (lambda: metrics.auc(["1", "2"], [1, 0]), "scores must be numbers"),
        (
            lambda: metrics.likelihood_ratio(np.zeros((3, 2)), np.zeros((3, 4)), np.zeros(4)),
            "scores_in",
        ),
        (
            lambda: metrics.likelihood_ratio(np.zeros((1, 2)), np.zeros((3, 2)), np.zeros(2)),
            "too few",
        ),
        (
            lambda: metrics.likelihood_ratio(
                np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(2), variance="poled"
            ),
            "did you mean 'pooled'",
        ),
        (lambda: metrics.margin(torch.zeros(2, 1), torch.tensor([0, 0])), "2 classes"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(InputError, match=word):
        call()
