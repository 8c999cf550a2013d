"""Seeds needed to tell two methods apart: against simulation, tables and limits."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from salun_utils.errors import InputError
from salun_utils.metrics.power import power, seeds_needed, smallest_difference, spread_interval


def test_power_is_the_share_of_simulated_tests_that_find_the_difference():
    draws = np.random.default_rng(0).normal(0.8, 1.0, (20_000, 8))
    found = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert power(0.8, 1.0, 8) == pytest.approx(found, abs=0.01)


def test_power_of_no_difference_is_alpha():
    assert power(0.0, 2.0, 5) == pytest.approx(0.05, abs=1e-6)


# Cohen's small, medium and large effect, G*Power
@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_needed_agree_with_published_tables(effect, n):
    assert seeds_needed(effect, 1.0) == n


def test_seeds_needed_is_the_fewest_and_depends_on_the_ratio_alone():
    n = seeds_needed(1.3, 1.0)
    assert power(1.3, 1.0, n) >= 0.8 > power(1.3, 1.0, n - 1)
    assert seeds_needed(-13.0, 10.0) == n


def test_limits():
    assert seeds_needed(0.0, 1.0) == math.inf
    assert seeds_needed(1e-6, 1.0) == math.inf
    assert seeds_needed(1.0, 0.0) == 2
    assert seeds_needed(1000.0, 1.0) == 2


def test_the_smallest_difference_is_the_inverse():
    found = smallest_difference(12, 1.5)
    assert power(found, 1.5, 12) == pytest.approx(0.8, abs=1e-6)


def test_the_interval_of_a_spread_covers_it_as_often_as_it_says():
    spreads = np.random.default_rng(1).normal(0, 2.0, (4000, 5)).std(axis=1, ddof=1)
    low, high = (
        np.array([getattr(spread_interval(s, 5), end) for s in spreads]) for end in ("low", "high")
    )
    assert ((low <= 2.0) & (high >= 2.0)).mean() == pytest.approx(0.95, abs=0.015)
    assert math.isnan(spread_interval(1.0, 1).low)


UNANSWERABLE = [
    (power, (1, 0, 5)),
    (power, (1, 1, 1)),
    (seeds_needed, (math.nan, 1)),
    (seeds_needed, (1, -1)),
    (power, (math.nan, 1, 5)),
    (spread_interval, (-1, 5)),
    (spread_interval, (math.nan, 5)),
    (partial(spread_interval, level=95), (1, 5)),
    (partial(smallest_difference, wanted=1.5), (5, 1.0)),
    (partial(smallest_difference, wanted=0.01), (5, 1.0)),
]


@pytest.mark.parametrize(("function", "given"), UNANSWERABLE)
def test_what_has_no_answer_raises(function, given):
    with pytest.raises(InputError):
        function(*given)
