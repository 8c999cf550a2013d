"""Classes in the order of their numbers, and reached by name and by number without a doubt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from picture_folders import make_classes

import salun_utils as su
from salun_utils.data.names import check_label, ordered
from salun_utils.data.scenarios import make_split
from salun_utils.errors import InputError


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "9", "1", "2"], ["1", "2", "9", "10"]),
        (["010", "9", "001"], ["001", "9", "010"]),
        (["1", "-1", "0"], ["-1", "0", "1"]),
        (["2.5", "10", "0.5"], ["0.5", "2.5", "10"]),
        (["class_10", "class_2"], ["class_2", "class_10"]),
        (["v2_10.x", "v2_9.x"], ["v2_9.x", "v2_10.x"]),
        (["other", "10", "2"], ["2", "10", "other"]),
        (["10_cat", "2_dog", "1 eel"], ["1 eel", "2_dog", "10_cat"]),
        (["3d_10", "3d_9"], ["3d_9", "3d_10"]),
        (["2_dog", "2_cat", "10_eel"], ["10_eel", "2_cat", "2_dog"]),  # 2 tells none apart
        (["١٠", "٢"], ["٢", "١٠"]),
        (["n02", "n01", "dog"], ["dog", "n01", "n02"]),
        (["B", "a", "C"], ["B", "C", "a"]),  # as torchvision sorts
    ],
)
def test_order(names, expected):
    assert ordered(names) == expected == ordered(reversed(names))


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30, unique=True))
def test_numbers_are_in_order_and_each_means_its_own_class(numbers):
    classes = ordered(map(str, numbers))
    assert list(map(int, classes)) == sorted(numbers)
    for number in numbers:
        assert int(classes[check_label(number, classes)]) == number
        assert classes[check_label(str(number), classes)] == str(number)


@pytest.mark.parametrize(
    ("label", "classes", "place"),
    [
        (1, ["cat", "dog"], 1),
        ("DOG", ["cat", "dog"], 1),
        ("a", ["A", "a"], 1),  # as written comes before any case
        (2, ["1", "2", "3"], 1),
        ("2", ["1", "2", "3"], 1),
        ("2", ["001", "002"], 1),
        (200, ["100", "200"], 1),
        (np.int64(1), ["cat", "dog"], 1),
        (1, ["n01440764", "n02102040"], 1),
        (0, ["class_1", "class_2"], 0),
        (2, ["0-cat", "1-dog", "2-eel", "10-fox"], 2),
        (2, ["١", "٢", "٣"], 1),
    ],
)
def test_a_class_is_reached(label, classes, place):
    assert check_label(label, classes) == place


@pytest.mark.parametrize(
    ("label", "classes", "said"),
    [
        (0, ["1", "2", "3"], "allowed: 1 to 3, the numbers that name the classes: 1, 2, 3"),
        (1, ["class_1", "class_2"], "ambiguous: 0 class_1, 1 class_2"),
        (1, ["1", "2", "dog"], "ambiguous"),
        (1, ["001.Black", "002.Laysan"], "ambiguous: 0 001.Black, 1 002.Laysan"),
        ("cat", ["Cat", "CAT"], "ambiguous"),
        ("crane", ["crane", "dog", "crane"], "ambiguous: 0 crane, 2 crane"),
        (2, ["cat", "dog"], "no class 2; allowed: 0 to 1 (0 cat, 1 dog)"),
        (-1, ["cat", "dog"], "no class -1"),
        (True, ["cat", "dog"], "no class True"),
        (1.0, ["cat", "dog"], "no class 1.0"),
        (None, ["cat", "dog"], "no class None"),
        ("3", ["cat", "dog"], "no class '3'"),
    ],
)
def test_what_is_no_class_or_two_is_refused(label, classes, said):
    with pytest.raises(InputError) as caught:
        check_label(label, classes)
    assert said in str(caught.value)


def test_a_split_forgets_the_folder_of_that_number(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    numbers = {str(i): 3 for i in range(1, 13)}
    data = su.data.load(make_classes(tmp_path / "x", numbers, size=(4, 4)))
    assert data.classes == list(numbers)
    split = make_split(data, "class", seed=0, forget_class=2)
    assert data.classes[split.forget_label] == "2"
    assert torch.equal(split.forget.labels.unique(), torch.tensor([1]))
