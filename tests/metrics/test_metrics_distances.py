"""Distances against hand calculations and the invariances that define them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import linalg
from scipy.stats import ortho_group

import salun_utils.metrics as metrics
from salun_utils.errors import InputError
from salun_utils.metrics.distances import Gaussian, frechet_distance


@pytest.fixture
def draws():
    return np.random.default_rng(0)


def test_cka_by_hand():
    # centred columns a = (-1, 0, 1), b = (1, -2, 1) and c = (-2, 1, 1): aᵀb = 0; aᵀc = 3, |a|² = 2,
    # |c|² = 6: 9 / 12
    a, b, c = ([[0.0], [1], [2]], [[2.0], [-1], [2]], [[0.0], [3], [3]])
    assert metrics.linear_cka(np.array(a), np.array(b)) == pytest.approx(0, abs=1e-12)
    assert metrics.linear_cka(np.array(a), np.array(c)) == pytest.approx(3**2 / (2 * 6))


def test_cka_invariances(draws):
    a, b = draws.normal(size=(200, 6)), draws.normal(size=(200, 9))
    value = metrics.linear_cka(a, b)
    turned = a @ ortho_group.rvs(6, random_state=0) * 3.7 + 5
    assert metrics.linear_cka(a, a) == pytest.approx(1) and metrics.linear_cka(
        a, turned
    ) == pytest.approx(1)
    assert (
        metrics.linear_cka(turned, b)
        == pytest.approx(value)
        == pytest.approx(metrics.linear_cka(b, a))
    )
    assert 0 < value < 0.2
    # it is not invariant to a scale for each feature
    stretched = a * np.array([1, 1, 1, 1, 1, 20.0])
    assert metrics.linear_cka(a, stretched) < 0.6


def test_cka_of_more_features_than_inputs_is_the_same_formula(draws):
    a, b = draws.normal(size=(20, 30)), draws.normal(size=(20, 25))
    x, y = a - a.mean(0), b - b.mean(0)
    direct = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert metrics.linear_cka(a, b) == pytest.approx(direct)


def test_klom_by_hand():
    # one example, two bins over 0 … 2 (edge at 1): ours 0, 0, 0, 2 -> (¾, ¼); oracle 0, 2, 2, 2 ->
    # (¼, ¾)
    ours, oracle = np.array([[0.0], [0], [0], [2]]), np.array([[0.0], [2], [2], [2]])
    expected = 0.75 * math.log(0.75 / 0.25) + 0.25 * math.log(0.25 / 0.75)
    assert metrics.klom(ours, oracle, bins=2) == pytest.approx([expected])


def test_klom_of_apart_and_of_equal_ensembles(draws):
    ours = draws.normal(size=(50, 7))
    assert metrics.klom(ours, ours) == pytest.approx(np.zeros(7), abs=1e-12)
    apart = metrics.klom(ours, ours + 1000, clip=1e6)
    # every oracle bin that matters is empty: the floor, 11.5
    assert apart == pytest.approx(np.full(7, -math.log(1e-5)), rel=0.03)
    assert metrics.klom(np.zeros((4, 1)), np.zeros((4, 1))) == [0]
    wild = metrics.klom(np.full((4, 1), 1e9), np.full((4, 1), 2e9))  # both are clipped to 100
    assert wild == [0]


def test_normal_klom_by_hand(draws):
    # N(0, 1) against N(3, 2): log 2 + (1 + 9) / 8 - ½
    ours, oracle = (draws.normal(size=(4000, 1)) for _ in range(2))
    ours, oracle = (
        (ours - ours.mean()) / ours.std(ddof=1),
        (oracle - oracle.mean()) / oracle.std(ddof=1) * 2 + 3,
    )
    assert metrics.klom(ours, oracle, estimator="normal") == pytest.approx(
        [math.log(2) + 10 / 8 - 0.5]
    )


def test_klom_is_not_symmetric_and_grows_with_the_distance(draws):
    ours, oracle = draws.normal(0, 1, (200, 5)), draws.normal(0, 1, (200, 5))
    near, far = metrics.klom(ours + 0.3, oracle).mean(), metrics.klom(ours + 3, oracle).mean()
    assert metrics.klom(ours, oracle).mean() < near < far
    wide = metrics.klom(ours * 4, oracle, estimator="normal").mean()
    assert wide > 2 * metrics.klom(oracle, ours * 4, estimator="normal").mean()


def test_frechet_distance_of_two_known_gaussians():
    # moments are exact: |μ|² + Σ (σ_a - σ_b)² for diagonal covariances
    value = metrics.frechet_from_moments([0, 0], np.diag([1.0, 4.0]), [3, 4], np.diag([9.0, 4.0]))
    assert value == pytest.approx(3**2 + 4**2 + (1 - 3) ** 2)
    one = metrics.frechet_from_moments(1.0, 4.0, 3.0, 25.0)
    assert one == pytest.approx((1 - 3) ** 2 + (2 - 5) ** 2)


def test_frechet_distance_from_samples(draws):
    a, b = draws.normal(0, 1, (40_000, 3)), draws.normal(0.5, 2, (40_000, 3))
    assert metrics.frechet_distance(a, b) == pytest.approx(3 * 0.5**2 + 3 * (1 - 2) ** 2, rel=0.03)


def test_frechet_distance_equals_the_formula_with_the_matrix_root(draws):
    a, b = draws.normal(size=(300, 5)) @ draws.normal(size=(5, 5)), draws.normal(size=(300, 5)) + 1
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    direct = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * linalg.sqrtm(s @ t).real)
    assert metrics.frechet_distance(a, b) == pytest.approx(direct)
    assert metrics.frechet_distance(a, b) == pytest.approx(metrics.frechet_distance(b, a), rel=1e-7)


def test_frechet_distance_is_zero_for_equal_sets_even_if_singular(draws):
    few = draws.normal(size=(10, 64))  # ten pictures, 64 features: the covariance has rank 9
    assert metrics.frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(few, few[::-1]) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(few, few + 2) == pytest.approx(64 * 4)


def test_kernel_distance_by_hand():
    # D = 1, kernel (xy + 1)³; a = 0, 1 and b = 0, 2: k(0, 1) = 1 within a, k(0, 2) = 1 within b;
    # across 1, 1, 1, 3³ = 27
    value, spread = metrics.kernel_distance(np.array([[0.0], [1]]), np.array([[0.0], [2]]))
    assert value == pytest.approx(1 + 1 - 2 * (1 + 1 + 1 + 27) / 4) and spread == 0


def test_kernel_distance_is_unbiased_and_sees_a_shift(draws):
    a, b = draws.normal(size=(400, 8)), draws.normal(size=(400, 8))
    same, spread = metrics.kernel_distance(a, b, subset_size=100, subsets=30)
    shifted, _ = metrics.kernel_distance(a, b + 1, subset_size=100, subsets=30)
    assert abs(same) < 2 * spread and shifted > 10 * abs(same)
    assert metrics.kernel_distance(a, b, subset_size=100, subsets=3) == metrics.kernel_distance(
        a, b, subset_size=100, subsets=3
    )


def test_linear_probe_finds_what_is_there_and_chance_on_noise(draws):
    y, y_test = draws.integers(0, 4, 600), draws.integers(0, 4, 2000)
    code = draws.normal(size=(4, 10)) * 4
    assert (
        metrics.linear_probe(
            code[y] + draws.normal(size=(600, 10)),
            y,
            code[y_test] + draws.normal(size=(2000, 10)),
            y_test,
        )
        > 98
    )
    random = metrics.linear_probe(
        draws.normal(size=(600, 10)), y, draws.normal(size=(2000, 10)), y_test
    )
    assert abs(random - 25) < 4 * 100 * math.sqrt(0.25 * 0.75 / 2000)  # four standard errors


NAN = float("nan")


def probe(**change):
    given = {"labels_train": np.array([0, 1, 0]), "labels_test": np.array([0, 1, 0])} | change
    return metrics.linear_probe(features_train=np.eye(3), features_test=np.eye(3), **given)


def test_half_precision_is_read_as_any_other():
    a, b = torch.eye(4)[:, :2], torch.eye(4)[:, 1:]
    assert metrics.linear_cka(a.bfloat16(), b.bfloat16()) == metrics.linear_cka(a, b)
    assert metrics.membership_attack(*3 * [a.bfloat16()]) == metrics.membership_attack(*3 * [a])
    assert probe() == probe(labels_train=torch.tensor([0, 1, 0])) == probe(labels_train=[0, 1, 0])


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: metrics.linear_cka(np.zeros((3, 2)), np.zeros((4, 2))), "same inputs"),
        (lambda: metrics.linear_cka(np.ones((3, 2)), np.eye(3)), "same for every input"),
        # its mean is 0.1 up to rounding
        (lambda: metrics.linear_cka(np.eye(50), np.full((50, 2), 0.1)), "same for every input"),
        (lambda: metrics.klom(np.zeros((3, 2)), np.zeros((3, 4))), "same examples"),
        (lambda: metrics.klom(np.zeros((3, 2)), np.zeros((3, 2)), estimator="hist"), "histogram"),
        (
            lambda: metrics.frechet_distance(np.zeros((3, 2)), np.zeros((3, 4))),
            "number of features",
        ),
        (lambda: metrics.frechet_distance(np.zeros((1, 2)), np.zeros((3, 2))), "2 rows"),
        (lambda: metrics.frechet_distance(np.full((3, 2), np.nan), np.zeros((3, 2))), "NaN"),
        (
            lambda: metrics.linear_probe(
                np.zeros((3, 2)), np.zeros(3), np.zeros((3, 2)), np.zeros(3)
            ),
            "2 classes",
        ),
        (lambda: metrics.linear_cka("abc", np.eye(3)), "a must be numbers"),
        (lambda: metrics.linear_cka([["1", "2"], ["3", "4"]], np.eye(2)), "a must be numbers"),
        (lambda: metrics.linear_cka([[1.0, 2.0], [3.0]], np.eye(2)), "a must be numbers"),
        (lambda: metrics.frechet_from_moments([0, NAN], np.eye(2), [0, 0], np.eye(2)), "NaN"),
        (lambda: metrics.frechet_from_moments([0, 0], np.eye(3), [0, 0], np.eye(2)), "shapes"),
        (lambda: metrics.frechet_from_moments([0], [[1]], [0, 0], np.eye(2)), "same number"),
        (
            lambda: metrics.klom(np.zeros((3, 2)), np.ones((3, 2)), clip=-1),
            "clip must be a number above 0",
        ),
        (
            lambda: metrics.klom(np.zeros((3, 2)), np.ones((3, 2)), clip=NAN),
            "clip must be a number above 0",
        ),
        (lambda: metrics.klom(np.zeros((3, 2)), np.ones((3, 2)), bins=0), "bins must be"),
        (lambda: metrics.klom(np.zeros((3, 2)), np.ones((3, 2)), floor=0), "floor"),
        (lambda: probe(labels_test=np.zeros((3, 1))), r"labels \(M,\)"),
        (lambda: probe(labels_train=np.array([0, 1, 0.5])), "whole numbers"),
        (lambda: probe(labels_train=["a", "b", "a"]), "labels_train must be numbers"),
        (lambda: probe(C=0), "C must be a number above 0"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(InputError, match=word):
        call()


def test_a_probe_passes_over_features_that_never_vary():
    draws = np.random.default_rng(0)
    labels = np.arange(100) % 2
    telling = labels[:, None] + draws.normal(0, 0.1, (100, 1))
    train, test = (np.hstack([telling, np.full((100, 1), value)]) for value in (0.1, 0.2))
    assert train[:, 1].std() > 0  # rounding
    assert metrics.linear_probe(train, labels, test, labels) > 95


def test_a_fitted_gaussian_gives_the_same_distance_with_few_or_many_rows():
    draws = np.random.default_rng(3)
    many, few = draws.normal(size=(200, 6)), draws.normal(1.0, 2.0, size=(4, 6))
    fitted = Gaussian.fit(many)
    for rows in (few, draws.normal(0.5, 1.5, size=(50, 6))):
        assert fitted.distance(rows) == pytest.approx(frechet_distance(rows, many), rel=1e-7)
    assert fitted.distance(many) == 0
    with pytest.raises(InputError, match="at least 2 rows of 6 features"):
        fitted.distance(few[:, :3])
