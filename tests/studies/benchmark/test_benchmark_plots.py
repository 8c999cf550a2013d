"""Pictures of the benchmark: what is drawn is what the tables hold."""

from __future__ import annotations

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from salun_utils.plots import methods as marks
from salun_utils.plots.axes import log_axis
from salun_utils.runs.summary import label
from salun_utils.studies.benchmark import pictures
from salun_utils.unlearning import METHODS


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def table(methods=("ft", "original", "retrain", "salun"), seed=0) -> pd.DataFrame:
    draws = np.random.default_rng(seed)
    gaps = np.where(np.array(methods) == "retrain", 0.0, draws.uniform(0.5, 20, len(methods)))
    columns = {
        "seeds": 3,
        "ua": draws.uniform(0, 30, len(methods)),
        "ta": draws.uniform(60, 90, len(methods)),
        "avg_gap": gaps,
    }
    return pd.DataFrame(
        {**columns, "avg_gap_low": gaps * 0.9, "avg_gap_high": gaps * 1.1, "cost": 0.2},
        index=list(methods),
    )


def drawn(axis) -> set[tuple[float, float]]:
    """Places of the single marks."""
    return {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in axis.lines
        if len(line.get_xdata()) == 1
    }


def test_every_method_has_one_kind_and_each_kind_a_mark_of_its_own():
    members = [m for part in pictures.KINDS.values() for m in part]
    assert sorted(members) == sorted(set(METHODS) - {"original", "retrain"})
    assert pictures.kind("original") == pictures.kind("retrain") == "reference"
    assert (
        len(set(pictures.COLOUR_OF.values()))
        == len(set(pictures.MARKER_OF.values()))
        == len(pictures.KINDS) + 1
    )


def test_gaps_are_sorted_without_retrain_and_said_in_the_alternative():
    part = table()
    figure, alt = pictures.gap_intervals({"random-10": part})
    order = part.drop(index="retrain").sort_values("avg_gap")
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == [label(m) for m in order.index]
    assert drawn(figure.axes[0]) == {(gap, float(place)) for place, gap in enumerate(order.avg_gap)}
    assert f"from {names[0]} {order.avg_gap.min():.2f}" in alt


def test_a_method_of_one_seed_is_drawn_without_an_interval():
    part = table().assign(avg_gap_low=np.nan, avg_gap_high=np.nan)
    figure, _ = pictures.gap_intervals({"random-10": part})
    marked = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert all(len(line.get_xdata()) == 1 for line in marked)
    assert len(drawn(figure.axes[0])) == 3


def test_retrain_is_the_star_where_the_dashed_lines_cross():
    part = table()
    figure, _ = pictures.trade_off({"random-10": part}, within=100)
    (star,) = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == tuple(part.loc["retrain", ["ua", "ta"]])
    assert {text.get_text() for text in figure.axes[0].texts} == {
        "FT",
        "original",
        "Retrain",
        "SalUn",
    }


def test_a_method_far_from_retrain_is_named_and_not_drawn():
    part = table().assign(ua=[10, 2, 12, 11], ta=[80, 85, 84, 60])
    figure, _ = pictures.trade_off({"random-10": part}, within=15)
    assert "more than 15 points away: SalUn" in figure.axes[0].get_title()
    assert {text.get_text() for text in figure.axes[0].texts} == {"FT", "original", "Retrain"}


def test_of_many_methods_six_are_named_and_all_are_drawn():
    names = ("ft", "ga", "iu", "be", "bs", "rl", "salun", "ssd", "original", "retrain")
    part = table(names, seed=3)
    gaps = part.avg_gap.drop(["original", "retrain"])
    ends = {label(gaps.idxmin()), label(gaps.idxmax())}
    axis = pictures.trade_off({"random-10": part}, within=100)[0].axes[0]
    named = {text.get_text() for text in axis.texts}
    assert named == {"SalUn", "Retrain", "RL", "original"} | ends and len(named) == 6
    assert len(drawn(axis)) == len(names)
    axis = pictures.cost_against_gap({"random-10": part})[0].axes[0]
    assert {text.get_text() for text in axis.texts} == {"SalUn", "RL"} | ends


def test_a_colour_is_that_of_the_kind_whatever_the_mask():
    ours = pictures.COLOUR_OF["labels"]
    named = ("SalUn", "SalUn, random mask", "RL (no mask)")
    assert [marks.colour_named(name) for name in named] == [ours] * 3
    assert marks.colour_named("ℓ1-sparse") == pictures.COLOUR_OF["fine-tuning"]
    assert marks.colour_named("Selective Amnesia") == pictures.COLOUR_OF["reference"]


def test_a_row_without_a_cost_is_not_in_the_picture_of_costs():
    part = table().assign(cost=[0.2, 0.0, 1.0, np.nan])
    figure, alt = pictures.cost_against_gap({"random-10": part})
    assert drawn(figure.axes[0]) == {(20.0, part.loc["ft", "avg_gap"])}
    assert "1 methods" in alt


def test_tuning_shows_the_gap_before_and_after():
    tuned = pd.DataFrame(
        {"default_gap": [8.0, 4.0], "pilot_gap": [2.0, 4.0]}, index=["ft", "salun"]
    )
    figure, alt = pictures.tuning_gain({"random-10": tuned})
    assert drawn(figure.axes[0]) == {(8.0, 0.0), (2.0, 0.0), (4.0, 1.0)}
    assert "median 6.0 before, 3.0 after" in alt


def test_paths_begin_at_the_original_and_name_each_method():
    curve = pd.DataFrame({"lr": [0.1, 0.2], "ua": [5.0, 9.0], "ta": [85.0, 80.0]})
    figure, alt = pictures.paths({"ft": curve}, (8.0, 84.0), original=(2.0, 86.0))
    longest = max(figure.axes[0].lines, key=lambda line: len(line.get_xdata()))
    assert list(longest.get_xdata()) == [2.0, 5.0, 9.0]
    assert {text.get_text() for text in figure.axes[0].texts} == {"FT", "Retrain", "original"}
    assert "FT" in alt


def test_answers_show_each_share_and_say_the_most_frequent():
    shares = pd.DataFrame(
        [[90.0, 10.0], [0.0, 100.0]], index=["original", "Retrain"], columns=["dress", "coat"]
    )
    figure, alt = pictures.answers(shares, title="answers")
    assert [text.get_text() for text in figure.axes[0].texts] == ["90", "10", "0", "100"]
    assert "original: dress 90 %, Retrain: coat 100 %" in alt


@pytest.mark.parametrize("places", [[0.5] * 6, [0.0, 0.01, 0.99, 1.0], [0.2]])
def test_labels_are_moved_apart_and_stay_within_the_axes(places):
    moved = marks.spread_apart(places, 0.1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(moved))
    assert max(moved) <= 1 + 1e-9 and min(moved) >= -1e-9


def test_a_logarithmic_axis_holds_all_values_and_has_marks():
    _, axis = plt.subplots()
    log_axis(axis, np.array([7.0, 9.0, np.nan, 0.0]))
    low, high = axis.get_xlim()
    assert low < 7 < 9 < high and high / low >= 5 - 1e-9
    assert any(text.get_text() for text in axis.get_xticklabels())
