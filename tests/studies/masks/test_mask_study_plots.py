"""Pictures of masks side by side: what is drawn is what was given."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from salun_utils.studies.masks import pictures as plots
from salun_utils.unlearning import RULES


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def lines_with(axis, marker: str):
    return [line for line in axis.lines if line.get_marker() == marker]


def test_every_mask_has_one_kind_and_every_kind_a_look_of_its_own():
    listed = [mask for members in plots.KINDS.values() for mask in members]
    assert (
        len(set(listed)) == len(listed)
        and set(listed) <= set(RULES)
        and plots.kind("unheard of") == "knows neither"
    )
    assert set(plots.LOOK) == set(plots.KINDS) and len(set(plots.LOOK.values())) == len(plots.KINDS)


def test_cells_hold_the_numbers():
    shares = pd.DataFrame({"w": [0.25, 1.0], "b": [0.0, 0.5]}, index=["x", "y"])
    figure, alt = plots.where_from(shares, {"w": 4000, "b": 2})
    assert [t.get_text() for t in figure.axes[0].texts] == ["25", "100", "0", "50"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "w (4,000)",
        "b (2)",
    ] and "x, y" in alt
    figure, _ = plots.overlap_cells(
        pd.DataFrame({"x": [1.0, 0.333], "y": [0.333, 1.0]}, index=["x", "y"])
    )
    assert [t.get_text() for t in figure.axes[0].texts] == ["1.00", "0.33", "0.33", "1.00"]


def test_a_line_runs_through_the_runs_of_a_mask_in_order():
    found = pd.DataFrame(
        {"mask": ["none", "none", "random"], "distance": [2.0, 1.0, 1.5], "ua": [8.0, 4.0, 3.0]}
    )
    figure, alt = plots.curves(found, {"one": ("distance", "ua"), "two": ("ua", "distance")})
    first, second, _ = figure.axes[0].lines
    assert (list(first.get_xdata()), list(first.get_ydata())) == ([1, 2], [4, 8]) and list(
        second.get_ydata()
    ) == [3]
    assert (
        list(figure.axes[1].lines[0].get_xdata()) == [4, 8] and figure.axes[1].get_xlabel() == "ua"
    )
    assert "no mask, random" in alt and "one, two" in alt


def test_every_seed_is_a_dot_and_the_mean_a_mark():
    rows = [
        ("SalUn\nclass", "none", 1, 2.0),
        ("SalUn\nclass", "none", 2, 4.0),
        ("SalUn\nclass", "saliency", 1, 1.0),
        ("GA", "none", 1, 5.0),
    ]
    rows.append(("GA", "saliency", 1, float("nan")))  # a run that diverged
    figure, alt = plots.gap_dots(pd.DataFrame(rows, columns=["panel", "mask", "seed", "avg_gap"]))
    one, two = figure.axes
    assert [list(line.get_xdata()) for line in lines_with(one, "*")] == [[3.0]]
    assert [
        list(line.get_xdata()) for line in lines_with(one, "o") if line.get_markersize() < 4
    ] == [[2.0, 4.0], [1.0]]
    assert [list(line.get_xdata()) for line in lines_with(two, "o")] == [[5.0]], (
        "no mark for a mask without a finite gap"
    )
    assert "SalUn class, GA" in alt
