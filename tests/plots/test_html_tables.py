"""A table says the same as HTML and as text, each time to the letter."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from salun_utils.errors import InputError
from salun_utils.plots.tables import Cell, between, table

FRAME = pd.DataFrame(
    {
        "seeds": np.array([5, 5, 1200]),
        "gap": [Cell("3.17", "[2.90, 3.40]"), Cell("7.15"), Cell("0.00")],
        "UA": [-1.25, float("nan"), 0.04],
        "a < b": ["yes", "<no>", None],
    },
    index=["SalUn", "original", "Retrain"],
)


def words(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    plain = [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]
    return [[c.replace("&lt;", "<").replace("&gt;", ">") for c in row] for row in plain]


def test_both_forms_hold_the_same_words_in_the_same_order():
    shown = table(FRAME, caption="Two tasks", note="five seeds")
    lines = shown.text.splitlines()
    assert lines[0] == "Two tasks" and lines[-1] == "five seeds"
    for line, row in zip(lines[1:-1], words(shown.html), strict=True):
        assert " ".join(line.split()) == " ".join(" ".join(row).split())


def test_figures_are_rounded_grouped_and_have_a_real_minus():
    rows = words(table(FRAME, digits={"UA": 2}, signed=["UA"]).html)
    assert rows[1][1:] == ["5", "3.17 [2.90, 3.40]", "\N{MINUS SIGN}1.25", "yes"]
    assert rows[3][1:] == ["1,200", "0.00", "+0.04", "–"] and rows[2][3] == "–"


def test_rows_that_matter_are_marked_and_what_is_small_is_small():
    html = table(FRAME, best=["SalUn"], reference=["Retrain"]).html
    assert "<b>SalUn</b>" in html and "<i>Retrain</i>" in html and "<b>original</b>" not in html
    assert "<small>[2.90, 3.40]</small>" in html
    assert "&lt;no&gt;" in html and "<no>" not in html


def test_figures_stand_at_the_right_names_at_the_left():
    html = table(FRAME).html
    assert html.count("text-align:left") == len(FRAME) + 1
    assert html.count("text-align:right") == (len(FRAME) + 1) * len(FRAME.columns)


def test_a_notebook_gets_both_forms_the_same_each_time():
    one, two = table(FRAME), table(FRAME.copy())
    assert one == two
    assert one._repr_mimebundle_() == {"text/plain": one.text, "text/html": one.html}


def test_an_interval_of_too_few_seeds_is_left_out():
    assert between(float("nan"), 1.0) == "" and between(-0.5, 1) == "[\N{MINUS SIGN}0.50, 1]"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"best": ["Salun"]}, "no row 'Salun'"),
        ({"digits": {"ua": 2}}, "no column 'ua'"),
        ({"signed": ["ua"]}, "no column 'ua'"),
    ],
)
def test_a_mark_for_what_is_not_there_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        table(FRAME, **options)


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(InputError, match="one row of each name"):
        table(FRAME.rename(index={"original": "SalUn"}))


def test_a_column_of_sentences_stands_to_the_left_and_may_wrap():
    frame = pd.DataFrame({"claim": ["SalUn is nearer to Retrain than doing nothing"], "x": [1.0]})
    html = table(frame).html
    assert html.count("text-align:left") == 4 and html.count("white-space:nowrap") == 2


def test_an_empty_table_is_its_heading():
    shown = table(FRAME.iloc[:0])
    assert shown.text.split() == ["seeds", "gap", "UA", "a", "<", "b"] and "</tbody>" in shown.html
