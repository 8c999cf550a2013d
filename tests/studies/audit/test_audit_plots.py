"""Pictures of audits and diagnoses: what is drawn is what was given, and the text alternative says
it.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from salun_utils.plots.methods import COLOUR_OF, RETRAIN
from salun_utils.runs import Record
from salun_utils.studies.audit import pictures as audit_plots
from salun_utils.studies.audit import summary
from salun_utils.studies.diagnosis import pictures as diagnosis_plots
from salun_utils.studies.diagnosis.signatures import SIGNATURES


def record(method: str, created: str = "2026-01-01T00:00:00+00:00", auc: float = 0.6) -> Record:
    attack = {
        "pictures": "targets",
        "when": "after",
        "attack": "likelihood ratio",
        "auc": auc,
        "auc_interval": [auc - 0.1, auc + 0.1],
        "tpr": {"0.01": 0.02, "0.001": 0.001},
        "tpr_interval": {"0.01": [0.01, 0.03], "0.001": [0, 0.002]},
        "roc": {"fpr": [0.0, 0.01, 1.0], "tpr": [0.0, 0.02, 1.0]},
    }
    models = {
        name: [10.0, 20.0, 30.0]
        for name in ("ua", "ra", "ta", "train_cpu_seconds", "unlearn_cpu_seconds")
    }
    found = {
        "attacks": [attack],
        "models": models,
        "paper": {"after": {"unlearned": [20.0, 30.0, 40.0], "unseen": [10.0, 20.0, 30.0]}},
    }
    return Record(
        id=f"{method}{created}",
        created=created,
        spec={"method": "u-lira", "audited": method},
        measurements=found,
    )


def test_audits_are_read_by_method_the_latest_of_several():
    records = [
        record("salun"),
        record("ft"),
        record("salun", "2026-02-01T00:00:00+00:00", 0.7),
        Record(id="x", spec={"method": "salun"}),
    ]
    runs = summary.audits(records)
    assert list(runs) == ["ft", "salun"] and summary.attack_rows(runs).auc.tolist() == [0.6, 0.7]
    row = summary.attack_rows(runs).iloc[1]
    assert (row.low, row.high, row.tpr_1, row.tpr_01) == (0.7 - 0.1, 0.7 + 0.1, 2.0, 0.1)
    facts = summary.model_rows(runs).loc["salun"]
    assert (
        facts.models == 3
        and facts.ua == 20
        and facts.mia == 30
        and facts.unseen == 20
        and facts.lead == facts.low == facts.high == 10
    )
    assert summary.attack_rows({}).empty and summary.model_rows({}).empty
    fpr, tpr = summary.curve(runs["ft"])
    assert fpr.tolist() == [0, 0.01, 1] and tpr.tolist() == [0, 0.02, 1]


def test_curves_have_logarithmic_axes_and_say_the_rate_at_one_per_cent():
    figure, alt = audit_plots.curves({"A": summary.curve(record("ft"))})
    axis = figure.axes[0]
    assert axis.get_xscale() == axis.get_yscale() == "log" and "A 2.0 %" in alt
    plt.close(figure)


def test_areas_draw_one_line_a_method_and_the_band_of_the_exact_one():
    rows = summary.attack_rows({"ft": record("ft"), "retrain": record("retrain", auc=0.5)})
    figure, alt = audit_plots.areas(
        rows, {"ft": "FT", "retrain": "Retrain"}, ["likelihood ratio"], exact="retrain"
    )
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["FT", "Retrain"]
    assert "FT 0.600" in alt and "Retrain 0.500" in alt and len(figure.axes[0].patches) == 1
    plt.close(figure)


def test_margins_tell_models_that_had_a_picture_from_those_that_did_not():
    member = np.array([[True], [False], [True], [False]])
    figure, alt = audit_plots.margins_of_pictures(
        torch.zeros(1, 1, 4, 4, dtype=torch.uint8),
        np.array([[4.0], [1.0], [6.0], [3.0]]),
        member,
        ["bag"],
    )
    assert "bag: means 5.0 where the model had it, 2.0 where the model never saw it" in alt
    plt.close(figure)


def test_maps_colour_by_signature_and_write_ua():
    signatures = pd.DataFrame([["healthy", None]], index=[0.5], columns=[0.1, 0.2])
    figure, alt = diagnosis_plots.signature_maps(
        {"m": (signatures, pd.DataFrame([[97.0, float("nan")]]))}, x="lr", y={"m": "keep"}
    )
    assert [t.get_text() for t in figure.axes[0].texts] == ["97", "–"] and "1 cells healthy" in alt
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["healthy", "diverged"]
    plt.close(figure)


def test_shares_add_up_to_one():
    table = pd.DataFrame({"healthy": [3, 0], SIGNATURES[2]: [1, 4]}, index=["A", "B"])
    figure, alt = diagnosis_plots.signature_shares({"class": table})
    widths = {}
    for bar in figure.axes[0].patches:
        widths[round(bar.get_y() + bar.get_height() / 2)] = (
            widths.get(round(bar.get_y() + bar.get_height() / 2), 0) + bar.get_width()
        )
    assert widths == {0: 1.0, 1: 1.0} and "healthy 3 of 8 runs" in alt
    plt.close(figure)


def test_a_curve_has_the_colour_of_its_method_and_salun_the_whole_stroke():
    names = ["Retrain, likelihood ratio", "RL", "SalUn, likelihood ratio", "original"]
    found = dict(zip(names, audit_plots.looks(names), strict=True))
    assert found["Retrain, likelihood ratio"] == (RETRAIN, "-")
    assert found["SalUn, likelihood ratio"] == (COLOUR_OF["labels"], "-")
    assert found["RL"] == (COLOUR_OF["labels"], "--")
    assert found["original"] == (COLOUR_OF["reference"], "-")
