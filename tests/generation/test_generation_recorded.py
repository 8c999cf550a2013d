"""Tables of recorded runs of forgetting in generators, against counts by hand."""

from __future__ import annotations

import math

import pytest

from salun_utils.errors import InputError
from salun_utils.generation.trials import recorded
from salun_utils.runs import Record


def made(
    eraser="salun",
    mask="saliency",
    concept="Coat",
    seed=1,
    *,
    ua=100.0,
    others=90.0,
    original=95.0,
    created="2026-01-01",
    **scores,
):
    far = {"fid": 4.0, "precision": 0.5, "recall": 0.25}
    return Record(
        id=f"{eraser}-{mask}-{concept}-{seed}",
        tier="cpu",
        created=created,
        seeds={"unlearning": seed},
        seconds=3.0,
        cpu_seconds=2.0,
        spec={"eraser": eraser, "mask": mask, "model": "m"},
        scores={"forgotten": concept, "ua": ua, "retained_mean": others, "distances": far} | scores,
        original={
            "forgotten": concept,
            "ua": 3.0,
            "retained_mean": original,
            "distances": {"fid": 3.5},
        },
    )


def test_a_row_holds_signed_changes_and_names_controls():
    table = recorded.rows(
        "m",
        records=[
            made(),
            made(mask="random"),
            made("rl", "none"),
            Record(id="x", spec={"method": "ft"}),
        ],
    )
    assert table.name.tolist() == ["SalUn", "SalUn, random mask", "RL (no mask)"]
    assert (
        table.change.tolist() == [-5.0] * 3
        and table.fid_change.tolist() == [0.5] * 3
        and table.word.isna().all()
    )
    attacked = recorded.rows(
        "m", records=[made(recovered={"word": 40.0, "noise": 80.0, "real": 99.0})]
    )
    assert attacked.word[0] == 40 and attacked.noise[0] == 80


def test_of_a_repeated_run_the_latest_counts():
    table = recorded.rows("m", records=[made(ua=50.0, created="2026-02-01"), made(ua=10.0)])
    assert table.ua.tolist() == [50.0]


def test_means_intervals_and_order():
    runs = [made(seed=s, others=90.0 + s) for s in (0, 1, 2)] + [
        made("ga", "none", seed=s, ua=60.0, others=95.0) for s in (0, 1, 2)
    ]
    summary = recorded.summarise(recorded.rows("m", records=runs))
    assert summary.index.tolist() == [
        "SalUn",
        "GA",
    ], "4 points lost elsewhere are less than 40 short of forgetting"
    assert (
        summary.loc["SalUn", "change"] == pytest.approx(-4)
        and summary.loc["SalUn", "change_low"] < -4 < summary.loc["SalUn", "change_high"]
    )
    assert summary.loc["GA", ["runs", "concepts", "seeds"]].tolist() == [3, 1, 3] and math.isnan(
        summary.loc["GA", "word"]
    )
    assert summary.loc["SalUn", ["change_low", "change_high"]].tolist() == [-5, -3]
    assert recorded.summarise(recorded.rows("m", records=[])).empty


def test_comparisons_are_paired_by_concept_and_seed():
    pairs = [(c, s) for c in ("Coat", "Bag", "Shirt") for s in (1, 2, 3)]
    runs = [made(concept=c, seed=s, others=94.0) for c, s in pairs] + [
        made(mask="random", concept=c, seed=s, others=92.0) for c, s in pairs
    ]
    verdicts = recorded.compare(
        recorded.rows("m", records=runs), "SalUn", ["SalUn, random mask", "GA"]
    )
    (verdict,) = verdicts.values()
    assert (
        verdict.answer == "yes"
        and verdict.test.n == 9
        and verdict.test.difference == pytest.approx(2)
        and verdict.p == pytest.approx(2 / 512)
    )
    with pytest.raises(InputError, match="no run of UCE"):
        recorded.compare(recorded.rows("m", records=runs), "UCE", ["SalUn"])


def test_every_interval_of_a_recorded_fid_holds_its_value_and_most_recorded_ones_do_not():
    rows = recorded.rows("mini-sd")
    shown = rows[rows.fid_low.notna()]
    assert 0 < len(shown) < len(rows)
    assert ((shown.fid_low <= shown.fid) & (shown.fid <= shown.fid_high)).all()
