"""Maps, counts and sentences of the chapter on diagnoses."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import torch

from salun_utils.runs import RunSpec
from salun_utils.studies.diagnosis import beside, planted, recorded
from salun_utils.studies.diagnosis.findings import SIGNATURES, Finding
from salun_utils.studies.diagnosis.signatures import Diagnosis, diagnose, diagnose_beside

HEALTHY, LITTLE, MUCH = SIGNATURES[:3]


def said(signature: str, *causes: str) -> Diagnosis:
    findings = tuple(Finding(cause, f"{cause} seen", "mend it") for cause in causes)
    return Diagnosis(signature, findings, {"ua": 90.0, "ra": 95.0, "ta": 88.0})


@pytest.fixture
def found():
    return {
        "mask on the gradient only": said(HEALTHY, "mask not applied"),
        "alpha 0": said(MUCH, "alpha 0"),
        "labels equal": said(HEALTHY),
    }


@pytest.fixture
def one_map():
    rows = [
        {"lr": lr, "alpha": alpha, "keep": 0.5, "seed": seed, "signature": name, "ua": ua}
        for lr, alpha, seed, name, ua in (
            (0.1, 0.0, 1, MUCH, 80.0),
            (0.1, 0.0, 2, None, None),
            (0.1, 1.0, 1, HEALTHY, 10.0),
            (0.1, 1.0, 2, LITTLE, 4.0),
        )
    ]
    return recorded.Map(pd.DataFrame(rows), "alpha")


def test_a_mistake_counts_as_named_under_the_name_of_its_kind(found):
    assert [planted.named(name, d) for name, d in found.items()] == [True, True, False]
    assert planted.unseen(found) == ["mask on the gradient only", "labels equal"]
    first, second = planted.answer(found).sentences
    assert first.startswith("Of 3 mistakes") and "2 end with" in first and "names 2 of" in second
    lines = str(planted.mistake_table(found))
    assert "no: –" in lines and "yes: mask not applied" in lines


def test_a_map_counts_seeds_and_a_diverged_run_is_not_healthy(one_map):
    assert one_map.healthy[0.1].to_dict() == {0.0: 0.0, 1.0: 0.5}
    signatures, ua = one_map.cells
    assert signatures.loc[0.0, 0.1] == MUCH and ua.loc[1.0, 0.1] == 7.0
    shown = str(recorded.map_table({"class-3": {"alpha": one_map}}))
    assert "class-3, alpha 1" in shown and "50" in shown and "2 seeds a cell" in shown
    cells, rows = recorded.pictured({"keep": one_map}, "a, ")
    assert list(cells) == ["a, by density"] == list(rows)


def test_several_networks_are_judged_by_one_look_at_original_and_retrain(
    tiny_model, digits_split, monkeypatch
):
    asked = []

    class Counted(beside.Answers):
        def __init__(self, model, split):
            asked.append(model)
            super().__init__(model, split)

    monkeypatch.setattr(beside, "Answers", Counted)
    other, again = (copy.deepcopy(tiny_model) for _ in range(2))
    torch.nn.init.zeros_(list(other.parameters())[-2])
    shared = beside.Beside(digits_split, tiny_model, again)
    for model in (other, tiny_model, other):
        told = diagnose_beside(model, shared)
        alone = diagnose(model, digits_split, original=tiny_model, retrained=again)
        assert told.figures == alone.figures and told.notes == alone.notes
        assert told.findings == alone.findings and told.signature == alone.signature
    assert len(asked) == 4 + 3 + 2 + 3  # two and each other one; alone the references each time


def test_the_axes_of_the_live_maps_meet_in_runs_that_are_made_once(monkeypatch):
    given = {"dataset": "digits", "arch": "small-cnn", "train_images": 300}
    specs = []

    def counted(asked):
        specs.extend(asked)
        return specs

    def lines(asked):
        rows = [{"lr": s.params["lr"], "alpha": s.params.get("alpha", 1)} for s in asked]
        frame = pd.DataFrame(rows)
        return frame.assign(keep=[s.keep for s in asked], seed=0, signature=HEALTHY, ua=10.0)

    monkeypatch.setattr(recorded, "run_all", counted)
    monkeypatch.setattr(recorded, "_lines", lines)
    maps = recorded.live_maps(RunSpec(**given, keep=0.3), epochs=3)
    for axis, values in (("alpha", recorded.ALPHAS), ("keep", recorded.KEEPS)):
        shown = maps[axis].cells[1]
        assert tuple(shown.index) == values and tuple(shown.columns) == recorded.RATES
        assert shown.notna().all().all()
    assert len(specs) == len(recorded.RATES) * (len(recorded.ALPHAS) + len(recorded.KEEPS) - 1)
    assert all(s.params["epochs"] == 3 for s in specs)


def test_the_table_of_health_names_what_is_not_healthy():
    one = pd.DataFrame({HEALTHY: [2, 0], MUCH: [1, 3]}, index=["SalUn", "GA"])
    shown = str(recorded.health_table({"random-10": one, "class-3": one.loc[["GA"]]}))
    assert "2 of 3 (0, 1)" in shown and "0 of 3 (0, 3)" in shown
    assert recorded.share(one).round(2).to_dict() == {"SalUn": 0.67, "GA": 0.0}


def test_claims_of_nothing_recorded_are_those_of_the_run_alone(found, one_map):
    live = {"alpha": one_map}
    made = recorded.claims(said(HEALTHY), found, live, {}, {})
    assert [one.mark for one in made] == ["holds", "FAILS", "holds", "FAILS"]
    maps = {"class-3": {"alpha": one_map}}
    tables = {"class-3": pd.DataFrame({HEALTHY: [2, 0], MUCH: [1, 3]}, index=["SalUn", "GA"])}
    texts = {c.text: c for c in recorded.claims(said(HEALTHY), found, live, maps, tables)}
    assert texts["records: so is every other tuned method"].mark == "FAILS"
    assert next(c for t, c in texts.items() if "tuned, SalUn" in t).mark == "holds"
