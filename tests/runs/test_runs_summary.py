"""Means of recorded runs: by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from salun_utils.errors import InputError
from salun_utils.runs import Record
from salun_utils.runs.summary import cost, gap_by_seed, label, plain, summarise
from salun_utils.studies.benchmark.published import RANDOM, published


def record(method="salun", seed=1, ua=90.0, gap=2.0, created="2026-01-01", **more) -> Record:
    spec = {
        "method": method,
        "mask": "saliency" if method == "salun" else None,
        "keep": 0.5,
        "scenario": "class",
    } | more.pop("spec", {})
    scores = {"ua": ua, "ra": 97.0, "ta": 88.0, "mia": 95.0}
    gaps = {"ua": -gap, "ra": gap, "ta": -gap, "mia": gap, "average": gap}
    settings = {"seconds": 8.0, "reference_seconds": 32.0, "created": created, **more}
    settings |= {"spec": spec, "scores": scores, "gap": gaps, "data": {"scenario": "class-3"}}
    return Record(id=f"{method}{seed}", seeds={"unlearning": seed}, **settings)


def test_means_are_over_the_seeds_of_one_method():
    table = summarise(
        [record(seed=1, ua=90, gap=1), record(seed=2, ua=100, gap=3), record("ft", ua=10, gap=40)]
    )
    salun = table.loc["class-3", "salun"]
    assert (salun.seeds, salun.ua, salun.gap_ua, salun.avg_gap, salun.cost) == (2, 95, -2, 2, 0.25)
    assert 1 <= salun.avg_gap_low <= 2 <= salun.avg_gap_high <= 3
    assert list(table.index) == [("class-3", "ft"), ("class-3", "salun")]


def test_a_seed_run_twice_counts_once_by_its_latest_record():
    table = summarise([record(ua=50, created="2026-02-01"), record(ua=10, created="2026-01-01")])
    assert (table.seeds.item(), table.ua.item()) == (1, 50)


def test_runs_of_other_settings_than_the_latest_are_not_averaged_in():
    before = [record(seed=s, ua=0, spec={"params": {"lr": 1.0}}) for s in (1, 2, 3)]
    after = [
        record(seed=s, ua=80, created="2026-03-01", spec={"params": {"lr": 0.1}}) for s in (1, 2)
    ]
    assert summarise(before + after)[["seeds", "ua"]].values.tolist() == [[2, 80]]


def test_masks_data_sets_and_networks_are_never_mixed():
    masks = [record(), record(spec={"mask": "random"})]
    with pytest.raises(InputError, match="mask"):
        summarise(masks)
    assert list(summarise(masks, by=("mask",)).index) == ["random", "saliency"]
    for other in ({"arch": "resnet18"}, {"dataset": "cifar10"}):
        with pytest.raises(InputError, match=next(iter(other))):
            summarise([record(), record(spec=other)])


def test_gaps_are_paired_by_the_seed_of_unlearning():
    assert gap_by_seed([record(seed=2, gap=3.0), record(seed=1, gap=1.0)]) == {1: 1.0, 2: 3.0}
    assert gap_by_seed([record(gap=3.0)], "ta") == {1: -3.0}


def test_methods_are_called_as_prose_does():
    assert [label(m) for m in ("ft", "salun", "l1-sparse", "retrain")] == [
        "FT",
        "SalUn",
        "ℓ1-sparse",
        "Retrain",
    ]


def test_published_figures_are_those_of_the_page_and_their_gaps_add_up():
    page = (Path(__file__).resolve().parents[2] / "book" / "published.md").read_text()
    for scenario, rows in RANDOM.items():
        part = page[page.index(f"### {scenario[-2:]} %") :]
        table = published(scenario)
        for method, figures in rows.items():
            found = re.search(rf"^\| {re.escape(label(method))} \| (.+) \|$", part, re.M)[1].split(
                " | "
            )
            plain = [figure.removesuffix(" (as printed)") for figure in found]
            assert list(map(float, plain)) == list(figures)
            gap = (
                (
                    table.loc[method, ["ua", "ra", "ta", "mia"]]
                    - table.loc["retrain", ["ua", "ra", "ta", "mia"]]
                )
                .abs()
                .mean()
            )
            assert gap == pytest.approx(figures[4], abs=0.011)
    for method, row in published("class").iterrows():
        figures = " | ".join(
            f"{v:.2f}".removesuffix(".00") if v == 100 else f"{v:.2f}" for v in row
        )
        assert f"| {label(method)} | {figures} |" in page


def test_cost_is_processor_time_on_a_cpu_and_wall_time_elsewhere():
    times = {"cpu_seconds": 1.0, "reference_cpu_seconds": 10.0}
    assert cost(record(**times)) == pytest.approx(0.1)
    assert cost(record(**times, device={"type": "cuda"})) == 0.25
    assert cost(record(seconds=None)) != cost(record(seconds=None))  # NaN


def test_controls_and_cut_training_sets_are_not_the_plain_method():
    assert plain(record()) and plain(record("ft"))
    assert not any(
        plain(record(spec=s))
        for s in ({"mask": "random"}, {"keep": 0.3}, {"train_images": 5000}, {"method": "gone"})
    )
    assert plain(record(spec={"train_images": 5000}), train_images=5000)


def test_no_records_give_an_empty_table():
    table = summarise([])
    assert table.empty and "avg_gap" in table
