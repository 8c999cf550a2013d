"""Pictures of stability: what is drawn is what was given, also where runs are missing."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from salun_utils.plots.methods import colour_named
from salun_utils.studies.benchmark import stability_pictures as stability_plots


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def dots_at(axis, marker: str) -> list[float]:
    return [
        float(x) for line in axis.lines if line.get_marker() == marker for x in line.get_xdata()
    ]


def test_every_seed_is_a_dot_and_a_method_may_be_missing_in_a_panel():
    runs = pd.DataFrame(
        [("a", "FT", 1, 2.0), ("a", "FT", 2, 4.0), ("a", "GA", 1, 9.0), ("b", "GA", 1, 5.0)],
        columns=["panel", "name", "seed", "average"],
    )
    figure, alt = stability_plots.seed_dots(runs)
    assert [sorted(dots_at(axis, "o")) for axis in figure.axes] == [[2.0, 4.0, 9.0], [5.0]]
    assert sorted(dots_at(figure.axes[0], "|")) == [3.0, 9.0]
    assert "FT, GA" in alt


def test_runs_with_other_settings_are_beside_the_line_of_means():
    columns = ["name", "amount", "seed", "carried", "ua"]
    rows = [
        ("FT", 10, 1, True, 4.0),
        ("FT", 10, 2, True, 6.0),
        ("FT", 20, 1, True, 7.0),
        ("FT", 50, 1, False, 1.0),
    ]
    figure, _ = stability_plots.forget_amounts(pd.DataFrame(rows, columns=columns), {"ua": "UA, %"})
    line, beside = figure.axes[0].lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([10, 20], [5.0, 7.0])
    assert (list(beside.get_xdata()), beside.get_markerfacecolor()) == ([50], "white")
    assert line.get_color() == colour_named("FT") != colour_named("SalUn")


def test_a_number_of_seeds_beyond_the_axis_is_an_arrow_at_its_edge():
    needed = pd.DataFrame(
        [("a", "FT", 7.0), ("a", "GA", math.inf)], columns=["panel", "name", "seeds"]
    )
    axis = stability_plots.needed_seeds(needed, recorded=5, most=100)[0].axes[0]
    assert dots_at(axis, "o") == [7.0]
    assert all(100 < x <= axis.get_xlim()[1] for x in dots_at(axis, ">"))
    assert dots_at(axis, ">")


def test_a_bar_reaches_from_the_best_place_to_the_worst():
    places = pd.DataFrame(
        [("a", "FT", 2, 4, 1.0, False), ("a", "GA", 1, 1, 0.5, True)],
        columns=["panel", "name", "best", "worst", "gap", "marked"],
    )
    axis = stability_plots.place_ranges(places)[0].axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["GA", "FT"]
    assert [
        (round(bar.get_x() + 0.35, 6), round(bar.get_x() + bar.get_width() - 0.35, 6))
        for bar in axis.patches
    ] == [(1, 1), (2, 4)]


def test_sweeps_and_trade_off_leave_out_what_diverged():
    found = pd.DataFrame(
        [("GA", "no mask", 0.1, 10.0, 80.0), ("GA", "no mask", 1.0, math.nan, math.nan)],
        columns=["method", "mask", "knob", "ua", "ta"],
    )
    levels = {"Retrain": (15.0, 85.0), "original": (5.0, 85.0)}
    assert len(stability_plots.sweeps(found, {"GA": "lr"}, levels)[0].axes) == 2
    curve = stability_plots.trade_off(found, levels)[0].axes[0].lines[0]
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([10.0], [80.0])
