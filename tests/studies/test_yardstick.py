"""Another Retrain: its row, its line and its notes, on made-up records whose answer is known."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_records import made_run

from salun_utils.metrics import compare_with
from salun_utils.runs import Record
from salun_utils.runs.summary import AGAIN
from salun_utils.studies import yardstick as of
from salun_utils.studies.benchmark import (
    answers,
    claimed,
    pictures,
    recorded,
    stability,
    stability_pictures,
    stability_tables,
)
from salun_utils.studies.benchmark.leaderboard import leaderboard
from salun_utils.studies.benchmark.ranking import across, places
from salun_utils.studies.claims import Claim
from salun_utils.studies.masks import opposite
from salun_utils.studies.masks import tables as of_masks
from salun_utils.studies.yardstick import NAME, beside, note, yardstick

SEEDS = range(1, 6)


def again(gap: float, seed: int, **more) -> Record:
    """A Retrain with its epochs written out."""
    run = made_run("retrain", gap, seed, **more)
    spec = {**run.spec, "params": {"epochs": 10}}
    return run.model_copy(update={"spec": spec, "id": f"{run.id}-again"})


def runs(*, with_yardstick: bool = True) -> list[Record]:
    """SalUn 1.5, SalUn under a random mask 1.2, RL 2.5, doing nothing 4; another Retrain 0.5."""
    found = []
    for seed in SEEDS:
        shift = 0.01 * seed
        found += [made_run("salun", 1.5 + shift, seed, "saliency")]
        found += [made_run("salun", 1.2, seed, "random"), made_run("rl", 2.5 - shift, seed)]
        found += [made_run("ft", 3.0, seed), made_run("ga", 0.25, seed)]
        found += [made_run("original", 4.0, seed), made_run("retrain", 0.0, seed)]
        found += [again(0.5 + 0.1 * (seed - 3), seed)] if with_yardstick else []
    return found


BENCH, BARE = (recorded.Benchmark(tuple(runs(with_yardstick=w))) for w in (True, False))
TASK = "random-10"


def names(table) -> list[str]:
    return [line.split("  ")[0] for line in table.text.splitlines()]


def test_its_row_has_means_and_intervals_of_the_seeds():
    row = of.of_records(runs())
    assert row.seeds == 5 and row.avg_gap == pytest.approx(0.5)
    assert row.gap_ua == pytest.approx(-2.0), "the gap of UA alone, four times the average"
    assert 0.3 <= row.avg_gap_low < 0.5 < row.avg_gap_high <= 0.7 and row.gap_ra == 0
    assert row.cost == 0.25 and row.name == NAME == "another Retrain"


def test_retrain_itself_is_no_other_retrain():
    assert of.of_records(runs(with_yardstick=False)) is None and of.of_records([]) is None


def test_each_scenario_has_its_own(tmp_path, monkeypatch):
    own = [again(g, s, scenario=t) for t, g in ((TASK, 1.0), ("class-3", 2.0)) for s in SEEDS]
    found = of.by_scenario([*own, *runs(with_yardstick=False)])
    assert {t: row.avg_gap for t, row in found.items()} == {TASK: 1.0, "class-3": 2.0}
    monkeypatch.setenv("SALUN_RECORDS", str(tmp_path))
    assert of.load([TASK]) == {}


@pytest.mark.parametrize("column", ["avg_gap", "avg_gap_high"])
def test_the_gap_is_found_by_name_and_by_label_and_in_a_row(column):
    by_name = BENCH.methods(TASK)
    by_label = by_name.rename(index={AGAIN: NAME})
    assert yardstick(by_name, column) == yardstick(by_label, column) == by_name[column][AGAIN]
    assert yardstick(of.of_records(runs())) == pytest.approx(0.5)
    assert yardstick(by_name.drop(index=AGAIN)) is None and yardstick(None) is None


def test_a_table_of_means_gets_it_as_its_last_row():
    means = pd.DataFrame({"seeds": [5], "avg_gap": [3.0]}, index=["SalUn"])
    found = of.with_row(means, of.of_records(runs()))
    assert list(found.index) == ["SalUn", NAME] and list(found.columns) == ["seeds", "avg_gap"]
    assert of.with_row(means, None) is means and of.with_row(means[:0], found).empty


def test_a_note_names_what_is_smaller_or_counts_it():
    known = {"": 0.5}
    assert note(known, {"": {"a": 0.4, "b": -0.49, "c": 0.5}}) == (
        "Another Retrain's gap, points: 0.50. Smaller, so not called differences: a, b."
    )
    assert note(known, {"": {"a": -3.0}}).endswith("No difference here is smaller.")
    many = {str(i): 0.1 for i in range(5)} | {"large": 2.0}
    assert "5 of 6 differences are smaller: not called" in note(known, {"": many})
    floors = {"10 %": 0.5, "class": 0.1, "50 %": None}
    each = note(floors, {"10 %": {"a": 0.2}, "class": {"b": 0.2}})
    assert "0.50 (10 %), 0.10 (class)." in each and each.endswith("differences: a.")
    assert note({"": None}, {"": {"a": 0.1}}) == "" == note({}, {"": {}})


def test_a_claim_below_it_says_so_and_keeps_its_verdict():
    gaps = {n: {s: g + 0.001 * s for s in range(10)} for n, g in {"a": 1.0, "b": 1.4}.items()}
    claim = Claim("a is nearer", compare_with(gaps, "a")["b"])
    told = beside(claim, 0.5)
    assert told.mark == claim.mark == "holds" and told.behind == (
        f"{claim.behind}, below another Retrain's 0.50"
    )
    assert beside(claim, 0.3) is claim and beside(claim, None) is claim
    means = Claim("by means", True, "1.00 against 1.40")
    assert beside(means, 9.0) is means


def test_it_stands_in_tables_of_methods_and_of_masks_as_a_reference():
    shown = recorded.method_table(BENCH.methods(TASK), best=["SalUn"])
    assert names(shown)[1:5] == ["Retrain", "GA", NAME, "SalUn"]
    assert f"<i>{NAME}</i>" in shown.html and "<i>Retrain</i>" in shown.html
    groups = BENCH.beside(BENCH.masks(TASK), TASK)
    shown = recorded.method_table(recorded.means(groups), best=["saliency"])
    assert names(shown)[1:] == [NAME, "random", "saliency", "no mask (RL)"]
    assert f"<i>{NAME}</i>" in shown.html
    assert BARE.beside(BARE.masks(TASK), TASK) == BARE.masks(TASK) and BENCH.beside({}, TASK) == {}


def test_no_test_is_made_against_it_and_the_table_of_tests_has_its_note():
    groups, bare = BENCH.beside(BENCH.masks(TASK), TASK), BENCH.masks(TASK)
    assert recorded.verdicts(groups, "saliency") == recorded.verdicts(bare, "saliency")
    shown, plain = (recorded.verdict_table(g, "saliency") for g in (groups, bare))
    assert shown.text.splitlines()[:-1] == plain.text.splitlines()
    assert shown.text.endswith("0.50. Smaller, so not called differences: random.")


@pytest.mark.parametrize("said", [answers.of_methods, answers.of_masks])
def test_sentences_give_its_gap_and_the_same_places(said):
    with_it, without = (str(said(b, scenarios=[TASK])) for b in (BENCH, BARE))
    assert f"{NAME} 0.50" in with_it and NAME not in without
    assert with_it.replace(f", {NAME} 0.50", "") == without


@pytest.mark.parametrize("of_page", [claimed.random_claims, claimed.mask_claims])
def test_claims_are_as_many_and_of_the_same_verdicts(of_page):
    with_it, without = of_page(BENCH), of_page(BARE)
    assert [(c.text, c.mark) for c in with_it] == [(c.text, c.mark) for c in without]
    assert any("below another Retrain's 0.50" in c.behind for c in with_it)


def test_it_is_no_rival_in_any_ranking():
    boards = [leaderboard(b.records, with_published=False) for b in (BENCH, BARE)]
    with_it, without = ([(r.method, r.place) for r in b.rows if r.place] for b in boards)
    assert with_it == without and AGAIN not in dict(with_it)
    assert [r.kind for r in boards[0].rows if r.method == AGAIN] == ["reference"]
    found, bare = (places.races(board) for board in boards)
    assert str(places.race_table(found)) == str(places.race_table(bare))
    assert [race.better for race in found] == [race.better for race in bare]
    tables = [str(across.improvement_table(across.across(races))) for races in (found, bare)]
    assert tables[0] == tables[1]
    gaps, order = claimed.order_beside_published(TASK, {"here": BENCH.methods(TASK)})
    assert NAME not in gaps.index and order == {}


def lines(axis, stroke: str) -> list:
    return [line for line in axis.lines if line.get_linestyle() == stroke]


def test_pictures_of_gaps_draw_its_line():
    rows = answers.mask_rows(BENCH, scenarios=[TASK])
    tables = {TASK: BENCH.methods(TASK)}
    for figure, _ in (pictures.mask_gaps(rows), pictures.gap_intervals(tables)):
        (dotted,) = lines(figure.axes[0], ":")
        assert dotted.get_xdata()[0] == pytest.approx(0.5)
        plt.close(figure)
    figure, said = pictures.mask_gaps(rows)
    assert f"{NAME} 0.50" in said
    assert NAME not in [t.get_text() for t in figure.axes[0].get_yticklabels()]
    plt.close(figure)
    figure, said = pictures.cost_against_gap(tables)
    assert lines(figure.axes[0], ":")[0].get_ydata()[0] == pytest.approx(0.5)
    assert "for 4 methods" in said, "references are drawn as no method"
    plt.close(figure)


def test_without_it_pictures_have_no_such_line():
    figure, said = pictures.mask_gaps(answers.mask_rows(BARE, scenarios=[TASK]))
    assert not lines(figure.axes[0], ":") and NAME not in said
    plt.close(figure)


def test_spread_over_seeds_has_its_row_and_line_and_no_claim_counts_it():
    where = {stability.SCENES[TASK]: TASK}
    kept = [
        r.model_copy(
            update={
                "data": {**r.data, "name": next(iter(where))[0]},
                "spec": {**r.spec, "arch": "small-cnn"},
            }
        )
        for r in runs()
    ]
    found = stability.Stability.of(kept)
    bare = stability.Stability.of([r for r in kept if not r.is_another_retrain])
    assert found.again()[TASK][3] == pytest.approx(0.5) and bare.again() == {}
    spread = stability_tables.spread_table(found, TASK)
    assert names(spread)[2:5] == ["GA", NAME, "SalUn"] and f"<i>{NAME}</i>" in spread.html
    assert "gap on one split" in str(stability_tables.floor_table(found))
    assert "gap on one split" not in str(stability_tables.floor_table(bare))
    amounts = found.amounts()
    assert NAME in str(stability_tables.amount_table(amounts, found.again()))
    assert NAME not in str(stability_tables.amount_table(amounts))
    said, plain = stability_tables.claims(found), stability_tables.claims(bare)
    assert [(c.text, c.mark, c.behind) for c in said] == [(c.text, c.mark, c.behind) for c in plain]
    figure, _ = stability_pictures.seed_dots(found.dots(), again=found.again())
    assert lines(figure.axes[0], ":")[0].get_xdata()[0] == pytest.approx(0.5)
    plt.close(figure)


def test_both_ends_of_a_mask_are_held_against_it():
    ends = {opposite.MOVED: {opposite.MOST: {1: 1.0}, opposite.LEAST: {1: 1.2}}}
    said = str(opposite.opposite_table(ends, "", 0.5))
    assert said.endswith(f"not called differences: {opposite.MOVED}.")
    assert "nother Retrain" not in str(opposite.opposite_table(ends))


def test_every_panel_of_masks_has_the_yardstick_of_its_scenario():
    assert set(of_masks.SCENARIO.values()) == set(of_masks.TASK)
    row = of.of_records(runs())
    found = of_masks.Recorded.of(pd.DataFrame(), 0.1, {"class-3": row})
    assert found.floor(of_masks.CLASS) == found.floor(of_masks.GA_CLASS) == pytest.approx(0.5)
    assert found.floor(of_masks.RANDOM) is None and found.floors == {}
