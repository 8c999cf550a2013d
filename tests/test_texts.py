"""What others wrote is read with one meaning a word, and nothing is lost of it without a word."""

from __future__ import annotations

import math

import pytest

from salun_utils.errors import InputError
from salun_utils.runner.values import parse_value
from salun_utils.texts import read_json, read_yaml


def of(tmp_path, text: str):
    path = tmp_path / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 1: 'a'"),
        ("rl: {params: {lr: 0.1}}\nrl: {params: {lr: 0.2}}\n", "line 1: 'rl'"),
        ("x:\n  y: 1\n  y: 2\n", "line 2: 'y'"),
        ("- {k: 1, k: 1}\n", "line 1: 'k'"),
        ("1: a\n1: b\n", "line 1: '1'"),
    ],
)
def test_what_yaml_names_twice_is_named(tmp_path, text, where):
    with pytest.raises(InputError, match=f"some.yaml, {where} is named twice"):
        of(tmp_path, text)


def test_what_is_merged_in_may_be_overridden(tmp_path):
    read = of(tmp_path, "base: &base {a: 1, b: 2}\nown:\n  <<: *base\n  b: 3\n")
    assert read["own"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "word",
    ["1e-3", "1E5", ".5", "1.", "010", "0", "-7", "1:30", "yes", "no", "on", "off", "true", "False",
     "2024-01-01", "0x10", "1_000", "None", "null", "~", "+3", "0.10", "-0.5e+2", "1e400", "e3"],
)  # fmt: skip
def test_a_word_of_a_file_is_what_it_is_on_the_command_line(tmp_path, word):
    read, meant = of(tmp_path, f"key: {word}\n")["key"], parse_value(word)
    assert read == meant and type(read) is type(meant)


def test_quotes_make_texts(tmp_path):
    assert of(tmp_path, "a: '2'\nb: \"true\"\nc: ''\n") == {"a": "2", "b": "true", "c": ""}
    assert math.isnan(of(tmp_path, "a: .nan\n")["a"]) and of(tmp_path, "") is None


def test_what_json_names_twice_is_named():
    with pytest.raises(InputError, match="'lr' is named twice"):
        read_json('{"rl": {"lr": 1, "lr": 1}}', "params")
    assert read_json('{"a": [1, {"a": 2}]}', "params") == {"a": [1, {"a": 2}]}
