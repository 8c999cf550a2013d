"""Runs on networks that memorise: gaps under every reading of the attack, worked out by hand."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
import yaml

from salun_utils.runs import Record
from salun_utils.studies.common import NONE_RECORDED
from salun_utils.studies.memorising import pictures, recorded
from salun_utils.studies.yardstick import yardstick

VARIANTS = ("confidence", "correctness", "entropy", "m_entropy", "prob")


def scores(ua: float, mia: float, **variants: float) -> dict:
    own = dict.fromkeys(VARIANTS, mia) | variants
    return {"ua": ua, "ra": 100.0, "ta": 70.0, "mia": mia, "mia_variants": own}


def run(method: str, seed: int, ua: float, mia: float, *, mask=None, params=None, **variants):
    mine, retrain = scores(ua, mia, **variants), scores(30.0, 60.0)
    gap = {m: mine[m] - retrain[m] for m in ("ua", "ra", "ta", "mia")}
    return Record(
        id=f"{method}-{mask}-{params}-{seed}",
        tier="cpu",
        spec={"method": method, "mask": mask, "keep": 0.5, "params": params or {}},
        seeds={"split": seed, "training": seed, "unlearning": seed},
        scores=mine,
        reference=retrain,
        gap=gap | {"average": sum(map(abs, gap.values())) / 4},
        data={"name": "toy", "scenario": "random-10"},
        cpu_seconds=2.0,
        reference_cpu_seconds=10.0,
    )


@pytest.fixture
def runs():
    found = []
    for seed in (1, 2, 3):
        found += [
            run("retrain", seed, 30.0, 60.0),
            run("retrain", seed, 31.0, 61.0, params={"epochs": 8}),
            # 8 away by confidence and nowhere else, so 2 on the average of four
            run("salun", seed, 30.0, 68.0, mask="saliency", correctness=60.0),
            run("salun", seed, 34.0, 60.0, mask="random"),
            run("ft", seed, 30.0 + (6 if seed == 1 else -6), 60.0),
        ]
    return found


def test_rows_are_named_after_method_and_mask_and_the_second_retrain_is_no_first(runs):
    rows = recorded.table(runs)
    assert set(rows.index) == {"Retrain", "another Retrain", "SalUn", "SalUn, random mask", "FT"}
    assert rows.loc["Retrain", "confidence"] == 0 and yardstick(rows, "confidence") == 0.5
    assert list(rows.seeds) == [3] * 5 and rows.loc["FT", "cost"] == pytest.approx(0.2)


def test_the_gap_of_each_reading(runs):
    rows = recorded.table(runs)
    assert rows.loc["SalUn", "confidence"] == 2.0 and rows.loc["SalUn", "correctness"] == 0.0
    assert rows.loc["SalUn", recorded.WITHOUT] == 0.0
    assert rows.loc["SalUn, random mask", recorded.WITHOUT] == pytest.approx(4 / 3)


def test_opposite_gaps_cancel_in_the_gap_of_means_only(runs):
    row = recorded.table(runs).loc["FT"]
    assert row.confidence == 1.5 and row.gap_of_means == pytest.approx(2.0 / 4)


def test_places_leave_out_what_is_no_method_and_turn_with_the_attack(runs):
    places = recorded.places(recorded.table(runs))
    assert list(places.index) == ["FT", "SalUn"], "a mask that isn't its own is a control"
    assert places.loc["SalUn", "confidence"] == 2 and places.loc["SalUn", "correctness"] == 1


def test_three_seeds_are_too_few_for_a_verdict_and_six_are_not():
    few = [
        run(m, s, ua, 60.0, mask=mask)
        for s in range(3)
        for m, ua, mask in (("salun", 30.0, "saliency"), ("ft", 40.0, None))
    ]
    assert recorded.verdicts(few, "SalUn", ["FT"])["FT"].answer == "too few"
    more = [
        run(m, s, ua, 60.0, mask=mask)
        for s in range(6)
        for m, ua, mask in (("salun", 30.0, "saliency"), ("ft", 40.0, None))
    ]
    assert recorded.verdicts(more, "SalUn", ["FT", "GA"])["FT"].answer == "yes"
    assert recorded.verdicts(more, "MSG", ["FT"]) == {}


def test_the_attacks_worth_is_shown_where_it_was_measured():
    worth = {"balanced_accuracy": 61.0, "low": 58.0, "high": 64.0}
    told = run("ft", 1, 30.0, 60.0)
    told = told.model_copy(update={"scores": told.scores | {"attack": worth}})
    blind = told.model_copy(
        update={"id": "b", "seeds": {"unlearning": 2}}
        | {"scores": told.scores | {"attack": worth | {"balanced_accuracy": 51.0, "low": 49.0}}}
    )
    found = recorded.attack_worth([told, blind, run("ga", 1, 30.0, 60.0)])
    assert list(found.index) == ["FT"] and found.loc["FT", "can tell"] == 0.5
    assert found.loc["FT", "balanced accuracy"] == 56.0 and found.loc["FT", "low"] == 49.0


def test_the_pictures_say_what_they_show(runs):
    rows = recorded.table(runs)
    figure, said = pictures.gaps(rows)
    assert "another Retrain" in said and "from SalUn, random mask 1.00 to SalUn 2.00" in said
    plt.close(figure)
    figure, said = pictures.turning(rows)
    assert "from 1 to 2" in said
    plt.close(figure)
    assert recorded.table([]).empty


def test_tables_and_the_answer_of_the_page(runs):
    rows = recorded.table(runs)
    text = str(recorded.shown(rows, recorded.where_made(runs)))
    assert text.index("Retrain") < text.index("SalUn, random mask") < text.index("FT")
    assert "Data: None; device: None." in text
    first, second = recorded.answer(rows).sentences
    assert "SalUn ends 2.00 points from Retrain, place 2 of 2" in first
    assert "nearest is FT with 1.50" in first
    assert "Under a random mask of the same size the gap is 1.00" in second
    assert str(recorded.answer(recorded.table([]))) == NONE_RECORDED


def test_claims_are_corrected_together_and_too_few_is_said(runs):
    text = str(recorded.claims(runs, 0.05, 0.09))
    assert text.count("too few") == 3 and "holds" in text
    found, bare = (
        recorded.verdicts(runs, "SalUn", ["FT"], reading=r)
        for r in ("confidence", recorded.WITHOUT)
    )
    assert "too few" in str(recorded.verdict_table(found, bare))


def test_what_tuning_chose_is_a_row_each(tmp_path):
    assert recorded.tuning(tmp_path) is None
    entry = {"default_gap": 9.0, "pilot_gap": 2.5, "pilot_gaps": [2.0, 3.0], "trials": 12}
    own = entry | {"pruned": 4, "edges": {"lr": "high"}, "params": {"lr": 0.123456}}
    (tmp_path / recorded.TUNED.format("random-10")).write_text(
        yaml.safe_dump({"salun/random": own})
    )
    assert recorded.tuning(tmp_path, "random-50") is None
    text = str(recorded.tuning(tmp_path))
    assert "SalUn, random mask" in text and "lr high" in text and "12 4 cut" in text
