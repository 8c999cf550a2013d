"""What the places say of a task, on a board made up so that the answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from salun_utils.studies.benchmark.leaderboard import Board, placed
from salun_utils.studies.benchmark.ranking import places
from salun_utils.studies.benchmark.rows import Group, Row

TASK = Group("cpu", "own", "small", "random-10")
PAPER = Group("published", "cifar10", "resnet18", "random-10")


def row(method: str, gap: float, half: float, kind: str = "method", group: Group = TASK) -> Row:
    seeds = (1, 2, 3) if kind != "published" else ()
    return Row(group, method, "", kind, seeds, {}, {}, gap, gap - half, gap + half, 0.1)


def board(salun: float = 3.0, nothing: float = 4.0) -> Board:
    methods = {"ga": 1.0, "ft": 2.0, "rl": 2.2, "salun": salun, "iu": 3.9, "be": 6.0, "bs": 7.0}
    ours = placed([row(m, gap, 0.3) for m, gap in methods.items()])
    theirs = [row(m, gap, 0.0, "published", PAPER) for m, gap in methods.items()]
    return Board((*ours, row("original", nothing, 0.2, "reference"), *theirs))


def test_a_race_names_who_may_be_first_and_what_beats_nothing():
    (race,) = places.races(board())
    assert race.first == ["GA"] and race.salun.place == "4"
    assert race.better == 4  # IU's interval overlaps that of doing nothing
    text = places.race_table([race]).text.splitlines()[1]
    assert text.split() == ["own,", "small,", "random-10", "7", "3", "GA", "4", "4"]


def test_the_answer_counts_tasks():
    first, second = places.answer(places.races(board())).sentences
    assert first.startswith("On 1 of 1 tasks the interval of one method lies below")
    assert "not by the paired test" in first
    assert "on 0 of 1 SalUn may be first" in first
    assert second.startswith("On own, small, random-10, 4 of 7 methods")
    assert second.endswith("than doing nothing by their intervals.")


def test_the_answer_leads_with_a_task_that_many_methods_were_tried_on():
    (race,) = places.races(board())
    easy, hard = (replace(race, nothing=row("original", g, 0.2)) for g in (9.0, 0.5))
    few = replace(hard, rows=hard.rows[:4])
    second = places.answer([easy, race, easy, few]).sentences[1]
    assert second.startswith("On own, small, random-10, 4 of 7 methods")
    assert second.endswith("by their intervals; on 1 other task no method is.")


def test_the_picture_marks_salun():
    rows = places.place_rows(places.races(board()))
    assert rows[rows.marked].name.tolist() == ["SalUn"] and len(rows) == 7


def test_the_published_order_is_compared_over_six_methods_at_least():
    frame, order = places.beside_published(board(), "random-10", least=3)
    assert list(frame.columns) == ["published", "own, small"]
    assert order == {"own, small": (pytest.approx(1.0), 7)}
    assert places.beside_published(board(), "random-10", least=4)[1] == {}


@pytest.mark.parametrize(("salun", "mark"), [(3.0, "FAILS"), (0.9, "holds")])
def test_claims_follow_the_places(salun, mark):
    found = places.place_claims(board(salun), places.races(board(salun)), least=3)
    assert found[0].mark == mark
    assert found[1].mark == "FAILS" and found[1].figure == "4 of 7"
    assert found[2].mark == "holds"


def test_an_empty_board_says_so():
    nothing = places.races(Board(()))
    assert str(places.answer(nothing)) == "There are no recorded runs yet."
    assert places.race_table(nothing).text.endswith("There are no recorded runs yet.")
    assert places.place_claims(Board(()), nothing, least=3)[0].mark == "open"
