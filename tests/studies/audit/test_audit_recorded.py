"""What recorded audits say: precision by hand, verdicts from intervals, tables and claims."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from salun_utils.runs import Record
from salun_utils.studies.audit import recorded
from salun_utils.studies.audit.attack import ATTACKS
from salun_utils.studies.audit.summary import attack_rows


def audit_of(method: str, auc: float, *, threshold: float = 0.5, kept: float = 0.6) -> Record:
    def found(pictures, when, attack, value):
        return {"pictures": pictures, "when": when, "attack": attack, "auc": value} | {
            "auc_interval": [value - 0.01, value + 0.01],
            "tpr": {"0.01": 0.05, "0.001": 0.01},
            "tpr_interval": {"0.01": [0.04, 0.06], "0.001": [0.0, 0.02]},
        }

    attacks = [
        found("targets", when, a, value)
        for when, values in (
            ("before", dict.fromkeys(ATTACKS, 0.55) | {recorded.BEST: 0.7}),
            ("after", dict.fromkeys(ATTACKS, threshold) | {recorded.BEST: auc}),
        )
        for a, value in values.items()
    ]
    attacks += [found("watched", w, recorded.BEST, kept) for w in ("before", "after")]
    few = {
        k: [1.0, 2.0, 3.0] for k in ("ua", "ra", "ta", "train_cpu_seconds", "unlearn_cpu_seconds")
    }
    asked = {"after": {"unlearned": [90.0] * 3, "unseen": [91.0] * 3}}
    return Record(
        id=f"u-lira_{method}",
        tier="cpu",
        spec={"audited": method, "method": "u-lira"},
        measurements={"attacks": attacks, "models": few, "paper": asked},
        data={"name": "toy", "note": "small", "targets": 100, "watched": 50},
        device={"name": "cpu x1"},
    )


@pytest.fixture
def runs():
    left = {"salun": 0.53, "ft": 0.6, "retrain": 0.5}
    return {method: audit_of(method, auc) for method, auc in left.items()}


def test_precision_by_hand():
    assert recorded.precision(0.05, 0.01, 0.01) == pytest.approx(0.0005 / (0.0005 + 0.0099))
    assert recorded.precision(0.3, 0.3, 0.1) == pytest.approx(0.1)  # a coin is right by the prior
    assert math.isnan(recorded.precision(0.0, 0.0, 0.1))


def test_the_answer_says_how_much_is_taken_away_and_whom_the_attack_cannot_see_through(runs):
    first, second = recorded.answer(runs).sentences
    assert "AUC of 0.530 [0.520, 0.540]" in first and "0.500" in first
    assert "is 0.700, with Retrain 0.500" in second
    assert "SalUn takes away 85 %, the most of all; none of 2 methods" in second
    hidden = recorded.answer(runs | {"ft": audit_of("ft", 0.505)}).sentences[1]
    assert "85 %, FT the most, 98 %; FT can't be told from guessing." in hidden
    assert recorded.answer({}).sentences == (recorded.NONE_RECORDED,)


def test_what_is_taken_away_by_hand(runs):
    found = recorded.removed(attack_rows(runs))
    assert found == pytest.approx({"salun": 85.0, "ft": 50.0})  # from 0.7 towards 0.5


def test_tables_have_a_row_each(runs):
    rows = attack_rows(runs)
    text = str(recorded.forgotten_table(rows))
    assert "0.530 [0.520, 0.540]" in text and "0.500" in text
    accused = str(recorded.accused_table(rows))
    assert "35.7 %" in accused and "4.8 %" in accused
    assert str(recorded.kept_table(rows)).count("0.600 [0.590, 0.610]") == 6
    assert "never seen" in str(recorded.cost_table(runs))
    assert "3 shadow models, 100 targets" in recorded.data_line(runs)


def test_claims_follow_the_intervals(runs):
    text = str(recorded.claims(runs, []))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    ours = "after SalUn the likelihood ratio can't be told from guessing (interval)"
    assert "FAILS" in lines[ours]
    assert "holds" in lines["the attack on Retrain can't be told from guessing (interval)"]
    kept = "SalUn does not expose the retained pictures further (intervals)"
    assert "open" in lines[kept]
    less = "one threshold sees less of what is left after SalUn than the ratio (intervals)"
    assert "holds" in lines[less]
    every = lines[
        "every audited method leaves something that the likelihood ratio sees (intervals)"
    ]
    assert "holds" in every and "2 of 2" in every


def test_a_live_table_has_a_column_each_time():
    here = pd.DataFrame(
        [
            {"pictures": "targets", "attack": a, "when": w, "auc": 0.5}
            for a in ATTACKS
            for w in ("before", "after SalUn")
        ]
    )
    assert "after SalUn" in str(recorded.live_table(here))
