"""Chapter 16: what it runs on its page, and what it says of the records."""

from __future__ import annotations

import pytest
import torch

from salun_utils.runs import Record
from salun_utils.studies.claims import claims_table
from salun_utils.studies.influence import live, tables
from salun_utils.studies.influence.deciles import rank_correlation

NAMES = {
    "small_dataset": "digits",
    "l2": 0.05,
    "left_out": 6,
    "dataset": "digits",
    "arch": "small-cnn",
    "width": 0.25,
    "train_images": 300,
    "train_epochs": 2,
    "scenario": "class",
    "forget_class": 3,
    "epochs": 1,
    "lr": 0.02,
    "judged": 30,
    "seed": 0,
}


@pytest.fixture(scope="module")
def tenths(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = live.Tenths.of(NAMES)
        assert found.task.original is not None
        yield found


@pytest.fixture(scope="module")
def small() -> live.Small:
    made = live.Small.of(NAMES)
    few = slice(0, 150)  # of the digits, so that it takes a second
    cut = tuple(t[few] for t in made.pictures)
    order = torch.arange(150)
    return live.Small(
        cut,
        tuple(t[:40] for t in made.targets),
        list(range(15)),
        list(range(15, 21)),
        order,
        made.classes,
        made.l2,
        made.seed,
    )


def test_the_regression_is_predicted_and_its_rankings_stand_in_a_table(small):
    predicted, true = small.hardest
    assert rank_correlation(predicted, true) > 0.9
    text = str(live.ranking_table(small))
    assert all(name in text for name in live.RANKINGS)
    assert "λ = 0.1" in str(live.balance_table(small)) and len(small.balances) == 8


def test_every_decile_is_changed_in_every_way(tenths):
    rows = tenths.rows
    counts = rows.groupby("change").size().to_dict()
    assert counts == {"zero": 10, "undo": 10, "noise": 40, "equal noise": 40}
    assert rows[rows.change == "equal noise"].distance.std() < 1e-3
    assert "unlearning undone" in str(live.decile_table(tenths))
    assert 0 < tenths.between_halves <= 1 and len(tenths.sets["forget"]) <= 30


def record(seed: int, scenario: str) -> Record:
    """Influence leads the gradient by 0.2, the retain gradient that on D_f by 0.3."""
    halves = {f"set_half_by_{k}": 0.9 for k in tables.RANKINGS}
    ranks = dict(zip((f"set_by_{k}" for k in tables.RANKINGS), (0.6, 0.8, 0.2), strict=True))
    single = ("one_test", "one_own", "one_test_by_gradient_norm", "one_own_by_gradient_norm")
    head = {**ranks, **halves, **dict.fromkeys(single, 0.95)}
    head["set_by_influence"] += 0.001 * seed
    rows = []
    for scoring in ("saliency", "retain gradient"):
        for change in ("zero", "equal noise", "undo"):
            for part in range(1, 11):
                grows = part if scoring == "retain gradient" or part < 9 else 11 - part
                size = 0.1 * grows + (5.0 if part == 10 and change == "undo" else 0.0)
                rows.append(
                    {
                        "scoring": scoring,
                        "change": change,
                        "part": part,
                        "forget_size": size + 0.001 * seed,
                        "retain_size": 0.1 * part**1.1,
                    }
                )
    alike = {"jaccard_50": 0.5, "jaccard_10": 0.3, "rank": 0.4}
    masks = {"once": {"average_gap": 3.0 + 0.01 * seed}, "anew": {"average_gap": 2.0}}
    beside = {"retain gradient": 0.5, "magnitude": 0.2, "moved": 0.3, "random": 0.0}
    kind = scenario.split("-")[0]
    return Record(
        id=f"influence_{scenario}_{seed}",
        tier="cpu",
        seeds={"unlearning": seed},
        spec={"method": "influence", "scenario": kind},
        data={"name": "fashion-mini", "scenario": scenario},
        measurements={
            "head": head,
            "deciles": {"rows": rows, "rank": beside},
            "drift": {"epochs": [{"epoch": 1, **alike}], "halves": alike, "retain": alike},
            "masks": masks,
        },
    )


@pytest.fixture
def studies() -> tables.Studies:
    return tables.Studies({"class-3": [record(seed, "class-3") for seed in range(1, 13)]})


def test_the_answer_and_the_tables_give_the_recorded_means(studies):
    said = str(tables.answer(studies))
    assert "One class" in said and "at 0.60" in said and "at 0.81" in said and "90 %" in said
    assert "0.81" in str(tables.head_table(studies)) and "0.95" in str(tables.single_table(studies))
    assert "saliency, zero" in str(tables.ordering_table(studies, "class-3"))
    assert "after 1 epoch " in str(tables.overlap_table(studies))
    assert "gradient on D_r" in str(tables.beside_table(studies))
    line = str(tables.anew_table(studies)).splitlines()[1]
    assert "3.06" in line and "2.00" in line and line.endswith("holds")
    assert tables.drift_levels(studies)["class-3"]["halves of the forget set"] == 0.5


def test_claims_follow_the_paired_tests(studies):
    marks = {c.text.split(": ")[1][:22]: c.mark for c in tables.claims(studies)}
    assert marks["influence tells which "] == "holds"
    assert marks["the gradient on D_f or"] == "FAILS"
    assert marks["most of the forgetting"] == "holds"
    claims_table(tables.claims(studies))


def test_without_records_every_table_says_so():
    none = tables.Studies({})
    shown = [
        tables.answer(none),
        tables.head_table(none),
        tables.single_table(none),
        tables.ordering_table(none, "class-3"),
        tables.overlap_table(none),
        tables.anew_table(none),
    ]
    assert all("no recorded runs" in str(one) for one in shown)
    assert {c.mark for c in tables.claims(none)} == {"open"}
