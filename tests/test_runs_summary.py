"""Means of recorded runs: by hand."""

from __future__ import annotations

import pytest

from salun_utils.runs import Record
from salun_utils.runs.summary import cost, plain, summarise


def record(method="salun", seed=1, ua=90.0, gap=2.0, created="2026-01-01", **more) -> Record:
    spec = {"method": method, "mask": "saliency" if method == "salun" else None, "keep": 0.5, "scenario": "class"} | more.pop("spec", {})
    scores = {"ua": ua, "ra": 97.0, "ta": 88.0, "mia": 95.0}
    gaps = {"ua": -gap, "ra": gap, "ta": -gap, "mia": gap, "average": gap}
    settings = {"seconds": 8.0, "reference_seconds": 32.0, "created": created, **more}
    settings |= {"spec": spec, "scores": scores, "gap": gaps, "data": {"scenario": "class-3"}}
    return Record(id=f"{method}{seed}", seeds={"unlearning": seed}, **settings)


def test_means_are_over_the_seeds_of_one_method():
    table = summarise([record(seed=1, ua=90, gap=1), record(seed=2, ua=100, gap=3), record("ft", ua=10, gap=40)])
    salun = table.loc["class-3", "salun"]
    assert (salun.seeds, salun.ua, salun.gap_ua, salun.avg_gap, salun.cost) == (2, 95, -2, 2, 0.25)
    assert 1 <= salun.avg_gap_low <= 2 <= salun.avg_gap_high <= 3
    assert list(table.index) == [("class-3", "ft"), ("class-3", "salun")]


def test_a_seed_run_twice_counts_once_by_its_latest_record():
    table = summarise([record(ua=50, created="2026-02-01"), record(ua=10, created="2026-01-01")])
    assert (table.seeds.item(), table.ua.item()) == (1, 50)


def test_cost_is_processor_time_on_a_cpu_and_wall_time_elsewhere():
    times = {"cpu_seconds": 1.0, "reference_cpu_seconds": 10.0}
    assert cost(record(**times)) == pytest.approx(0.1)
    assert cost(record(**times, device={"type": "cuda"})) == 0.25
    assert cost(record(seconds=None)) != cost(record(seconds=None))  # NaN


def test_controls_and_cut_training_sets_are_not_the_plain_method():
    assert plain(record()) and plain(record("ft"))
    assert not any(plain(record(spec=s)) for s in ({"mask": "random"}, {"keep": 0.3}, {"train_images": 5000}, {"method": "gone"}))


def test_no_records_give_an_empty_table():
    table = summarise([])
    assert table.empty and "avg_gap" in table
