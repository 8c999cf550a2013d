"""What the exercises' checks accept and refuse, and that each exercise on a page has one."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch

import salun_utils as su
from salun_utils.check.answers import Exercise, function, measured, number, word, words
from salun_utils.runs.summary import label
from salun_utils.studies.benchmark import recorded

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHAPTERS = sorted(p for p in NOTEBOOKS.glob("[0-9]*.py") if not p.name.startswith("00_"))
RIGHT = {  # answers that stay right whatever is recorded and measured
    "01": {1: ["Sneaker", "less sure"], 2: ["RL"], 3: [17.8, 84.9]},
    "02": {1: [90, 10, 10], 2: ["MIA", "UA"], 3: [0.002, 0.054], 4: ["positive"]},
    "03": {2: [lambda s, keep: sorted(s)[-int(keep * len(s))]], 3: [0.1, 0.98], 4: ["Random"]},
    "04": {1: ["more pictures"], 3: [10]},
    "05": {1: [100, 99, 40], 2: ["several"], 4: [90]},
    "06": {1: [34, 10], 3: [10]},
    "07": {1: ["a destroyed one", "the original"], 2: [(1, 2), [1, 3], (2, 3), False], 4: [190]},
    "08": {1: ["the one without a class"], 2: ["one of the two"], 3: ["other shoes"]},
    "09": {1: [123_232], 2: [100], 3: [0.2222], 4: ["ankle boots"]},
    "10": {1: [1.266], 2: [59], 3: [0.0796], 4: ["sneaker"]},
    "11": {1: [64], 2: [0], 3: [80, 0], 4: ["at the original's weights only"]},
    "12": {1: [lambda u, s: u / (1 + s)], 2: [10]},
    "13": {2: ["changes", "stays"], 3: ["much the same"], 4: ["above", "below"]},
    "14": {1: ["changes", "another"], 3: [0.4256, 0], 4: [7], 5: ["training recipe"]},
    "15": {1: [0.0526, 0], 2: [1.98], 3: [0.37, 0.0056]},
    "16": {1: ["gradient"], 3: ["the largest"], 4: ["two samples"]},
    "17": {3: [2, 0.5], 4: [0.01545, 0.0198]},
    "18": {1: ["below"], 2: [0.04], 3: ["likelihood ratio"]},
    "19": {1: [246], 2: ["Retrain"], 3: ["RL"]},
    "20": {
        1: ["weight-decay"],
        2: [lambda p: -((1 - p[0]) * math.log(p[0]) + (1 - p[1]) * math.log(p[1]))],
        3: [0.1, 0.6],
    },
    "21": {1: ["weight decay"], 2: ["validation"], 4: ["all are one class"]},
    "22": {1: [0], 3: [10]},
    "23": {1: [lambda q: 1 - (1 - q) ** 3], 2: ["start noise", "inpainting", "completion"], 3: [1]},
    "24": {1: ["ga"], 3: ["it goes on working"]},
    "25": {1: [0.79, 0.41], 2: [2], 3: [(6, 5), (0.375, 0.781)]},
    "26": {1: [lambda ta: 100 - ta], 2: [2], 3: [0.25, 0.5]},
    "27": {1: [107.44], 3: [49]},
    "28": {1: [49, 16], 2: [0.5, -1.2], 3: ["exactly 0"], 4: [50]},
    "29": {1: [768, 6912], 2: ["exactly 0"], 3: ["all of them"], 4: [100, 20]},
}


def exercise(chapter: str, n: int) -> Exercise:
    return getattr(getattr(su.check, f"chapter_{chapter}"), f"ex{n}")


def pages():
    """(chapter, its exercises' texts by number) of every chapter."""
    for path in CHAPTERS:
        prose = "\n".join(c.source for c in jupytext.read(path).cells if c.cell_type == "markdown")
        part = prose[prose.rindex("## Exercises") :]
        yield path.stem[:2], dict(re.findall(r"^(\d+)\. (.*)$", part, re.M))


@pytest.mark.parametrize("chapter, texts", pages(), ids=lambda part: part if len(part) == 2 else "")
def test_every_exercise_has_its_difficulty_its_minutes_and_a_check(chapter, texts):
    module = getattr(su.check, f"chapter_{chapter}")
    assert {f"ex{n}" for n in texts} == set(module.__all__)
    for n, text in texts.items():
        assert re.match(r"\((easy|medium|hard), \d+ minutes\)", text), text[:60]
        check = f"`su.check.chapter_{chapter}.ex{n}(…)` takes {exercise(chapter, int(n)).takes}."
        assert check in text, f"the page must say: {check}"


@pytest.mark.parametrize("chapter", RIGHT)
def test_the_right_answer_is_right_and_is_not_given_away(chapter):
    for n, answer in RIGHT[chapter].items():
        found = exercise(chapter, n)(*answer)
        assert found and repr(found) == "right", (chapter, n)
        numbers = {str(a) for a in answer if isinstance(a, int | float)} - {"0", "1", "2"}
        assert not numbers & set(re.findall(r"[\d.]*\d", found.look)), (chapter, n)


def test_a_wrong_answer_is_told_where_to_look():
    found = su.check.chapter_06.ex1(34, 34)
    assert not found and repr(found).startswith("not yet: ")
    assert not su.check.chapter_03.ex2(lambda scores, keep: sorted(scores)[int(keep * len(scores))])
    assert not su.check.chapter_07.ex2((1, 2), (1, 3), (2, 3), True)
    assert not su.check.chapter_23.ex2("completion", "inpainting")
    assert not su.check.chapter_21.ex1("momentum")
    assert not su.check.chapter_04.ex4("ga", "ga")


@pytest.mark.parametrize(
    "name, answer, said",
    [
        ("chapter_06.ex1", (34,), "an answer is 2 numbers, not 1 of them"),
        ("chapter_06.ex1", (34, "ten"), "an answer is 2 numbers, not 'ten'"),
        ("chapter_21.ex1", ("gravity",), 'an answer is one of "weight decay" | "momentum"'),
        ("chapter_23.ex1", (3,), "an answer is a function of q"),
        ("chapter_23.ex1", (lambda q: 1 / q,), "the function fails for .*ZeroDivisionError"),
        ("chapter_06.ex2", ("a", "b", "c"), "an answer is three spreads, not 'a'"),
        ("chapter_06.ex2", (1, 2), "an answer is three spreads, not 2 of them"),
        ("chapter_07.ex2", (1, 2, 3, True), "an answer is three pairs"),
        ("chapter_07.ex2", ("ab", (1, 3), (2, 3), True), "an answer is three pairs"),
        ("chapter_07.ex3", ([3],), "an answer is what su.runs.load_records"),
        ("chapter_07.ex3", (3,), "an answer is what su.runs.load_records"),
        ("chapter_25.ex3", (1, 2), "an answer is two pairs"),
        ("chapter_25.ex3", (("a", "b"), (1, 2)), "an answer is two pairs"),
        ("chapter_25.ex3", ((1, 2), (1, 2), (1, 2)), "an answer is two pairs"),
    ],
)
def test_what_is_no_answer_is_said(name, answer, said):
    chapter, ex = name.split(".")
    with pytest.raises(su.InputError, match=re.escape(said).replace(r"\.\*", ".*")):
        getattr(getattr(su.check, chapter), ex)(*answer)


class Odd:
    """An object that can be neither shown nor made a number."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


ODD = [None, "", b"x", True, 10**400, 1 + 2j, [], {}, [None, [1]], math.nan, Odd(), object()]
ODD += [np.arange(2.0), np.array(1.0), np.array([]), torch.ones(2), torch.tensor(math.nan)]
ODD += [
    iter([1]),
    range(3),
    int,
    lambda *_: None,
    lambda *_: math.nan,
    lambda *_: itertools.count(),
]
SLOW = ("chapter_09.ex1", "chapter_11.ex1")  # load a model to judge one number


def every():
    return [(c, n) for c in su.check.chapters() for n in getattr(su.check, c).__all__]


@pytest.mark.parametrize(("chapter", "name"), every())
def test_whatever_is_given_is_an_answer_or_one_short_line_of_error(chapter, name):
    exercise = getattr(getattr(su.check, chapter), name)
    for one, count in itertools.product(ODD, (0, 1, 2, 3, 4)):
        if f"{chapter}.{name}" in SLOW and count == 1:
            continue
        try:
            found = exercise(*[one] * count)
        except su.InputError as error:
            assert len(str(error)) < 400 and str(error).startswith(("an answer is", "the function"))
        else:
            assert repr(found).startswith(("right", "not yet: "))
            assert one is not True or not count, "True is no number"


def test_a_function_that_changes_what_it_is_given_spoils_no_later_answer():
    def steals(scores, keep):
        found = sorted(scores)[-int(keep * len(scores))]
        scores.clear()
        return found

    ex2 = su.check.chapter_03.ex2
    assert ex2(steals) and ex2(steals)
    assert not ex2(lambda scores, keep: 0.0)


def test_a_method_is_known_by_both_of_its_names():
    ex4 = su.check.chapter_04.ex4
    methods = sorted(set(su.unlearning.METHODS) - {"retrain"})
    bench = recorded.Benchmark.load()
    best = []
    for where in ("random-10", "random-50"):
        part = bench.methods(where, least=recorded.LEAST)
        best.append(part[part.index.isin(methods) & (part.gap_ra >= -1)].avg_gap.idxmin())
    assert ex4(*best) and ex4(*map(label, best)), "and another Retrain is no method to take"
    with pytest.raises(su.InputError, match="two names of methods, for 10 and 50 %, not 'magic'"):
        ex4("CT", "magic")


def test_an_exercise_says_what_it_takes():
    assert repr(su.check.chapter_27.ex3) == "takes one number"
    assert repr(su.check.chapter_13.ex2).startswith('takes 2 words, each one of "changes"')
    with pytest.raises(AttributeError, match="chapter_21"):
        _ = su.check.chapter_1


def test_the_kinds_of_answer():
    assert number(1.0, 2.0, within=0.1, look="")(1.05, 1.95)
    assert not number(1.0, 2.0, within=0.1, look="")(1.05, 2.15)
    assert not number(1.0, look="")(float("nan"))
    assert measured(1, lambda x: x > 2, look="")(3) and not measured(1, lambda x: x > 2, look="")(1)
    assert word("a", "c", of=("a", "b", "c"), look="")("A", "c")
    assert not words(("a", "b"), of=("a", "b", "c"), look="")("a", "b", "c")
    pairs = function(lambda x: (x, 2 * x), [(1,), (2,)], takes="of x", look="")
    assert pairs(lambda x: [x, x + x]) and not pairs(lambda x: x)


@pytest.mark.parametrize("records", [su.runs.load_records(tier="cpu", method="salun", seed=1)])
def test_records_of_several_settings_are_no_row(records):
    with pytest.raises(su.InputError):
        su.check.chapter_07.ex3(records)
