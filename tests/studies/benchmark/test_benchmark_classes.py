"""Where the pictures of a forgotten class go."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from salun_utils.data.images import Images
from salun_utils.metrics import Scores
from salun_utils.studies.benchmark import classes
from salun_utils.studies.benchmark.recorded import Benchmark

CLASSES = ["dress", "shirt", "boot", "bag"]


class Always(nn.Module):
    """Answers each picture with the class whose number is its first pixel."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        given = (x[:, 0, 0, 0] * 255).round().long()
        return nn.functional.one_hot(given, len(CLASSES)).float() + 0 * self.weight


def pictures(answers: list[int]) -> Images:
    pixels = torch.zeros(len(answers), 1, 2, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.tensor(answers, dtype=torch.uint8)
    return Images(pixels, torch.zeros(len(answers)).long())


def scores(ua: float) -> Scores:
    counts = {"forget": 4, "retain": 4, "test": 4}
    return Scores(
        ua=ua, ra=99.0, ta=90.0, mia=99.0, mia_variants={}, protocol="paper", counts=counts
    )


SHARES = pd.DataFrame(
    {
        "dress": [0.0, 2.0, 0.0, 90.0],
        "shirt": [99.0, 90.0, 40.0, 10.0],
        "boot": [0.7, 4.0, 30.0, 0.0],
        "bag": [0.3, 4.0, 30.0, 0.0],
    },
    index=["Retrain", "FT", "SalUn", "RL"],
)


def test_shares_are_per_cent_of_the_answers():
    found = classes.answer_shares({"salun": Always()}, pictures([1, 1, 1, 2]), CLASSES)
    assert found.loc["SalUn"].tolist() == [0.0, 75.0, 25.0, 0.0]


def test_rare_answers_leave_the_forgotten_class_aside():
    rare, odd = classes.rare_answers(SHARES, "dress")
    assert rare == ["boot", "bag"]
    assert odd.to_dict() == {"Retrain": 1.0, "FT": 8.0, "SalUn": 60.0, "RL": 0.0}


def test_distances_are_sorted_and_retrain_is_left_out():
    apart = pd.Series({"Retrain": 0.0, "FT": 9.0, "SalUn": 59.0})
    ua = {"retrain": scores(100.0), "ft": scores(98.0), "salun": scores(100.0)}
    odd = pd.Series({"Retrain": 1.0, "FT": 8.0, "SalUn": 60.0})
    rows = classes.distances_table(apart, apart / 2, odd, ua).text.splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["FT", "SalUn"]
    assert rows[1].split()[1:] == ["9.0", "4.5", "8", "98.0"]


@pytest.mark.parametrize(("rl", "mark"), [(30.0, "holds"), (0.0, "FAILS")])
def test_claims_follow_the_figures(rl, mark):
    apart = pd.Series({"FT": 9.0, "SalUn": 59.0, "RL": 80.0})
    odd = pd.Series({"FT": 8.0, "SalUn": 60.0, "RL": rl})
    found = classes.live_claims({}, SHARES, apart, odd)
    assert [claim.mark for claim in found] == ["holds", mark]
    assert found[1].figure == f"FT 9 and 8 %, RL 80 and {rl:.0f} %, SalUn 59 and 60 %"
    assert found[0].figure == "100 % in shirt and boot"


def test_classes_without_records_are_named():
    assert classes.by_class_table(Benchmark(()), CLASSES).text.endswith(
        "There are no recorded runs yet."
    )


def test_published_figures_stand_without_measured_ones():
    text = classes.beside_published(Benchmark(())).text
    assert "99.28" in text and "–" in text
