"""Chapter 15: ten masks of one network, and the recorded runs under each as tables and claims."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from salun_utils.errors import InputError
from salun_utils.seeds import derive
from salun_utils.studies.claims import claims_table
from salun_utils.studies.masks import live, tables
from salun_utils.unlearning import build_mask

NAMES = {
    "dataset": "digits",
    "arch": "small-cnn",
    "width": 0.25,
    "train_images": 300,
    "train_epochs": 1,
    "scenario": "random",
    "forget_fraction": 0.2,
    "forget_class": 3,
    "keep": 0.5,
    "epochs": 1,
    "lr": 0.2,
    "seed": 0,
}
SEEDS = range(1, 11)


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = live.Masked.of(NAMES)
        assert found.task.original is not None and found.task.retrained is not None
        yield found


def test_a_mask_and_its_complement_let_all_of_a_gradient_through(masked):
    through = masked.through["loss on D_f"]
    assert through["saliency"] + through["inverted"] == pytest.approx(100)
    assert through["saliency"] == through.max()
    assert "per-layer" in str(live.through_table(masked))


def test_each_mask_runs_once_and_stands_between_the_original_and_retrain(masked):
    rows = str(live.run_table(masked)).splitlines()
    assert rows[1].startswith("original") and rows[-1].startswith("Retrain")
    assert len(rows) == len(live.MASKS) + 3 and len(masked.records) == len(live.MASKS)
    assert masked.under("random", 0.2) is masked.records["random", 0.2]
    assert (masked.live.distance > 0).all()


def test_a_mask_is_made_when_it_is_asked_for_and_is_the_one_that_runs_hold(masked):
    other = live.Masked(masked.names, masked.spec, masked.task)
    assert other.wrong_pictures["overlap"] > 0 and set(other.built) == {"saliency"}
    given = {"keep": 0.5, "seed": derive(0, "mask")}
    for rule in ("random", "fisher"):
        built = build_mask(rule, masked.task.original, masked.task.split, **given)
        assert all(torch.equal(built[n], other.mask(rule)[n]) for n in built)
    held = masked.under("random", 0.2).mask
    assert (
        held["weights"] == other.mask("random").numel and held["rule"] == other.mask("random").rule
    )
    with pytest.raises(InputError, match="no mask"):
        other.mask("none")


def test_the_sweep_is_read_off_on_straight_lines(masked):
    swept = masked.swept
    assert len(swept) == 12 and set(swept["mask"]) == set(live.FEW)
    part = swept[swept["mask"] == "random"].sort_values("distance")
    middle = part.distance.iloc[:2].mean()
    assert masked.read_off("random", "distance", live.UA, middle) == pytest.approx(
        part[live.UA].iloc[:2].mean()
    )
    assert "√s_m, %" in str(live.ruler_table(masked))


def test_the_same_rule_from_other_pictures_is_another_mask(masked):
    found = masked.wrong_pictures
    assert 0 < found["overlap"] < 1 and found["apart"] >= 0
    assert "random" in str(live.wrong_table({"random": masked}))
    assert all(not c.behind and "one seed" in c.text for c in live.claims({"random": masked}))


def rows() -> pd.DataFrame:
    """Saliency beats a random half on a class by 0.6 and loses to it under GA by 0.4; on random
    forgetting all are alike, saliency at half of the rate.
    """
    gaps = {
        ("salun", "class-3"): {"none": 0.3, "saliency": 0.3, "random": 0.9, "inverted": 40.0},
        ("ga", "class-3"): {"none": 3.0, "saliency": 2.2, "random": 1.8},
        ("ga", "random-10"): {"none": 3.6, "saliency": 3.7, "random": 4.2},
    }
    found = []
    for (method, scenario), by_mask in gaps.items():
        for mask, gap in by_mask.items():
            found += [row(method, scenario, mask, s, 0.1, gap + 0.01 * s) for s in SEEDS]
    for factor, by_mask in {
        0.5: {"none": 2.0, "saliency": 2.0, "random": 3.0},
        1.0: {"none": 3.0, "saliency": 3.0, "random": 2.0},
    }.items():
        for mask, gap in by_mask.items():
            for s in SEEDS:
                noise = 0.01 * s if (s + len(mask)) % 2 else -0.01 * s
                found.append(row("salun", "random-10", mask, s, 0.1 * factor, gap + noise))
    return pd.DataFrame(found)


def row(method: str, scenario: str, mask: str, seed: int, lr: float, gap: float) -> dict:
    gaps = {f"gap_{m}": -gap for m in ("ua", "ra", "ta", "mia")}
    about = {"method": method, "scenario": scenario, "mask": mask, "seed": seed, "lr": lr}
    return {**about, "avg_gap": gap, "diverged": False, **gaps}


@pytest.fixture
def found() -> tables.Recorded:
    return tables.Recorded.of(rows(), 0.1)


def test_every_mask_is_judged_at_the_rate_that_was_best_on_other_seeds(found):
    best = found.best
    assert set(best[best["mask"] == "saliency"].factor) == {0.5}
    assert set(best[best["mask"] == "random"].factor) == {1.0}
    assert "0.5× (10)" in str(tables.rate_table(found))
    dots = found.dots((tables.BEST, tables.CLASS), ("none", "saliency"))
    assert set(dots.panel) == {tables.BEST, tables.CLASS} and len(dots) == 40


def test_the_answer_and_the_grid_say_what_is_decided(found):
    said = str(tables.answer(found))
    assert "random 0.9" in said and "tell none of them apart" in said
    grid = str(tables.grid_table(found, "saliency"))
    line = next(part for part in grid.splitlines() if part.startswith("random"))
    assert "+0.60 *" in line and "−0.40 *" in line
    assert "SalUn own rate" in grid and tables.OWN_RATE in grid
    assert max(map(len, grid.splitlines()[:-1])) <= 100
    assert "0.35" in str(tables.mean_table(found))
    assert "−0.35" in str(tables.signed_table(found, tables.CLASS))
    assert "GA class: random" in str(tables.difference_table(found))
    assert "(10 seeds)" in str(tables.power_table(found))


def test_claims_follow_the_paired_tests(found):
    marks = [(c.text.split(":")[0], c.mark) for c in tables.claims(found)]
    assert ("SalUn, class 3", "holds") in marks and ("GA, class 3", "FAILS") in marks
    assert ("GA, random 10 %", "holds") in marks
    claims_table(tables.claims(found))


def test_without_records_every_table_says_so():
    none = tables.Recorded.of(pd.DataFrame(), 0.1)
    shown = [
        tables.answer(none),
        tables.mean_table(none),
        tables.signed_table(none, tables.CLASS),
        tables.grid_table(none, "none"),
        tables.difference_table(none),
        tables.rate_table(none),
    ]
    assert all("no recorded runs" in str(one) for one in shown)
    assert {c.mark for c in tables.claims(none)} == {"open"}
