"""The forgetting score against two known normal distributions; its points and refusals by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

import salun_utils.metrics as metrics
from salun_utils.errors import InputError
from salun_utils.metrics.forgetting import points_of

MODELS = 10_000
DELTA = 0.2  # large enough for the best threshold to lie where so many networks measure well
COARSE = {"delta": DELTA, "step": 0.02}


def normals(mean: float, spread: float, *, models: int, pictures: int, seed: int) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).standard_normal((models, pictures))


def analytic(fpr: np.ndarray, fnr: np.ndarray) -> tuple[float, float]:
    """Epsilon over thresholds with these exact rates, and the standard error at the best of them
    of an estimate from MODELS networks of either kind.
    """
    one, two = (1 - DELTA - fpr) / fnr, (1 - DELTA - fnr) / fpr
    if two.max() > one.max():
        fpr, fnr, one = fnr, fpr, two
    best = one.argmax()
    fpr, fnr = fpr[best], fnr[best]
    variance = (1 - fnr) / fnr + fpr * (1 - fpr) / (1 - DELTA - fpr) ** 2
    return float(np.log(one[best])), float(np.sqrt(variance / MODELS))


CUTS = np.linspace(-3.0, 4.0, 2000)
# N(1, 1) against N(0, 1): one threshold
SHIFTED = analytic(norm.sf(CUTS), norm.cdf(CUTS - 1.0))
HALF = np.linspace(0.05, 4.0, 2000)
# N(0, s²) against N(0, (1.9 s)²): between two thresholds, -HALF and HALF times s
SHARPER = analytic(2 * norm.cdf(HALF / 1.9) - 1, 2 * norm.sf(HALF))


@pytest.mark.parametrize(
    ("ours", "reference", "expected"),
    [((1.0, 1.0), (0.0, 1.0), SHIFTED), ((0.0, 0.2), (0.0, 0.38), SHARPER)],
    ids=["mean", "spread"],
)
def test_epsilon_of_two_normals_is_the_analytic_one_within_its_interval(ours, reference, expected):
    """Every picture is another draw of the same two distributions. Four standard errors, since the
    largest over many thresholds is taken.
    """
    sides = [
        normals(*side, models=MODELS, pictures=6, seed=k)
        for k, side in enumerate((ours, reference))
    ]
    found = metrics.forgetting_score(*sides, **COARSE)
    epsilon, error = expected
    assert error < 0.07
    assert (abs(found.epsilon - epsilon) < 4 * error).all(), (found.epsilon, epsilon, error)
    assert found.points.tolist() == [0.5 ** np.floor(2 * epsilon)] * 6 == [0.5] * 6
    assert found.score == found.points[0] == found.interval.low == found.interval.high


def test_both_sides_are_alike():
    a, b = (normals(m, s, models=60, pictures=6, seed=k) for k, m, s in ((1, 0.7, 1), (2, 0, 2)))
    one, two = metrics.forgetting_score(a, b, step=0.05), metrics.forgetting_score(b, a, step=0.05)
    assert one.epsilon == pytest.approx(two.epsilon, abs=0.3)


def test_what_can_be_told_for_sure_and_what_not_at_all():
    reference = normals(0, 1, models=30, pictures=3, seed=0)
    ours = reference.copy()
    ours[:, 1] += 50  # apart
    ours[:, 2] = 0.0  # a point
    found = metrics.forgetting_score(ours, reference)
    assert found.epsilon[1] == found.epsilon[2] == 50 and found.points[1] == found.points[2] == 0
    assert found.epsilon[0] < 2.5
    assert metrics.forgetting_score(np.ones((3, 1)), np.ones((3, 1))).score == 1


def test_points_halve_with_every_bin_as_far_as_the_networks_can_measure():
    epsilon = np.array([0, 0.49, 0.5, 1.2, 6.9, 7.0, 50])
    assert points_of(epsilon, 512).tolist() == [1, 1, 0.5, 0.25, 2**-13, 0, 0]
    assert points_of(np.array([0.9, 1.0]), 3).tolist() == [0.5, 0]


def test_fewer_networks_score_less_surely():
    a, b = (normals(0.5, 1, models=100, pictures=4, seed=k) for k in range(2))
    found = metrics.forgetting_by_models(a, b, [10, 100], draws=3, step=0.1)
    assert found.keys() == {10, 100} and [len(s) for s in found.values()] == [3, 1]
    assert found[100] == [metrics.forgetting_score(a, b, step=0.1).score]
    assert found == metrics.forgetting_by_models(a, b, [10, 100], draws=3, step=0.1)
    with pytest.raises(InputError, match="counts must be whole numbers from 3 to 100, not 2"):
        metrics.forgetting_by_models(a, b, [2])
    with pytest.raises(InputError, match=r"counts must be whole .* not 3\.5"):
        metrics.forgetting_by_models(a, b, [3.5])
    with pytest.raises(InputError, match="draws must be a whole number, at least 1, not 0"):
        metrics.forgetting_by_models(a, b, [10], draws=0)


def test_at_the_defaults_networks_that_differ_score_too_high():
    """Of N(1, 1) against N(0, 1): 512 networks don't reach the tail where 1e-5 is decided."""
    cuts = np.linspace(-6, 7, 20_001)
    fpr, fnr = norm.sf(cuts), norm.cdf(cuts - 1)
    epsilon = np.log(np.maximum((1 - 1e-5 - fpr) / fnr, (1 - 1e-5 - fnr) / fpr).max())
    exact = float(points_of(np.array([epsilon]), 512)[0])
    assert epsilon == pytest.approx(4.4, abs=0.05) and exact == 2**-8
    a, b = (normals(m, 1.0, models=512, pictures=30, seed=k) for k, m in enumerate((1.0, 0.0)))
    found = metrics.forgetting_score(a, b)
    assert found.score == pytest.approx(0.019, abs=0.006)
    assert found.interval.low > 2 * exact  # which is over pictures, and leaves the exact one out


def test_the_final_score_pays_for_lost_accuracy():
    found = metrics.forgetting_score(np.ones((3, 1)), np.ones((3, 1)))
    assert found.final(ra=90, ta=40, retrain_ra=100, retrain_ta=80) == pytest.approx(0.45)
    with pytest.raises(InputError, match="accuracies"):
        found.final(ra=90, ta=40, retrain_ra=0, retrain_ta=80)


@pytest.mark.parametrize(
    ("ours", "options", "message"),
    [
        (np.ones((4, 2)), {}, "not shapes"),
        (np.ones((2, 2)), {}, "at least 3 networks"),
        (np.full((3, 2), np.nan), {}, "finite"),
        (np.ones((3, 2)), {"delta": 1}, "delta"),
        (np.ones((3, 2)), {"delta": "x"}, "delta"),
        (np.ones((3, 2)), {"step": 0}, "step"),
        (np.ones((3, 2)), {"step": None}, "step"),
    ],
)
def test_bad_input_is_refused_in_one_line(ours, options, message):
    reference = np.ones((2 if len(ours) == 2 else 3, 2))
    with pytest.raises(InputError, match=message):
        metrics.forgetting_score(ours, reference, **options)
