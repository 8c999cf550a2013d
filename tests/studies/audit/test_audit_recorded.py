"""What recorded audits say: precision by hand, verdicts from intervals, tables and claims."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from salun_utils.runs import Record
from salun_utils.studies.audit import further_tables, pictures, recorded
from salun_utils.studies.audit.attack import ATTACKS, BEST, BLUNT
from salun_utils.studies.audit.gap_free import RUINED
from salun_utils.studies.audit.reference import BOTH, NAMES, ONE
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


def deeper(method: str, *, forgot: bool) -> Record:
    """An audit of four networks that can be asked further."""
    record = audit_of(method, 0.5 if forgot else 0.58)
    record.spec |= {"models": 12, "further": True}
    record.data |= {"canaries": 5, "test": 90, "pool": 1000}
    record.seeds["split"] = 3

    def found(pictures, when, attack, auc):
        ends = {"auc_interval": [auc - 0.04, auc + 0.04], "tpr_interval": {"0.01": [0.0, 0.1]}}
        tpr = {"0.01": 0.0 if attack == BOTH and when == "after" else 0.05}
        return {"pictures": pictures, "when": when, "attack": attack, "auc": auc, "tpr": tpr} | ends

    after = 0.51 if forgot else 0.6
    both = {"before": 0.7, "after": after}
    free = {n: [0.5, 0.6, 0.7, 0.8] for n in ("zrf", "rf_jsd", "ta")}
    free |= {"zrf_unseen": [0.6, 0.7, 0.8, 0.9], "rf_jsd_unseen": [0.5, 0.6, 0.7, 0.8]}
    each = {a: [0.7, 0.72, 0.74, 0.7, 0.71, 0.75] for a in (BEST, ONE)}
    record.measurements["further"] = {
        "attacks": [
            *[found("targets", w, a, auc) for w, auc in both.items() for a in NAMES],
            found("targets", RUINED, BEST, 0.49),
        ],
        "by_network": {"before": each | {BLUNT: [0.6, 0.61, 0.6, 0.59, 0.6, 0.62]}},
        "exposed": [found(k, w, BEST, 0.9) for w in both for k in ("vulnerable", "canaries")],
        "forgetting": {name: {"4": [0.2, 0.4], "6": [0.25]} for name in (*both, "retrain")},
        "free": dict.fromkeys((*both, RUINED), free),
    }
    return record


@pytest.fixture
def asked():
    return {m: deeper(m, forgot=m == "retrain") for m in ("salun", "retrain")}


def test_further_tables_set_the_same_networks_beside_each_other(asked):
    assert list(further_tables.networks(asked)) == ["original", "Retrain", "SalUn"]
    attacks = str(further_tables.attacks_table(asked)).splitlines()
    assert attacks[0].split() == ["attack", "original", "Retrain", "SalUn"]
    assert attacks[1].startswith("U-LiRA (5 in, 5 out)") and "RMIA (1 out)" in attacks[4]
    assert "0.70 [0.66, 0.74]  0.51 [0.47, 0.55]  0.60 [0.56, 0.64]" in attacks[4]
    exposed = str(further_tables.exposed_table(asked))
    assert "canaries" in exposed and exposed.count("0.90 [0.86, 0.94]") == 6
    free = str(further_tables.free_table(asked)).splitlines()
    assert free[-1].startswith("random weights") and "0.490" in free[-1]
    assert "−0.100 [−0.100, −0.100]" in free[1] and "0.000" in free[1]
    assert "12 shadow models" in further_tables.data_line(asked)


def test_precision_is_a_dash_where_nobody_is_accused(asked):
    lines = str(further_tables.precision_table(asked)).splitlines()
    assert "RMIA (5 in, 5 out)" in lines[2] and lines[2].count("–") == 4
    # 5 % found at 1 % false alarms: 0.1 * 0.05 / (0.1 * 0.05 + 0.9 * 0.01), and so on
    assert "36 [0, 53]" in lines[4] and "5 [0, 9]" in lines[4]


def test_further_claims_hold_and_fail_by_their_figures(asked):
    blind, cheap = further_tables.claims(asked)
    assert blind.mark == cheap.mark == "holds"
    by = asked["salun"].measurements["further"]["by_network"]["before"]
    by[ONE], by[BLUNT] = by[BLUNT], by[ONE]
    assert further_tables.claims(asked)[1].mark == "FAILS"
    left = deeper("retrain", forgot=False)
    assert further_tables.claims(asked | {"retrain": left})[0].mark == "FAILS"


def test_the_score_of_two_known_normals_stands_beside_the_exact_one():
    assert further_tables.normals_line(models=2000).endswith("0.50 [0.50, 0.50]; exactly 0.50")


def test_recorded_audits_are_shown_where_there_are_enough_of_them(asked):
    live: dict = {}
    assert further_tables.richest(asked, live) is asked
    assert further_tables.richest({"retrain": asked["retrain"]}, live) is live


def test_forgetting_scores_are_drawn_beside_their_exact_values(asked):
    found = further_tables.by_count(asked)
    assert found["SalUn"] == {4: [0.2, 0.4], 6: [0.25]}
    figure, alt = pictures.forgetting_scores(found, simulated=(8, 16), pictures=6)
    assert "SalUn 0.25 at 6" in alt and "exactly 1;" in alt
    (points,) = (line for line in figure.axes[0].lines if line.get_label() == "SalUn")
    assert points.get_ydata().tolist() == pytest.approx([0.3, 0.25])
    plt.close(figure)
