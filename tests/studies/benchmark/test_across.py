"""Methods across tasks, worked out by hand."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_records import made_run

from salun_utils.studies.benchmark.leaderboard import leaderboard
from salun_utils.studies.benchmark.ranking import across, places
from salun_utils.studies.benchmark.ranking.across import Across
from salun_utils.studies.benchmark.stability_pictures import performance_profiles


def arrays(*rows):
    return [np.array(row, dtype=float) for row in rows]


def test_pairs_of_runs_are_counted_within_each_task():
    # 3 of 4 pairs on the first task; on the second one of 2 is equal, which counts half
    assert across.probability(arrays([1, 3], [5]), arrays([2, 4], [5, 4])) == pytest.approx(
        (3 / 4 + 1 / 4) / 2
    )


def test_nobody_is_nearer_than_oneself():
    same = arrays([1, 2, 3], [4, 5])
    assert across.probability(same, same) == 0.5


def test_the_interval_holds_the_value_and_nothing_but_certainty_where_all_pairs_agree():
    ours, other = arrays([1, 2, 6], [3, 4, 5]), arrays([3, 4, 5], [1, 7, 8])
    low, high = across.interval(ours, other)
    assert low < across.probability(ours, other) < high
    assert across.interval(arrays([1, 2], [1, 2]), arrays([5, 6], [7, 8])) == (1.0, 1.0)


def test_a_profile_counts_tasks_alike_and_in_multiples_of_doing_nothing():
    found = Across(("a", "b"), {"ft": arrays([1, 2, 3, 4], [10])}, (2.0, 10.0))
    shares = across.profiles(found, [0.5, 1.0, 2.0])
    assert list(shares.ft) == [(1 / 4 + 0) / 2, (2 / 4 + 1) / 2, 1.0]


@pytest.fixture
def races():
    runs = []
    for scenario, methods in (
        ("random-10", ("ft", "rl", "ga", "salun")),
        ("random-50", ("ft", "rl", "iu", "salun")),
        ("class-3", ("scrub", "ssd", "iu", "ga")),
    ):
        for seed in (1, 2, 3):
            more = {"scenario": scenario}
            runs += [made_run("original", 9.0 + seed / 10, seed, **more)]
            for k, method in enumerate(methods, 1):
                mask = "saliency" if method == "salun" else "none"
                runs.append(made_run(method, k + seed / 10, seed, mask, **more))
    return places.races(leaderboard(runs, with_published=False))


def test_tasks_that_share_most_methods_are_compared(races):
    found = across.across(races)
    assert set(found.gaps) == {"ft", "rl", "salun"} and len(found.tasks) == 2
    assert list(found.gaps) == ["ft", "rl", "salun"]  # nearest to Retrain first
    assert found.nothing == pytest.approx((9.2, 9.2))
    assert across.across(races[-1:]) is None and across.across([]) is None


def test_the_table_says_how_often_ours_is_nearer_and_what_is_missing(races):
    said = str(across.improvement_table(across.across(races)))
    assert "0 % [0, 0]" in said and "random-50" in said
    assert "no" in str(across.improvement_table(None)).lower()


def test_the_picture_names_salun_among_many():
    levels = pd.Index(np.linspace(0, 2, 9), name="level")
    shares = pd.DataFrame(
        {m: levels / (k + 2) for k, m in enumerate(("ft", "rl", "ga", "iu", "ssd", "salun"))},
        index=levels,
    )
    figure, alt = performance_profiles(shares)
    named = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert named[0] == "SalUn" and len(named) == 5 and "SSD" not in named
    assert all(name in alt for name in named)
    plt.close(figure)
