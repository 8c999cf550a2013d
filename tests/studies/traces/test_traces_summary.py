"""Tables and pictures of what is left in unlearned networks, on made-up records."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from salun_utils.metrics import klom
from salun_utils.plots.methods import COLOUR_OF
from salun_utils.runs import Record
from salun_utils.studies.traces import pictures as traces_plots
from salun_utils.studies.traces import summary

CURVE = {
    "retrain": (0, 0, 40),
    "original": (90, 95, 100),
    "retrain again": (0, 0, 60),
    "salun": (0, 70, 100),
}


def look(name: str, at: int) -> dict:
    return {
        "step": (0, 1, 10)[at],
        "forget": float(CURVE[name][at]),
        "test": 90.0,
        "test_forgotten": float(CURVE[name][at]),
    }


def network(name: str, seed: int, draws: np.random.Generator) -> dict:
    shift = {"retrain": 0.0, "retrain again": 0.0, "original": 3.0, "salun": 1.0}[name]
    rounded = {
        "ua": 99.0,
        "ra": 97.0,
        "ta": 88.0,
        "probe": {"class": 80.0, "others": 85.0},
        "cka": {"forget": 0.6, "test": 0.9},
        "codes_changed": 0.25,
        "lesson": 10,
        "relearn": [look(name, k) for k in range(3)],
    }
    return {
        "scores": {"ua": 100.0, "ra": 97.0, "ta": 90.0 + seed, "mia": 100.0, "test_forgotten": 0.0},
        "cka": {part: {"last": 0.7 + 0.01 * seed, "relu1": 0.99} for part in ("forget", "test")},
        "probe": {"class": 80.0, "others": 85.0},
        "margins": {
            part: list(draws.normal(shift if part == "forget" else 0.0, 1, 30))
            for part in ("forget", "retain", "test")
        },
        "relearn": {
            lesson: [look(name, k) for k in range(3)] for lesson in ("1", "10", "5", "benign")
        },
        "rounded": {"8": rounded, "4": rounded},
    }


def made_up(seed: int, scenario: str = "class-3") -> Record:
    draws = np.random.default_rng(seed)
    networks = {
        name: network(name, seed, draws)
        for name in ("retrain", "original", "retrain again", "salun")
    }
    return Record(
        id=f"traces_{scenario}_{seed}",
        tier="cpu",
        seeds={"split": 1, "training": seed, "unlearning": seed},
        spec={
            "dataset": "fashion-mini",
            "arch": "small-cnn",
            "method": "traces",
            "scenario": "class",
        },
        data={"name": "fashion-mini", "scenario": scenario},
        measurements={"networks": networks},
    )


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [made_up(seed) for seed in range(1, 9)]


def test_rows_of_networks_hold_one_line_a_seed_and_network(records):
    rows = summary.network_rows([*records, records[0]])  # a repeated seed counts once
    assert len(rows) == 8 * 4 and list(dict.fromkeys(rows.network)) == [
        "retrain",
        "retrain again",
        "original",
        "salun",
    ]
    assert (
        set(rows.scenario) == {"class-3"}
        and rows.member.isna().all()
        and (rows["class"] == 80).all()
    )
    assert rows[rows.seed == 3].cka_forget.tolist() == [0.73] * 4


def test_steps_to_a_level_are_the_first_look_that_reaches_it(records):
    rows = summary.relearn_rows(records)
    soon = summary.steps_to(rows[(rows.bits == 32) & (rows.lesson == "1")], 50)
    assert soon.groupby("network").step.unique().map(list).to_dict() == {
        "retrain": [math.inf],
        "retrain again": [10],
        "original": [0],
        "salun": [1],
    }
    assert set(rows.bits) == {32, 8, 4} and set(rows[rows.bits == 8].lesson) == {"10"}


def test_klom_is_that_of_the_margins_and_small_between_retrains(records):
    rows = summary.klom_rows(records).set_index(["network", "part"])
    margins = {
        n: np.array([r.measurements["networks"][n]["margins"]["forget"] for r in records])
        for n in ("salun", "retrain")
    }
    each = klom(margins["salun"], margins["retrain"], estimator="normal")
    assert rows.loc[("salun", "forget"), "klom"] == pytest.approx(each.mean())
    assert rows.loc[("salun", "forget"), "p95"] == pytest.approx(np.quantile(each, 0.95))
    assert (
        rows.loc[("retrain again", "forget"), "klom"]
        < rows.loc[("salun", "forget"), "klom"]
        < rows.loc[("original", "forget"), "klom"]
    )
    assert (
        (rows.low <= rows.klom).all()
        and (rows.klom <= rows.high).all()
        and (rows.models == 8).all()
    )
    assert not len(summary.klom_rows(records[:4]))  # four models are no distribution


def test_means_have_intervals_and_skip_what_is_missing(records):
    rows = summary.network_rows(records)
    found = summary.averaged(rows, ["network"], "ta")
    assert found.loc["salun", "mean"] == pytest.approx(94.5) and found.loc["salun", "seeds"] == 8
    assert found.loc["salun", "low"] < 94.5 < found.loc["salun", "high"]
    assert not len(summary.averaged(rows, ["network"], "member"))


def test_tables_of_no_records_have_their_columns():
    for name in ("network", "layer", "relearn", "rounded", "klom", "generator"):
        empty = getattr(summary, f"{name}_rows")([])
        assert isinstance(empty, pd.DataFrame) and not len(empty) and len(empty.columns) > 5


def test_rounded_rows_give_per_cent_and_the_full_width_beside(records):
    rows = summary.rounded_rows(records)
    assert set(rows.bits) == {32, 8, 4} and rows[rows.bits == 32].codes_changed.isna().all()
    assert (rows[rows.bits == 8].codes_changed == 25).all()


def test_curves_of_generators_count_a_repeated_run_once():
    def run(created: str, share: float) -> Record:
        curve = [{"step": 0, "concept": 0.0, "others": 95.0}, {"step": 10, "concept": share}]
        return Record(
            id="r",
            tier="cpu",
            seeds={"unlearning": 1, "sampling": 2},
            created=created,
            measurements={"original": 100.0, "curves": {"10": curve}},
            spec={
                "model": "mini-sd",
                "concept": "Sneaker",
                "erased": "uce",
                "mask": "",
                "method": "relearning",
                "scenario": "class 7",
            },
        )

    rows = summary.generator_rows([run("2026-01-02", 60.0), run("2026-01-01", 20.0)])
    assert (
        rows.forget.tolist() == [0, 60]
        and set(rows.network) == {"UCE"}
        and rows.others.isna().tolist() == [False, True]
    )


def test_pictures_say_what_they_show(records):
    figure, alt = traces_plots.alignment_by_layer(summary.layer_rows(records))
    assert [axis.get_title() for axis in figure.axes] == ["on $D_f$", "on test pictures"]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["relu1", "last"]
    assert "SalUn 0.74" in alt or "SalUn 0.75" in alt
    rows = summary.relearn_rows(records)
    figure, alt = traces_plots.relearning_curves(rows[rows.bits == 32])
    drawn = [axis.get_title() for axis in figure.axes if axis.get_visible()]
    assert (
        drawn == ["1 picture", "5 pictures", "10 pictures", "retained only"]
        and len(figure.axes) == 6
    )
    assert "Retrain 40" in alt and "SalUn 100" in alt
    figure, alt = traces_plots.klom_dots(summary.klom_rows(records))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["original", "SalUn"]
    assert "Retrain from another seed" in alt
    plt.close("all")


def test_references_look_alike_on_every_picture():
    first = traces_plots.styles(["retrain", "retrain again", "original", "ft"])
    second = traces_plots.styles(["original", "retrain", "rl", "ga"])
    assert first["retrain"] == second["retrain"] and first["original"] == second["original"]
    assert (
        first["retrain"] != first["retrain again"]
        and second["rl"]["color"] != second["ga"]["color"]
    )


def test_salun_has_the_colour_of_its_kind_and_the_whole_stroke_on_every_picture():
    classifiers = traces_plots.styles(["retrain", "ft", "rl", "salun", "scrub"])
    generators = traces_plots.styles(["RL (no mask)", "SalUn", "Selective Amnesia"])
    assert classifiers["salun"]["color"] == generators["SalUn"]["color"] == COLOUR_OF["labels"]
    assert classifiers["salun"]["linestyle"] == generators["SalUn"]["linestyle"] == "-"
    assert classifiers["rl"]["color"] == COLOUR_OF["labels"]
    assert classifiers["rl"]["linestyle"] != "-" != generators["RL (no mask)"]["linestyle"]
    assert generators["Selective Amnesia"]["color"] not in COLOUR_OF.values()
