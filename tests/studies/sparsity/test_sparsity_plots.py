"""Pictures of thresholds and densities show the figures they are given, and say them in words."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch

from salun_utils.studies.sparsity import pictures as sparsity_plots
from salun_utils.studies.sparsity.recorded import MEASURES

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def table(*gaps: float) -> pd.DataFrame:
    rows = {
        k: (
            {"seeds": 5}
            | {
                f"{m}{end}": g + shift
                for m in MEASURES
                for end, shift in (("", 0), ("_low", -0.5), ("_high", 0.5))
            }
        )
        for k, g in zip((0.1, 0.5, 1.0), gaps, strict=True)
    }
    return pd.DataFrame(rows).T.rename_axis("keep")


def test_thresholds_tell_the_share_that_each_keeps():
    scores = {"a": torch.tensor([1e-4, 1e-3, 1e-2]), "b": torch.tensor([0.0, 1e-1])}
    figure, alt = sparsity_plots.thresholds(scores, {"high": 5e-2, "low": 1e-3})
    assert "5 scores" in alt and "high keeps 20 %; low keeps 60 %" in alt
    assert [t.get_text() for t in figure.axes[1].get_legend().get_texts()] == [
        "high: 20 %",
        "low: 60 %",
    ]
    assert sum(p.get_height() for p in figure.axes[0].patches) == 4, (
        "a score of 0 has no place on a logarithmic axis"
    )


def test_the_curve_of_shares_runs_through_the_figures():
    figure, alt = sparsity_plots.shares_held({"D_f": [0, 0.6, 0.9, 1.0, 1.0]}, {"half": 0.5})
    curve = figure.axes[0].lines[1]
    assert curve.get_xdata().tolist() == [0, 25, 50, 75, 100] and curve.get_ydata().tolist() == [
        0,
        60,
        90,
        100,
        100,
    ]
    assert alt.endswith("D_f: 90 % in 50 %")


def test_a_knee_is_marked_where_it_is():
    figure, alt = sparsity_plots.knees({"saliency": ([0, 0.6, 0.9, 1.0], [0, 0.1, 0.7, 1.0], 1)})
    left, right = figure.axes
    assert left.lines[-1].get_xydata().tolist() == [[10, 60]] and right.lines[-1].get_xydata()[
        0
    ] == pytest.approx([100 / 3, 50])
    assert "60 % of the forget and 10 % of the retain gradient in 33 % of the weights" in alt


def test_shares_of_layers_are_written_into_their_cells():
    shares = pd.DataFrame(
        {"10 %": [5.0, 40.0], "50 %": [45.0, 90.0]}, index=["conv.weight", "fc.bias"]
    )
    figure, alt = sparsity_plots.layer_shares(shares, [1000, 10])
    assert [t.get_text() for t in figure.axes[0].texts] == ["5", "45", "40", "90"]
    assert "10 %: 5 to 40 %, 50 %: 45 to 90 %" in alt


def test_every_task_has_a_row_of_panels_and_every_measure_a_column():
    figure, alt = sparsity_plots.against_density(
        {"one": table(3, 1, 2), "two": table(1, 2, 3)}, knees={"one": 0.3}
    )
    assert len(figure.axes) == 2 * len(sparsity_plots.PANELS)
    by_title = {a.get_title(): a for a in figure.axes[: len(sparsity_plots.PANELS)]}
    assert by_title["average gap"].lines[0].get_ydata().tolist() == [3, 1, 2]
    assert by_title["cost, % of Retrain"].lines[0].get_ydata().tolist() == [300, 100, 200]
    assert "one: smallest mean average gap at 50 %; two: smallest mean average gap at 10 %" in alt


def test_differences_and_masks_are_drawn_where_they_are():
    figure, alt = sparsity_plots.differences(
        {
            "one": {"the knee": (-1.0, -2.0, 0.5), "best in hindsight": (-3.0, -4.0, -2.0)},
            "all": {"the knee": (1.0, 0.5, 2.0)},
        }
    )
    marks = [
        float(line.get_xdata()[0])
        for line in figure.axes[0].lines
        if len(np.atleast_1d(line.get_xdata())) == 1
    ]
    assert marks == [-1.0, -3.0, 1.0] and "the knee, best in hindsight; one, all" in alt
    figure, alt = sparsity_plots.lines_by_mask(
        {"one": {"global": table(3, 1, 2), "per layer": table(4, 2, 2)}}
    )
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines] == [
        [3, 1, 2],
        [4, 2, 2],
    ] and alt.endswith("panels: one")
