"""Chapter 14: eight networks as tables and claims, split by split; and those of the page itself."""

from __future__ import annotations

import copy

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from salun_utils.studies.architectures import live, page, pictures, recorded, study
from salun_utils.studies.claims import claims_table

matplotlib.use("Agg")
TABLES = (
    page.facts_table,
    page.rate_table,
    page.gap_table,
    page.signed_table,
    page.split_table,
    page.agreement_table,
    page.place_table,
    lambda found: page.site_table(found, "random-10"),
)
# mean gap of each variant; on network B, the salient half is worse by as much as it is on A
LEVELS = {"original": 9.0, "FT": 4.0, "GA": 5.0, "RL": 3.5, "SalUn": 3.0}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def networks(splits=(1, 2, 3), shift=0.5):
    """Networks A and B, on which the random half is nearer by `shift` times the split."""
    rows = []
    for name in "AB":
        for seed in (study.PILOT, *splits):
            wave = 0.1 * (seed % 7)
            gaps = LEVELS | {"SalUn, random mask": LEVELS["SalUn"] - shift * (seed % 7)}
            rows += [
                (name, v, seed, None if v == "original" else 0.1, gap + wave)
                for v, gap in gaps.items()
            ]
    frame = pd.DataFrame(rows, columns=["network", "variant", "seed", "lr", "avg_gap"])
    frame["lr"] = frame.lr.astype(float)
    facts = {f"gap_{m}": 0.0 for m in study.MEASURES}
    facts |= dict.fromkeys(("original_ra", "original_ta", "retrain_ua", "retrain_ta"), 90.0)
    facts |= {"cost": 0.1, "weights": 1000.0, "train_epochs": 5, "train_lr": 0.1}
    return recorded.Networks(
        frame.assign(pilot=frame.seed == study.PILOT, scenario="random-10", **facts)
    )


def test_a_split_is_one_pair_and_the_mean_is_over_networks():
    found = networks()
    gaps = found.differences("SalUn, random mask")
    assert gaps.loc["A"].tolist() == pytest.approx([0.5, 1.0, 1.5])
    verdict = found.verdicts["SalUn, random mask"]
    assert verdict.test.n == 3 and verdict.answer == "too few"
    assert verdict.test.difference == pytest.approx(1.0)
    assert "0 of 2" in str(page.split_table(found)) and "too few" in str(page.split_table(found))


def test_enough_splits_decide_for_the_random_half():
    found = networks(splits=range(1, 11))
    assert found.verdicts["SalUn, random mask"].answer in ("no", "undecided")
    assert found.verdicts["original"].answer == "yes"


def test_the_answer_and_the_claims_follow_the_records():
    said = str(recorded.answer(networks()))
    assert "On 2 of 2 networks a random half" in said and "+0.50, +1.00, +1.50" in said
    claims = {one.text: one.mark for one in recorded.claims(networks())}
    assert claims["SalUn is the nearest of five methods on every network (means)"] == "FAILS"
    better = {one.text: one.mark for one in recorded.claims(networks(shift=-0.5))}
    assert better["SalUn is the nearest of five methods on every network (means)"] == "holds"
    assert "On 0 of 2 networks" in str(recorded.answer(networks(shift=-0.5)))


def test_like_is_compared_with_like():
    orders = {("A", 1): (1, 2, 3), ("A", 2): (1, 2, 3), ("B", 1): (3, 2, 1), ("B", 2): (1, 3, 2)}
    rows = pd.DataFrame(
        [
            {"network": n, "seed": s, "variant": v, "avg_gap": g}
            for (n, s), gaps in orders.items()
            for v, g in zip(("FT", "GA", "RL"), gaps, strict=True)
        ]
    )
    found = recorded.agreement_of_runs(rows)
    same, other = found.loc[recorded.SAME], found.loc[recorded.OTHER]
    assert np.isnan(same[recorded.ON_ONE])
    assert same[recorded.ON_TWO] == pytest.approx((1.0 - 0.5) / 2)
    assert other[recorded.ON_ONE] == pytest.approx((-1.0 + 0.5) / 2)
    assert other[recorded.ON_TWO] == pytest.approx((0.5 - 1.0) / 2)


def test_without_records_every_table_says_so():
    none = recorded.Networks(study.rows_of([]))
    for one in TABLES:
        assert str(one(none)).endswith("There are no recorded runs yet.")
    assert str(recorded.answer(none)) == "There are no recorded runs yet."
    assert {one.mark for one in recorded.claims(none)} == {"open"}


def test_every_table_and_picture_of_records():
    found = networks()
    for one in TABLES[:-1]:
        assert "A" in str(one(found)) or one in (page.split_table, page.agreement_table)
    figure, alt = pictures.by_split(found.differences("SalUn, random mask"))
    assert "above 0 on 2" in alt and "+0.50, +1.00, +1.50" in alt
    assert figure.axes[0].get_yticklabels()[-1].get_text() == "mean of all"


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    names = {
        "dataset": "fashion-mini",
        "networks": '[{"arch": "resnet18", "width": 0.0625}, {"arch": "small-cnn", "width": 0.25}]',
        "train_images": 300,
        "train_epochs": 1,
        "scenario": "random",
        "forget_fraction": 0.2,
        "keep": 0.5,
        "seed": 0,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = live.Several.of(names)
        assert found.originals
        yield found


@torch.no_grad()
def rescaled(model, stage, c):
    twin = copy.deepcopy(model)
    for block in twin.get_submodule(stage):
        for conv, bn in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
            conv.weight.mul_(c)
            bn.running_mean.mul_(c)
            bn.running_var.add_(bn.eps).mul_(c**2).sub_(bn.eps)
    return twin


def test_a_rescaled_network_answers_alike_under_another_mask(several):
    rows = live.over_factors(several, "resnet18", "layer4", rescaled, (0.25, 1.0, 4.0))
    assert (rows.apart < live.ALIKE).all() and rows.overlap[1.0] == 1
    assert rows.inside[0.25] > rows.inside[1.0] > rows.inside[4.0]
    _, alt = pictures.over_factor(rows, "layer4")
    assert f"from {rows.inside[0.25]:.0f} to {rows.inside[4.0]:.0f} %" in alt
    made = live.claims(rows)
    assert [one.mark for one in made] == ["holds"]
    assert live.claims(rows.iloc[::-1])[0].mark == "FAILS"
    assert len(claims_table(recorded.claims(networks()) + made).text.splitlines()) <= 9


def test_tables_of_the_page(several):
    name = several.named("resnet18")
    assert name == "ResNet-18 ×0.0625"
    for one in (live.trained_table, live.overlap_table, live.kind_table, live.idle_table):
        assert name in str(one(several)) or one is live.idle_table
    parts = live.kind_table(several).text.splitlines()
    assert any(line.startswith("classifier") for line in parts)
    assert all(0 < overlap <= 1 for overlap in several.overlaps.values())
