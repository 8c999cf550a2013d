"""Tables and pictures of duration and scale: what is shown is what was given."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from salun_utils.runs import Record, load_records, over_seeds
from salun_utils.studies.scale import Cost, affine, recorded
from salun_utils.studies.scale import pictures as scale_plots


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def run(
    epochs: int,
    lr: float,
    seed: int,
    *,
    forget: int = 900,
    retain: int = 8100,
    method: str = "salun",
    ua: float = 0.0,
) -> Record:
    gap = {"ua": ua, "ra": 0.0, "ta": 0.0, "mia": 0.0, "average": abs(ua) / 4}
    return Record(
        id=f"{method}{epochs}{lr}{seed}{forget}",
        tier="cpu",
        seeds={"unlearning": seed},
        gap=gap,
        cpu_seconds=6.0,
        reference_cpu_seconds=24.0,
        spec={
            "method": method,
            "arch": "small-cnn",
            "width": 1.0,
            "params": {"epochs": epochs, "lr": lr},
        },
        device={"type": "cpu"},
        data={
            "name": "fashion-mini",
            "scenario": f"random-{forget}",
            "forget": forget,
            "retain": retain,
            "validation": 1000,
        },
    )


def test_rows_know_their_training_set_and_a_run_recorded_twice_counts_once():
    rows = recorded.rows_of([run(2, 0.1, 1, ua=1.0), run(2, 0.1, 1, ua=3.0), run(2, 0.1, 2)])
    assert rows.images.tolist() == [10_000, 10_000] and rows.cost.tolist() == [25.0, 25.0]
    assert rows.gap_ua.tolist() == [3.0, 0.0], "the later of the two"
    none = recorded.rows_of([])
    assert (
        not len(none)
        and set(none.columns) <= set(rows.columns)
        and not any(map(len, recorded.split_map(none)))
    )


def test_a_map_is_told_from_single_runs_and_only_whole_ones_count():
    cells = [run(e, lr, s) for e in (1, 2) for lr in (0.1, 0.2) for s in (1, 2)]
    tuned = [run(2, 0.15, 1), run(2, 0.15, 1, forget=90, retain=8910)]
    on_map, single = recorded.split_map(recorded.rows_of([*cells[:-1], *tuned]))
    assert len(on_map) == 7 and sorted(single.forget) == [90, 900]
    assert set(recorded.whole_maps(on_map).seed) == {1}


def costs_record(created: str = "2026-01-01T00:00:00+00:00", factor: float = 1.0) -> Record:
    rows = [
        {
            "what": "time",
            "held_out": k == 5,
            "seconds": factor * (0.01 + 2e-10 * m * n),
            "step": "masked epoch",
            "pictures": n,
            "weights": 10**k,
            "network": f"net{k} x1",
            "multiply_adds": m,
            "outputs": 3000 + k,
        }
        for k, m in enumerate((1e6, 3e6, 1e7, 3e7, 1e8, 1e9))
        for n in (256, 1024)
    ]
    rows += [
        {
            "what": "flat",
            "held_out": w > 1e8,
            "step": "mask",
            "network": "flat",
            "weights": w,
            "seconds": 0.01 + 2e-9 * w,
        }
        for w in (1e5, 1e6, 1e7, 1e8, 1e9)
    ]
    parameters = {"study": "costs", "sweep": "[]"}
    return Record(
        id="costs",
        tier="cpu",
        created=created,
        measurements={"costs": rows, "parameters": parameters},
        device={"processor": "P"},
    )


def test_the_latest_record_of_costs_counts_and_laws_leave_out_what_is_held_out(tmp_path):
    costs = recorded.costs_of([costs_record("2026-02-01T00:00:00+00:00"), costs_record(factor=7.0)])
    law = recorded.time_law(costs, "masked epoch", ["products"])
    assert law.groups == 5 and law.coefficients == pytest.approx(
        {"a": 0.01, "products": 2e-10}, rel=1e-3
    )
    found = [
        recorded.check(law, row, "seconds") for row in recorded.held(costs, "time", "masked epoch")
    ]
    assert [c["factor"] for c in found] == pytest.approx([1, 1], rel=1e-3) and found[1][
        "beyond"
    ] == pytest.approx(10)
    flat = recorded.flat_law(costs, "mask", "seconds")
    assert (
        flat.largest["weights"] == 1e8
        and recorded.check(flat, recorded.held(costs, "flat", "mask")[0], "seconds")["measured"]
        == 2.01
    )
    assert not len(recorded.costs_of([run(1, 0.1, 1)]))


def test_costs_are_read_by_the_name_of_their_study_alone(tmp_path):
    costs_record().save(tmp_path)
    assert (
        load_records(tmp_path) == [] and len(load_records(tmp_path, study="costs", tier="cpu")) == 1
    )


def test_the_command_writes_such_a_record():
    place = Path(__file__).parents[3] / "benchmark" / "costs.py"
    spec = importlib.util.spec_from_file_location("costs_command", place)
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    row = {
        "what": "flat",
        "held_out": False,
        **Cost(step="mask", network="flat", weights=10, seconds=1.0).to_dict(),
    }
    record = command.as_record([row], "cpu", 3)
    assert (
        record.study == "costs"
        and record.numerics["study/costs"] == 1
        and json.loads(record.measurements["parameters"]["sweep"]) == ["flat"]
    )
    steps = [(what, held) for what, held, _ in command.plan(1, True)]
    assert ("time", True) in steps and ("flat", True) in steps and ("memory", True) in steps
    assert sum(p.numel() for p in command.unet().parameters()) == 859_520_964


# -- pictures --------------------------------------------------------------------------


def test_a_map_shows_its_cells_its_border_and_its_best():
    table = pd.DataFrame(
        [[-1.0, 2.0, 4.0], [1.0, 3.0, np.nan]], index=[1, 5], columns=[0.01, 0.1, 1.0]
    )
    border = pd.Series({1: 0.01 * 10 ** (1 / 3), 5: 0.0})
    figure, alt = scale_plots.maps({"gap": table}, signed=["gap"], border=border, marked=(5, 0.1))
    axis = figure.axes[0]
    assert {t.get_text() for t in axis.texts} == {"−1.0", "+2.0", "+4.0", "+1.0", "+3.0", "–"}
    assert list(axis.lines[-1].get_xdata()) == pytest.approx([1 / 3, -0.5]) and list(
        axis.lines[-1].get_ydata()
    ) == [0, 1]
    frame = axis.patches[0]
    assert (frame.get_x() + 0.47, frame.get_y() + 0.47) == pytest.approx((1, 1))
    image = axis.images[0]
    assert image.norm.vmin == -image.norm.vmax == -4, "zero is the middle of the palette"
    assert "gap" in alt


def test_curves_go_through_the_means_and_label_what_has_room():
    rows = pd.DataFrame(
        [
            {"method": m, "forget": n, "seed": s, "avg_gap": n / 100 + s + k}
            for k, m in enumerate(("salun", "rl"))
            for n in (1, 900, 1000)
            for s in (1, 2, 3)
        ]
    )
    table = over_seeds(rows, ["method", "forget"], ["avg_gap"])
    figure, alt = scale_plots.curves(
        table,
        {"avg_gap": "gap"},
        {"salun": "SalUn", "rl": "RL"},
        x_label="pictures",
        zero=["avg_gap"],
    )
    lines = [line for line in figure.axes[0].lines if line.get_label() in ("SalUn", "RL")]
    assert [list(line.get_ydata()) for line in lines] == [
        pytest.approx([2.01, 11, 12]),
        pytest.approx([3.01, 12, 13]),
    ]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "", "1000"]
    assert "SalUn, RL" in alt


@pytest.fixture
def straight():
    table = pd.DataFrame({"weights": np.geomspace(1e3, 1e6, 6), "family": list("aabbcc")})
    table["seconds"] = 0.1 + 1e-6 * table.weights
    return table, affine(table, "seconds", ["weights"], resamples=30)


def test_points_of_an_exact_law_lie_on_the_line_of_equality(straight):
    table, fit = straight
    held = {"far": {"weights": 1e7, "seconds": 20.2}}
    figure, _ = scale_plots.agreement(
        {"law": scale_plots.Law(fit, table, "seconds", "seconds", held)}
    )
    dots = [line for line in figure.axes[0].lines if line.get_label() in "abc"]
    assert len(dots) == 3
    for line in dots:
        assert list(line.get_xdata()) == pytest.approx(list(line.get_ydata()), rel=1e-3)
    star = next(line for line in figure.axes[0].lines if line.get_label() == "kept out: far")
    assert list(star.get_xdata()) == pytest.approx([10.1], rel=1e-3) and list(star.get_ydata()) == [
        20.2
    ]
    assert "×1.00" in figure.axes[0].get_title()


def test_a_law_is_solid_where_it_was_measured_and_read_off_beyond(straight):
    table, fit = straight
    law = scale_plots.Law(
        fit,
        table,
        "seconds",
        "seconds",
        {"far": {"weights": 1e7, "seconds": 9.0}},
        {"farther": 1e8},
    )
    figure, alt = scale_plots.laws({"time": law}, x_label="weights")
    by = {line.get_label(): line for line in figure.axes[0].lines}
    x = np.asarray(by["law"].get_xdata())
    assert x.min() >= 1e3 and x.max() <= 1e6
    assert list(by["read off: farther"].get_ydata()) == pytest.approx([100.1], rel=1e-3)
    assert list(by["kept out: far"].get_ydata()) == [9.0]
    assert "time" in alt
