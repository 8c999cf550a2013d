"""Scores, distances and pictures of single runs side by side."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from salun_utils.generation.measures.recognition import Recognition
from salun_utils.metrics import Interval
from salun_utils.saliency import SaliencyMask
from salun_utils.studies.erasing import one_run

CLASSES = ["shirt", "shoe", "bag"]


def seen(ua: float) -> Recognition:
    return Recognition(
        forgotten="shoe",
        ua=ua,
        ua_interval=Interval(ua - 5, ua + 5),
        retained={"shirt": 90.0, "bag": 80.0},
        retained_mean=85.0,
        retained_interval=Interval(80, 90),
        samples=dict.fromkeys(CLASSES, 10),
        judge="some",
        judge_accuracy=92.0,
    )


def far(fid: float) -> SimpleNamespace:
    measures = {"kid": 0.1, "inception_score": 2.0, "precision": 0.5, "recall": 0.25}
    return SimpleNamespace(fid=fid, **measures, features="some", generated=20, real=1000)


@pytest.fixture
def runs():
    labels = torch.tensor([1, 0, 2, 1])
    pixels = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1)
    one = SimpleNamespace(
        original=seen(10.0),
        scores=seen(95.0),
        before=pixels,
        after=pixels + 10,
        labels=labels,
        original_distances=far(3.0),
        distances=far(4.0),
    )
    return {"SalUn": one}


def test_the_first_picture_of_each_class_stands_under_its_class(runs):
    rows = one_run.first_of_each(runs["SalUn"].labels, CLASSES)
    assert rows.tolist() == [1, 0, 2]
    found = one_run.pictures(runs, rows)
    assert found["original"].flatten().tolist() == [1, 0, 2]
    assert found["SalUn"].flatten().tolist() == [11, 10, 12]


def test_the_tables_have_the_original_first_and_intervals_behind_means(runs):
    lines = str(one_run.score_table(runs)).splitlines()
    assert "10.0 [5.0, 15.0]" in lines[-2] and "95.0 [90.0, 100.0]" in lines[-1]
    shown = str(one_run.distance_table(runs))
    assert "4.000" in shown and "20 drawn pictures against 1,000 real" in shown


def test_what_is_recognised_of_the_forgotten_class_is_the_rest_of_ua(runs):
    found = one_run.recognised(runs, CLASSES)
    assert list(found["class"]) == ["shirt", "shirt", "shoe", "shoe", "bag", "bag"]
    shoes = found[found["class"] == "shoe"].set_index("model").recognised
    assert shoes.to_dict() == {"original": 90, "SalUn": 5}


def test_two_masks_agree_where_both_keep_or_both_hold():
    first = SaliencyMask.from_bools({"w": torch.tensor([True, True, False, False])})
    second = SaliencyMask.from_bools({"w": torch.tensor([True, False, False, False])})
    shown = str(one_run.agreement_table(first, second))
    assert "75.0" in shown and "50.0" in shown  # 3 of 4; 1/8 + 3/8
    assert one_run.agreement_table(None, second) is None
