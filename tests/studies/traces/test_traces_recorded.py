"""Pages' tables and claims from looks that are made by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from salun_utils.runs import Record
from salun_utils.studies.traces import recorded, study
from salun_utils.studies.traces.inside import LAST

NETWORKS = {
    # what ten steps on one picture bring back, the probe, alignment on forgotten pictures
    study.ORACLE: (5.0, 70.0, 1.0),
    study.AGAIN: (6.0, 71.0, 0.8),
    study.ORIGINAL: (90.0, 88.0, 0.6),
    "salun": (40.0, 80.0, 0.5),
    "ft": (60.0, 85.0, 0.55),
}


def look(back: float, probe: float, cka: float, seed: int) -> dict:
    def curve(end):
        return [
            {"step": s, "forget": f + 0.1 * seed, "test": 90.0, "test_forgotten": f}
            for s, f in ((0, 0.0), (10, end), (50, min(100.0, end + 50)))
        ]

    aligned = {"forget": {LAST: cka + 0.001 * seed}, "test": {LAST: 0.9}}
    small = {"ua": 99.0, "ra": 95.0, "ta": 88.0, "probe": {}, "codes_changed": 0.2, "lesson": "1"}
    return {
        "scores": {"ua": 99.5, "ra": 96.0, "ta": 89.0, "mia": 100.0, "test_forgotten": 0.0},
        "cka": aligned,
        "probe": {"class": probe + seed, "others": 80.0},
        "margins": {p: [float(seed), 1.0 + seed, 2.0] for p in ("forget", "retain", "test")},
        "relearn": {"1": curve(back), "10": curve(back + 20), study.BENIGN: curve(1.0)},
        "rounded": {"8": small | {"cka": {"forget": cka, "test": 0.9}, "relearn": curve(back)}},
    }


def record(seed: int, **measured) -> Record:
    networks = {name: look(*figures, seed) for name, figures in NETWORKS.items()}
    return Record(
        id=f"traces-{seed}",
        tier="cpu",
        spec={"scenario": "class", "forget_class": 3, "method": study.NAME},
        seeds={"split": 1, "training": seed, "unlearning": seed},
        data={"name": "toy", "scenario": "class-3"},
        measurements={"networks": networks, "watched": {}} | measured,
    )


@pytest.fixture
def looks():
    return [record(seed) for seed in range(1, 9)]


def test_the_answer_has_its_figures(looks):
    first, second = recorded.answer(looks).sentences
    assert "bring 40 %" in first and "and 5 % to Retrain" in first and "FT gives least" in first
    assert "alignment of 0.50" in second and "another Retrain have 0.80" in second
    assert recorded.answer([]).sentences == (recorded.NONE_RECORDED,)


def test_verdicts_are_paired_by_seed_and_corrected(looks):
    rows = recorded.summary.network_rows(looks)
    found = recorded.tests(rows, recorded.of_class(looks))
    assert [v.answer for v in found.values()] == ["yes"] * 4
    assert all(v.p == pytest.approx(4 * 2 / 2**8) for v in found.values())
    few = recorded.tests(rows[rows.seed <= 3], recorded.of_class(looks[:3]))
    assert {v.answer for v in few.values()} == {"too few"}


def test_tables_and_claims(looks):
    curves = recorded.of_class(looks)
    text = str(recorded.relearn_table(curves))
    assert "another Retrain" in text and "1 picture" in text and "retained only" in text
    assert "probe: class" in str(recorded.network_table(looks, "class-3"))
    assert "UA, 8" in str(recorded.rounded_table(looks, "class-3"))
    distances = recorded.summary.klom_rows(looks)
    assert "SalUn" in str(recorded.klom_table(distances, "class-3"))
    said = str(recorded.claims(looks, pd.DataFrame()))
    assert said.count("holds") >= 5 and "a hundred steps" not in said
    assert recorded.claims([], pd.DataFrame()) is None


def test_generators_count_runs_and_not_seeds_times_concepts():
    def of(name, *runs):
        return [
            {"model": "ddpm-fashion", "network": name, "concept": c, "seed": s, "lesson": "10"}
            | {"step": step, "forget": 60.0 + step / 10, "others": 90.0}
            for c, s in runs
            for step in (0, 100)
        ]

    every = pd.DataFrame(of("SalUn", ("a", 1), ("b", 2)) + of("UCE", ("a", 1), ("a", 2), ("b", 1)))
    assert recorded._runs(every[every.network == "SalUn"]) == 2
    text = str(recorded.generator_table(every, "ddpm-fashion", "10"))
    assert "100 steps" in text and "70.0" in text
    (claim,) = recorded._taught_again(every)
    assert claim.verdict is True and "70 %" in claim.figure


def test_a_method_that_diverged_is_named(looks):
    assert recorded.diverged(looks) == ""
    lost = record(9, diverged={"neggrad+": "the loss became nan"})
    assert "NegGrad+ on class-3 in 1 of its seeds" in recorded.diverged([*looks, lost])
