"""Intervals and paired tests against values that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import salun_utils.metrics as metrics
from salun_utils.errors import InputError


def test_permutation_p_by_hand():
    # differences 1, 2, 3: of the 8 sign patterns only + + + and - - - reach a sum of 6 in size
    found = metrics.paired_test([2, 4, 6], [1, 2, 3])
    assert found.difference == 2 and found.n == 3 and found.wins == 3 and found.exact
    assert found.p == 2 / 8 == found.smallest_p
    # differences 3, -1, 2, 2: the sum is 6; sums of 6 or more in size: all plus (8), minus on the 1
    # (6), and their opposites
    assert metrics.paired_test([3, -1, 2, 2], [0, 0, 0, 0]).p == 4 / 16


def test_permutation_p_equals_scipys_exact_test():
    differences = np.random.default_rng(0).normal(0.4, 1, 9)
    ours = metrics.paired_test(differences, np.zeros(9)).p
    theirs = stats.permutation_test(
        (differences,),
        np.sum,
        permutation_type="samples",
        n_resamples=10_000,
        alternative="two-sided",
    ).pvalue
    assert ours == pytest.approx(theirs)


def test_sampled_test_is_close_to_the_exact_one_and_never_zero():
    differences = np.random.default_rng(1).normal(0.45, 1, 16)
    exact = metrics.paired_test(differences, np.zeros(16))
    # a pair without difference changes no sum
    doubled = metrics.paired_test(np.append(differences, 0), np.zeros(17))
    assert exact.exact and not doubled.exact
    assert doubled.p == pytest.approx(exact.p, abs=0.015)
    assert 0 < metrics.paired_test(np.full(40, 1.0), np.zeros(40)).p <= 2 / 10_000


def test_three_seeds_cannot_reach_five_percent_and_the_verdict_says_so():
    verdict = metrics.significance([1.0, 1.1, 0.9], [9.0, 9.2, 8.9], names=("SalUn", "FT"))
    assert verdict.answer == "too few" and verdict.p == 0.25
    assert "cannot show that SalUn beats FT" in verdict.text and "0.25" in verdict.text
    assert (
        metrics.paired_test([1.0] * 5, [2.0] * 5).smallest_p
        > 0.05
        > metrics.paired_test([1.0] * 6, [2.0] * 6).smallest_p
    )


def test_verdict_follows_the_direction():
    small, large = np.linspace(1, 1.5, 8), np.linspace(3, 4, 8)
    assert metrics.significance(small, large, names=("A", "B")).answer == "yes"
    assert metrics.significance(small, large, names=("A", "B"), better="higher").answer == "no"
    assert metrics.significance(large, small, names=("A", "B")).text.startswith("B beats A")
    noise = np.array([0.1, -0.1] * 4)
    assert metrics.significance(small + noise, small, names=("A", "B")).answer == "undecided"


def test_values_are_paired_by_seed():
    a = {0: 1.0, 1: 2.0, 2: 3.0, 7: 50.0}
    b = {2: 30.0, 1: 20.0, 0: 10.0, 9: -50.0}
    found = metrics.paired_test(a, b)
    assert found.n == 3 and found.difference == pytest.approx((1 - 10 + 2 - 20 + 3 - 30) / 3)
    with pytest.raises(InputError, match="no seed in common"):
        metrics.paired_test({0: 1.0}, {1: 1.0})


def test_effect_is_the_mean_over_the_standard_deviation():
    differences = [1.0, 2.0, 3.0]
    assert metrics.paired_test(differences, [0, 0, 0]).effect == pytest.approx(2 / 1)
    assert metrics.paired_test([1, 1], [1, 1]).effect == 0
    assert metrics.paired_test([1, 1], [2, 2]).effect == -math.inf
    assert math.isnan(metrics.paired_test([1], [2]).effect)


def test_no_difference_at_all():
    found = metrics.paired_test([1, 2, 3], [1, 2, 3])
    assert found.p == found.p_wilcoxon == 1 and found.interval == (0, 0)


def test_wilcoxon_by_hand():
    # six differences, all positive: the smallest of 2**6 rank sums on either side, 2 / 64
    assert metrics.paired_test([1, 2, 3, 4, 5, 6], [0] * 6).p_wilcoxon == pytest.approx(2 / 64)


def test_holm_by_hand():
    # ordered 0.01, 0.02, 0.04: times 3, 2, 1 gives 0.03, 0.04, 0.04
    assert metrics.holm({"a": 0.04, "b": 0.01, "c": 0.02}) == pytest.approx(
        {"a": 0.04, "b": 0.03, "c": 0.04}
    )
    assert metrics.holm([0.9, 0.8]) == [1, 1]
    # the second is never below the first
    assert metrics.holm([0.03, 0.02]) == pytest.approx([0.04, 0.04])
    assert metrics.holm([]) == []
    with pytest.raises(InputError):
        metrics.holm([1.2])


def test_a_family_is_corrected():
    base = np.linspace(0, 1, 7)
    jitter = np.array([0.1, -0.2, 0.3, 0.1, -0.1, 0.2, 0.05])
    values = {
        "salun": base,
        **{
            name: base + 2 + shift + jitter
            for name, shift in (("ft", 0), ("ga", 1), ("rl", 2), ("iu", 3))
        },
    }
    single = metrics.significance(values["salun"], values["ft"])
    family = metrics.compare_with(values, "salun")
    assert set(family) == {"ft", "ga", "rl", "iu"}
    assert single.answer == "yes" and single.p == 2 / 2**7
    assert family["ft"].p == pytest.approx(4 * 2 / 2**7) and family["ft"].answer == "too few"
    assert "Holm" in family["ft"].text


def test_too_few_is_what_no_outcome_of_the_family_could_have_decided():
    """Six pairs give p = 1/32 at best, and keep it where a test of ten pairs comes before them."""
    ours = {seed: 0.01 * seed**2 for seed in range(10)}
    near = {seed: value + 0.001 * (-1) ** seed for seed, value in ours.items()}
    far = dict.fromkeys(range(10), 1.0)
    few = {seed: far[seed] for seed in range(6)}
    decided = metrics.compare_with({"ours": ours, "few": few, "far": far}, "ours")["few"]
    assert decided.answer == "yes" and decided.p == 1 / 32
    open_ = metrics.compare_with({"ours": ours, "few": few, "near": near}, "ours")["few"]
    assert open_.answer == "undecided" and open_.p == 1 / 16 and "no evidence" in open_.text
    alike = metrics.compare_with({"ours": few, "a": near, "b": near}, "ours")
    assert {v.answer for v in alike.values()} == {"too few"}


def test_drawn_sign_patterns_can_be_too_few_as_well():
    a, b = np.arange(20.0), np.arange(20.0) + 1
    drawn = metrics.significance(a, b, resamples=10)
    assert drawn.test.smallest_p == drawn.p == 1 / 11 and drawn.answer == "too few"
    assert metrics.paired_test(a, b).smallest_p == 1 / 10_001
    assert metrics.paired_test(a[:16], b[:16]).smallest_p == 2.0**-15


def test_bootstrap_interval_covers_and_is_seeded():
    values = np.random.default_rng(0).normal(5, 2, 200)
    low, high = metrics.bootstrap_interval(values)
    half = 1.96 * values.std() / math.sqrt(200)
    assert low == pytest.approx(values.mean() - half, abs=0.05) and high == pytest.approx(
        values.mean() + half, abs=0.05
    )
    assert metrics.bootstrap_interval(values) == (low, high)
    assert metrics.bootstrap_interval(values, seed=1) != (low, high)
    narrow = metrics.bootstrap_interval(values, level=0.5)
    assert low < narrow.low < narrow.high < high
    assert metrics.bootstrap_interval([3.0, 3.0, 3.0]) == (3, 3)
    assert all(math.isnan(end) for end in metrics.bootstrap_interval([3.0]))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: metrics.bootstrap_interval([]), "at least one"),
        (lambda: metrics.bootstrap_interval([1.0, float("nan")]), "NaN"),
        (lambda: metrics.bootstrap_interval(["1", "2"]), "values must be numbers"),
        (lambda: metrics.bootstrap_interval([1.0, [2.0]]), "values must be numbers"),
        (lambda: metrics.bootstrap_interval([1.0, 2.0], level=95), "level"),
        (lambda: metrics.paired_test([1, 2], [1, 2, 3]), "2 and 3"),
        (lambda: metrics.significance([1, 2], [1, 2], better="smaller"), "lower"),
        (lambda: metrics.compare_with({"ft": [1.0]}, "salum"), "unknown name"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(InputError, match=word):
        call()


def test_pairs_without_a_common_side_are_corrected_for_their_number():
    up = {s: float(s) for s in range(12)}
    higher = {s: v + 1 + 0.01 * s for s, v in up.items()}
    pairs = {"a": (higher, up), "b": (up, higher), "c": (up, dict(up))}
    found = metrics.compare_pairs(pairs, better="higher")
    assert [found[n].answer for n in "abc"] == ["yes", "no", "undecided"]
    assert found["a"].p == pytest.approx(3 * 2 / 2**12)
    assert metrics.compare_pairs({"a": pairs["a"]}, better="higher")["a"].p == pytest.approx(
        2 / 2**12
    )
    few = {s: v for s, v in higher.items() if s < 5}
    assert metrics.compare_pairs({"a": (few, up)}, better="higher")["a"].answer == "too few"
    assert metrics.compare_pairs({}) == {}
