"""Tables and pictures of the influence study: what is shown is what was given."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from salun_utils.runs import Record, over_seeds
from salun_utils.studies.influence import pictures as influence_plots
from salun_utils.studies.influence import summary


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def effect(part: int) -> float:
    return 0.1 * part**2


def study(
    seed: int,
    scenario: str = "class-3",
    created: str = "2026-01-01T00:00:00+00:00",
    factor: float = 1.0,
) -> Record:
    rows = [
        {
            "scoring": scoring,
            "change": change,
            "part": k,
            "forget": sign * factor * effect(k),
            "retain": factor * effect(11 - k),
            "forget_size": factor * effect(k),
            "retain_size": factor * effect(11 - k),
            "distance": 1.0,
        }
        for scoring in ("saliency", "random")
        for change, sign in (("zero", 1), ("undo", -1))
        for k in range(1, 11)
    ]
    drift = [
        {"epoch": e, "jaccard_50": 0.8 - 0.1 * e - 0.01 * seed, "jaccard_10": 0.3, "rank": 0.5}
        for e in (1, 2)
    ]
    masks = {way: {"average_gap": 1.0 + seed + (way == "anew")} for way in ("once", "anew")}
    measured = {
        "deciles": {"rows": rows},
        "drift": {"epochs": drift},
        "masks": masks,
        "head": {"a": seed},
    }
    return Record(
        id=f"{scenario}{seed}",
        tier="cpu",
        created=created,
        seeds={"unlearning": seed},
        spec={"method": "influence", "seed": seed},
        data={"scenario": scenario},
        measurements=measured,
    )


@pytest.fixture
def runs():
    other = Record(id="x", tier="cpu", spec={"method": "rl"}, data={"scenario": "class-3"})
    newer = study(2, created="2026-02-02T00:00:00+00:00", factor=2.0)
    return summary.studies([study(1), study(2), newer, study(3), study(1, "random-10"), other])


def test_studies_are_sorted_by_scenario_and_the_latest_of_a_seed_counts(runs):
    assert {k: [r.row()["seed"] for r in v] for k, v in runs.items()} == {
        "class-3": [1, 2, 3],
        "random-10": [1],
    }
    rows = summary.decile_rows(runs)
    assert rows[
        (rows.scenario == "class-3") & (rows.seed == 2) & (rows.part == 10)
    ].forget.abs().tolist() == pytest.approx([20.0] * 4)


def test_figures_of_deciles_by_hand(runs):
    row = summary.decile_figures(summary.decile_rows(runs)).iloc[0]
    sizes = [effect(k) for k in range(1, 11)]
    assert (row.rank_forget, row.rank_retain, row.rank_selective) == pytest.approx((1, -1, 1))
    assert row.top == pytest.approx(sizes[-1] / sum(sizes))
    assert row.upper == pytest.approx(sum(sizes[5:]) / sum(sizes))
    assert row.selective_top == pytest.approx(sizes[-1] - sizes[0])
    undo = summary.decile_figures(summary.decile_rows(runs)).query("change == 'undo'").iloc[0]
    assert undo.rank_forget == pytest.approx(1), "the size counts, not the sign"


def test_means_have_intervals_from_three_seeds_on(runs):
    table = over_seeds(summary.measured(runs, "head"), ["scenario"], ["a"])
    assert table.loc["class-3", ["seeds", "a"]].tolist() == [3, 2.0]
    assert 1 <= table.loc["class-3", "a_low"] < 2 < table.loc["class-3", "a_high"] <= 3
    assert summary.measured(runs, "masks", "anew").average_gap.tolist() == [3.0, 4.0, 5.0, 3.0]


def test_dots_lie_where_prediction_and_truth_say():
    true = np.array([1e-4, 3e-4, 2e-4])
    figure, alt = influence_plots.agreement({"one": (2 * true, true), "two": (-true, true)})
    line, dots = figure.axes[0].lines
    assert list(line.get_xdata()) == list(line.get_ydata())
    assert dots.get_xdata() == pytest.approx(2 * dots.get_ydata())
    assert "rank correlation 1.000" in figure.axes[0].get_title()
    assert "two: rank correlation -1.000" in alt


def test_weights_that_did_not_move_are_left_out_of_the_picture_but_not_of_the_correlation():
    moved = np.array([0.0, 1.0, 2.0, 4.0])
    figure, alt = influence_plots.moves_by_ranking({"gradient": [0.0, 1.0, 2.0, 3.0]}, moved)
    assert len(figure.axes[0].lines[0].get_xdata()) == 3
    assert "rank correlation 1.00" in alt


def test_a_line_goes_through_the_mean_of_the_seeds(runs):
    rows = summary.decile_rows(runs).query("scenario == 'class-3' and scoring == 'saliency'")
    figure, alt = influence_plots.decile_effects(rows, {"zero": "set to 0", "undo": "put back"})
    forget, retain, _ = figure.axes[0].lines
    assert forget.get_ydata()[-1] == pytest.approx((10 + 20 + 10) / 3)
    assert retain.get_ydata()[0] == pytest.approx((10 + 20 + 10) / 3)
    assert figure.axes[1].lines[0].get_ydata()[-1] == pytest.approx(-(10 + 20 + 10) / 3)
    assert "set to 0, put back" in alt


def test_the_overlap_starts_at_one(runs):
    figure, alt = influence_plots.mask_drift(
        summary.drift_rows(runs), {s: {"by chance": 1 / 3} for s in runs}
    )
    line = figure.axes[0].lines[0]
    assert list(line.get_xdata()) == [0, 1, 2]
    assert list(line.get_ydata()) == pytest.approx([1, 0.68, 0.58])
    assert "class-3, random-10" in alt
