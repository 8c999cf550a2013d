"""Chapter 12: the ways run side by side, and the recorded runs as tables and claims."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_records import made_run

from salun_utils.metrics import compare_pairs
from salun_utils.studies.claims import claims_table
from salun_utils.studies.soft import live, pictures, tables
from salun_utils.studies.yardstick import NAME, of_records

NAMES = {
    "dataset": "digits",
    "arch": "small-cnn",
    "width": 0.25,
    "train_images": 300,
    "train_epochs": 1,
    "scenario": "random",
    "forget_fraction": 0.2,
    "epochs": 2,
    "lr": 0.05,
    "keep": 0.5,
    "beta": 0.05,
    "seed": 0,
}


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = live.Ways.of(NAMES)
        assert found.task.original is not None and found.task.retrained is not None
        yield found


def test_masks_move_the_share_asked_for_and_a_constant_penalty_fewer_than_a_falling_one(ways):
    moved = ways.counted.moved
    assert moved[live.HARD] <= 0.5 and moved[live.ANNEALED] <= 0.5
    assert moved[live.CONSTANT] < moved[live.FALLING] <= moved[live.NONE]
    assert ways.same(live.HARD, ways.traced[live.HARD][0])
    assert not ways.same(live.HARD, ways.traced[live.NONE][0])


def test_the_path_has_each_penalty_under_both_schedules_and_moves_less_with_more(ways):
    path = ways.path
    assert len(path) == 10 and path.beta.max() == pytest.approx(0.5)
    constant = path[path.schedule == "constant"].set_index("beta").moved
    assert constant.is_monotonic_decreasing
    middle = path[(path.schedule == "linear") & (path.beta == 0.05)].moved.item()
    assert middle == ways.counted.moved[live.FALLING]
    assert "falling, 0.05" in str(live.path_table(ways))


def test_tables_and_the_answer_name_the_ways(ways):
    assert "β = 0.05" in str(live.answer(ways))
    assert live.RISING in str(live.count_table(ways)) and "Retrain" in str(live.score_table(ways))
    found = live.claims(ways)
    assert len(found) == 4 and all("one seed" in c.text and not c.behind for c in found)


def rows(method: str, gap: float, **own) -> list[dict]:
    given = {"keep": 0.5, "beta": None, "schedule": None, "final_keep": None, "lr": 0.1} | own
    return [
        {
            "method": method,
            "seed": seed,
            "epochs": 2,
            "scenario": "random-10",
            **given,
            "avg_gap": gap + 0.01 * seed,
            **{f"gap_{m}": gap + 0.01 * seed for m in ("ua", "ra", "ta", "mia")},
        }
        for seed in range(1, 13)
    ]


@pytest.fixture
def study(tmp_path) -> tables.Study:
    chosen = "".join(
        f"{m}: {{params: {{lr: 0.1, epochs: 2{more}}}, pilot_gap: 1, default_gap: 2, trials: 8}}\n"
        for m, more in (
            ("rl", ""),
            ("salun", ""),
            ("salun-soft", ", beta: 0.03"),
            ("salun-annealed", ""),
        )
    )
    (tmp_path / tables.TUNED["random-10"]).write_text(chosen)
    found = rows("rl", 4.0) + rows("salun", 3.0) + rows("salun", 5.0, keep=0.1)
    found += rows("salun-annealed", 2.0, final_keep=0.5)
    found += rows("salun-annealed", 4.0, final_keep=0.1)
    for schedule, gap in (("linear", 2.5), ("constant", 6.0), ("rising", 7.0)):
        found += rows("salun-soft", gap, beta=0.03, schedule=schedule)
    frame = pd.DataFrame(found)
    return tables.Study({"random-10": frame}, tmp_path, {"SalUn": {1: 1.0, 2: 2.0, 3: 3.0}})


def test_the_nearest_is_named_with_what_a_test_says(study):
    said = str(tables.answer(study))
    assert "SalUn-annealed has the smallest average gap" in said and said.endswith(
        "the test decides against SalUn."
    )
    assert "SalUn 3.06" in said and "RL 4.0" in said
    few = study.rows["random-10"]
    few = tables.Study({"random-10": few[few.seed <= 3]}, study.tuned, {})
    assert "too few seeds" in str(tables.answer(few))


def test_schedules_and_shares_are_compared_where_all_have_runs(study):
    shown = str(tables.schedule_table(study, "random-10"))
    assert "0.03, falling" in shown and "0.03, rising" in shown and "7.1" in shown
    found = tables.share_verdicts(study, "random-10")
    assert {name: v.answer for name, v in found.items()} == {"10 %": "yes", "50 %": "yes"}
    text = str(tables.verdict_table(found, what="annealed is nearer"))
    assert "−1.00" in text and "12 of 12" in text
    assert tables.share_verdicts(study, "class-3") == {}


def test_gaps_of_mia_stand_beside_the_published_ones(study):
    found = tables.mia_rows(study, {"random-10": pd.Series({"salun": 1.5})})
    assert found.published["random-10", "SalUn"] == 1.5
    assert found.measured["random-50", "SalUn"] == 2
    text = str(tables.mia_table(found))
    assert "random-10, SalUn-soft" in text and "+1.50" in text
    said = tables.claims(study, found)
    marks = [c.mark for c in said]
    assert marks == ["holds", "open", "FAILS", "open"]
    claims_table(said)


def test_without_records_every_table_says_so(tmp_path):
    none = tables.Study({}, Path(tmp_path), {})
    shown = [
        tables.answer(none),
        tables.schedule_table(none, "random-10"),
        tables.verdict_table({}, what="x"),
        tables.mia_table(tables.mia_rows(none, {})),
        tables.gap_table(pd.DataFrame()),
    ]
    assert all("no recorded runs" in str(one) for one in shown)
    assert compare_pairs({}) == {}


@pytest.fixture
def again():
    """Another Retrain that is half a point away, in UA alone."""
    runs = [made_run("retrain", 0.5, seed) for seed in range(1, 6)]
    return of_records(
        r.model_copy(update={"spec": {**r.spec, "params": {"epochs": 10}}}) for r in runs
    )


def test_another_retrain_stands_last_and_changes_no_verdict(study, again):
    told = dataclasses.replace(study, again={"random-10": again})
    assert f"{NAME} 0.50" in str(tables.answer(told)) and NAME not in str(tables.answer(study))
    for shown in (tables.own_table(told, "random-10"), tables.schedule_table(told, "random-10")):
        last = shown.text.splitlines()[-1]
        assert last.startswith(NAME) and "0.50" in last and f"<i>{NAME}</i>" in shown.html
    found = tables.share_verdicts(told, "random-10")
    assert "No difference here is smaller." in str(
        tables.verdict_table(found, what="x", floor=told.floor("random-10"))
    )
    mia = tables.mia_rows(told, {})
    assert mia.measured["random-10", NAME] == 0 and ("random-50", NAME) not in mia.index
    said, plain = (tables.claims(s, tables.mia_rows(s, {})) for s in (told, study))
    assert [(c.text, c.mark) for c in said] == [(c.text, c.mark) for c in plain]


def test_the_pictures_have_the_line_of_another_retrain(study, again):
    told = dataclasses.replace(study, again={"random-10": again})
    figure, _ = pictures.penalty_path(*told.path("random-10"))
    assert NAME in figure.axes[0].get_legend_handles_labels()[1]
    plt.close(figure)
    figure, _ = pictures.densities(told.densities(), again=told.floors)
    assert [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_label() == NAME] == [
        0.5
    ]
    plt.close(figure)
