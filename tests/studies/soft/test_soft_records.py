"""The study of hard, soft and annealed masks: its grids, its tables and its pictures show what the
records hold.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from salun_utils.runner.grid import read
from salun_utils.runner.parameters import check_parameters
from salun_utils.runs import Record
from salun_utils.runs.kinds import sweep_of
from salun_utils.runs.tuning import read_tuned
from salun_utils.studies.soft import pictures as soft_plots
from salun_utils.studies.soft import recorded as soft_records

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "notebooks" / "00_sweep.ipynb"
FILES = {"random-10": "random-10", "class-3": "class"}
TUNED = {
    "rl": {"params": {"lr": 0.2, "epochs": 2}},
    "salun": {"params": {"lr": 0.1, "epochs": 2}},
    "salun-soft": {"params": {"lr": 0.3, "epochs": 2, "beta": 0.04}},
    "salun-annealed": {"params": {"lr": 0.4, "epochs": 2}},
}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def made(
    method: str,
    seed: int,
    gap: float,
    *,
    lr: float = 0.1,
    keep: float = 0.5,
    scenario: str = "random-10",
    diverged: bool = False,
    **own,
):
    gaps = {"average": gap, "ua": gap, "ra": -gap, "ta": 0.5 * gap, "mia": 2 * gap}
    return Record(
        id=f"{method}{seed}",
        tier="cpu",
        spec={"method": method, "keep": keep, "params": {"lr": lr, "epochs": 2, **own}},
        seeds={"unlearning": seed},
        data={"scenario": scenario},
        gap={} if diverged else gaps,
        cpu_seconds=4.0,
        reference_cpu_seconds=40.0,
        measurements={"diverged": "NaN"} if diverged else {},
    )


def soft(seed: int, gap: float, beta: float, **more) -> Record:
    return made("salun-soft", seed, gap, **{"beta": beta, "schedule": "linear", **more})


@pytest.fixture
def rows() -> pd.DataFrame:
    records = []
    for seed in (1, 2, 3):
        records += [made("rl", seed, 4.0 + seed), made("rl", seed, 9.0, lr=0.2)]
        records += [made("salun", seed, 2.0 + seed, keep=k) for k in (0.5, 0.1)]
        records += [soft(seed, 10 * beta + seed, beta) for beta in (0.01, 0.1)]
        records += [soft(seed, 7.0, 0.1, schedule="constant"), soft(seed, 1.0, 0.04, lr=0.3)]
        records += [made("salun-annealed", seed, 1.0 + seed, final_keep=k) for k in (0.5, 0.1)]
        records += [made("salun-annealed", seed, 0.5, lr=0.4, final_keep=0.5)]
    records += [
        soft(4, 0.0, 1.0, diverged=True),
        made("rl", 1, 8.0, scenario="class-3"),
        made("rl", 1, 5.0),
    ]
    return soft_records.study(records)["random-10"]


def test_rows_are_one_a_seed_and_setting_without_the_diverged(rows):
    assert set(soft_records.study([])) == set() and 4 not in set(rows.seed)
    assert len(rows) == 33 and (rows.groupby(["method", "seed"]).size().loc["rl"] == 2).all()


def test_equal_settings_are_those_of_salun(rows):
    alike = soft_records.alike(rows)
    assert set(alike.lr) == {0.1} and len(alike) == 3 * 8
    assert soft_records.alike(rows[rows.method == "rl"]).empty


def test_the_path_begins_with_rl_and_follows_one_schedule(rows):
    path = soft_records.path(soft_records.alike(rows))
    assert path.index.tolist() == [0.0, 0.01, 0.1]
    assert path.avg_gap.tolist() == pytest.approx(
        [6.0, 2.1, 3.0]
    ) and path.gap_mia.tolist() == pytest.approx([12.0, 4.2, 6.0])
    assert path.loc[0.01, "avg_gap_low"] == pytest.approx(1.1, abs=0.4) and path.seeds.tolist() == [
        3,
        3,
        3,
    ]
    assert soft_records.path(soft_records.alike(rows), "constant").avg_gap[0.1] == 7


def test_densities_end_in_rl_for_both(rows):
    table = soft_records.by_density(soft_records.alike(rows))
    assert table.avg_gap[("SalUn", 0.1)] == 4 and table.avg_gap[("SalUn-annealed", 0.1)] == 3
    assert table.avg_gap[("SalUn", 1.0)] == table.avg_gap[("SalUn-annealed", 1.0)] == 6


def test_tuned_rows_are_those_with_the_chosen_values(rows):
    found = soft_records.tuned_rows(rows, TUNED)
    means = {name: part.avg_gap.mean() for name, part in found.items()}
    assert means == {"RL": 9.0, "SalUn": 4.0, "SalUn-soft": 1.0, "SalUn-annealed": 0.5}
    assert all(len(part) == 3 for part in found.values())
    elsewhere = {**TUNED, "rl": {"params": {"lr": 0.9, "epochs": 2}}}
    assert "RL" not in soft_records.tuned_rows(rows, elsewhere)


@pytest.mark.parametrize(
    ("name", "tier", "seeds", "runs"),
    [("ablation-soft", "cpu", 8, 23), ("ablation-soft-paper", "paper", 10, None)],
)
def test_the_grids_are_checked_and_hold_enough_seeds(name, tier, seeds, runs):
    found = read(ROOT / "benchmark" / "grids" / f"{name}.yaml").runs
    specs = {r.name: sweep_of(check_parameters(TEMPLATE, r.parameters)) for r in found}
    assert {r.tier for r in found} == {tier} and {r.parameters["study"] for r in found} == {"soft"}
    assert {r.parameters["seed"] for r in found} == set(range(1, seeds + 1))
    counts = pd.Series(
        [(s.scenario_name, s.seed) for each in specs.values() for s in each]
    ).value_counts()
    assert len({s.id for each in specs.values() for s in each}) == counts.sum()
    assert runs is None or set(counts) == {runs}


def test_the_grid_uses_the_values_that_tuning_chose():
    specs = [
        s
        for r in read(ROOT / "benchmark" / "grids" / "ablation-soft.yaml").runs
        for s in sweep_of(check_parameters(TEMPLATE, r.parameters))
    ]
    for where, stem in FILES.items():
        chosen = read_tuned(ROOT / "benchmark" / "tuned" / f"fashion-mini_small-cnn_{stem}.yaml")
        mine = [s for s in specs if s.scenario_name == where]
        salun = chosen["salun"]["params"]
        alike = [s for s in mine if {k: s.params[k] for k in salun} == salun]
        assert len(alike) == 8 * 20 and {s.method for s in alike} == {
            "rl",
            "salun",
            "salun-soft",
            "salun-annealed",
        }
        for method in ("rl", "salun-soft", "salun-annealed"):
            want = chosen[method]["params"]
            assert sum(s.method == method and s.params == want for s in mine) == 8, method


# -- pictures --------------------------------------------------------------------------


def heights(axis) -> list[float]:
    return [bar.get_height() for bar in axis.patches]


def test_histograms_hold_every_weight_and_count_the_unmoved_apart():
    moved = {
        "a": {"w": torch.tensor([0.0, 0.0, 1e-3, 0.5])},
        "b": {"w": torch.tensor([1e-12, 1e-3, 1e-3, 0.1])},
    }
    figure, alt = soft_plots.move_histograms(moved)
    for axis, still in zip(figure.axes, (50.0, 0.0), strict=True):
        assert sum(heights(axis)) == pytest.approx(100) and heights(axis)[-1] == still
    assert [axis.get_title() for axis in figure.axes] == [
        "a: 50.0 % moved",
        "b: 100.0 % moved",
    ] and "a 50 %" in alt


def test_lines_over_steps_are_the_trace():
    rows = pd.DataFrame({"step": [0, 1, 2], "moved": [0.0, 0.5, 0.25], "distance": [0.0, 1.0, 3.0]})
    figure, alt = soft_plots.moved_over_steps({"one": rows})
    left, right = figure.axes
    assert (
        left.lines[0].get_ydata().tolist() == [0, 50, 25]
        and right.lines[0].get_ydata().tolist() == [0, 1, 3]
        and "one 25.0 %" in alt
    )


def test_nothing_moved_is_drawn_at_the_bottom_of_a_logarithmic_axis():
    shares = {"moved": [0.9, 0.4, 0.05, 0.0], "heavy": [0.1, 0.05, 0.01, 0.0]}
    rows = pd.DataFrame(
        {"beta": [0.01, 0.1] * 2, "schedule": ["linear"] * 2 + ["constant"] * 2, **shares}
    )
    figure, alt = soft_plots.moved_by_penalty(rows)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert lines["linear"].tolist() == [90, 40] and lines["constant"].tolist() == pytest.approx(
        [5, 1e-3]
    )
    assert figure.axes[0].get_ylim()[0] < 1e-3 and "constant 0 %" in alt


def test_layers_show_their_shares():
    table = pd.DataFrame({"hard, half": {"conv.weight": 0.25, "fc.bias": 1.0}})
    figure, alt = soft_plots.moved_by_layer(table, {"conv.weight": 1000, "fc.bias": 10})
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "25",
        "100",
    ] and "least in conv.weight, 25 %" in alt
    assert figure.axes[0].get_yticklabels()[0].get_text() == "conv.weight  (1,000)"


def test_the_path_is_drawn_with_rl_apart_and_the_masks_across(rows):
    alike = soft_records.alike(rows)
    table, levels = soft_records.path(alike), soft_records.by_density(alike)
    figure, alt = soft_plots.penalty_path(
        table, {"hard": levels.loc[("SalUn", 0.5)]}, title="random-10"
    )
    for axis, column in zip(figure.axes, ("gap_ua", "gap_ra", "gap_ta", "gap_mia"), strict=True):
        lines = {line.get_label(): line for line in axis.lines}
        assert lines["SalUn-soft"].get_xdata().tolist() == [0.01, 0.1]
        assert np.allclose(lines["SalUn-soft"].get_ydata(), table[column].iloc[1:])
        assert (
            lines["RL, β = 0"].get_xdata()[0] < 0.01
            and lines["RL, β = 0"].get_ydata()[0] == table[column].iloc[0]
        )
        assert lines["hard"].get_ydata()[0] == levels.loc[("SalUn", 0.5), column]
    assert "random-10" in alt and "UA +6.0 to +3.0" in alt


def test_densities_are_drawn_in_per_cent(rows):
    figure, alt = soft_plots.densities(
        {"random-10": soft_records.by_density(soft_records.alike(rows))}
    )
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["SalUn"].get_ydata().tolist() == [4, 4, 6] and lines[
        "SalUn-annealed"
    ].get_ydata().tolist() == [3, 3, 6]
    assert (
        np.allclose(lines["SalUn"].get_xdata(), [10, 50, 100], rtol=0.05)
        and "panels: random-10" in alt
    )


def test_published_gaps_are_marked_apart_and_may_be_missing():
    index = pd.MultiIndex.from_tuples(
        [("random-10", "SalUn-soft"), ("random-10", "SalUn-annealed")]
    )
    table = pd.DataFrame(
        {
            "measured": [3.0, 1.0],
            "low": [2.0, 0.5],
            "high": [4.0, 1.5],
            "published": [6.61, np.nan],
        },
        index=index,
    )
    figure, alt = soft_plots.gaps_beside_published(table)
    lines = {line.get_label(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert (
        lines["measured here"] == [3.0, 1.0]
        and lines["published"][0] == 6.61
        and np.isnan(lines["published"][1])
    )
    assert "SalUn-soft: +3.0" in alt
