"""Forget sets as files: read back as written, refused when changed or beside other data."""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pytest

import salun_utils as su
from salun_utils.cli import main
from salun_utils.data import forget_sets
from salun_utils.data.scenarios import make_split
from salun_utils.data.splits import held_out
from salun_utils.errors import InputError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "benchmark" / "forget_sets" / "fashion-mini"


@pytest.fixture
def written(tmp_path, digits):
    path = tmp_path / "some.txt"
    forget_sets.write(path, digits, [9, 2, 5], "digits: three pictures")
    return path


def test_a_file_comes_back_and_numpy_reads_it(written, digits):
    assert forget_sets.read(written, digits) == forget_sets.read(written) == [2, 5, 9]
    assert np.loadtxt(written, dtype=int).tolist() == [2, 5, 9]


@pytest.mark.parametrize(
    ("positions", "said"),
    [([], "non-empty"), ([-1], "0 to"), ([10**9], "0 to"), ([1.7], "whole"), ([1, 1], "twice")],
)
def test_what_is_no_set_of_positions_is_not_written(tmp_path, digits, positions, said):
    with pytest.raises(InputError, match=said):
        forget_sets.write(tmp_path / "some.txt", digits, positions, "digits")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("about", ["one\rtwo", "one\u20285", "one\x0b5", None])
def test_a_description_of_more_lines_is_not_written(tmp_path, digits, about):
    with pytest.raises(InputError, match="in one line"):
        forget_sets.write(tmp_path / "some.txt", digits, [1], about)
    assert not list(tmp_path.iterdir())


def test_a_set_of_data_with_an_odd_name_comes_back(tmp_path, digits):
    odd = dataclasses.replace(digits, name="my\n7 digits ²")
    forget_sets.write(tmp_path / "some.txt", odd, [1, 2], "²: two pictures")
    assert forget_sets.read(tmp_path / "some.txt", odd) == [1, 2]


def test_a_changed_file_is_refused(written, digits):
    written.write_text(written.read_text().replace("\n5\n", "\n6\n"))
    with pytest.raises(InputError, match="checksum"):
        forget_sets.read(written, digits)


def test_a_file_of_other_data_is_refused(written):
    with pytest.raises(InputError, match=r"a forget set of digits .* not of fashion-mini"):
        forget_sets.read(written, su.data.load("fashion-mini"))


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "1\ntwo\n", "1.5\n", "-3\n", "²\n", "9" * 5000]
)
def test_what_holds_no_positions_is_refused(tmp_path, text):
    path = tmp_path / "odd.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="whole numbers"):
        forget_sets.read(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "odd.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="can't read"):
        forget_sets.read(path)


def test_a_plain_list_is_taken(tmp_path, digits):
    path = tmp_path / "plain.txt"
    path.write_text("3, 1 2\n7")
    assert forget_sets.read(path, digits) == [3, 1, 2, 7]


def test_the_mark_that_windows_puts_before_a_text_is_passed_over(tmp_path, written, digits):
    for text in ("3 1", written.read_text()):
        path = tmp_path / "marked.txt"
        path.write_text(text, encoding="utf-8-sig")
        assert forget_sets.read(path, digits) in ([3, 1], [2, 5, 9])
    path.write_text(text.replace("\n5\n", "\n6\n"), encoding="utf-8-sig")
    with pytest.raises(InputError, match="checksum is another"):
        forget_sets.read(path, digits)


def test_a_set_that_lost_its_checksum_is_refused(written, digits):
    lines = written.read_text().splitlines()
    written.write_text("\n".join(line for line in lines if "sha256" not in line))
    with pytest.raises(InputError, match="no line '# sha256") as caught:
        forget_sets.read(written, digits)
    assert "\n" not in str(caught.value)


def test_shipped_sets_are_what_the_rules_draw(tmp_path):
    script = runpy.run_path(str(ROOT / "benchmark" / "make_forget_sets.py"))
    data = su.data.load("fashion-mini")
    made = {name: positions for name, _, positions in script["sets"](data)}
    shipped = {path.stem: forget_sets.read(path, data) for path in SHIPPED.glob("*.txt")}
    assert {name: sorted(p) for name, p in made.items()} == shipped
    drawn = make_split(data, "random", seed=1, forget_fraction=0.1).forget.index.tolist()
    assert shipped["random-10"] == sorted(drawn)
    requests = [shipped[f"request-{n}-of-5"] for n in range(1, 6)]
    assert sorted(p for part in requests for p in part) == shipped["random-10"]


def test_sets_that_a_network_chose_are_tenths_of_what_is_trained_on_and_do_not_overlap():
    data = su.data.load("fashion-mini")
    folder = SHIPPED.with_name("fashion-mini-scored")
    chosen = {path.stem: set(forget_sets.read(path, data)) for path in folder.glob("*.txt")}
    assert chosen.keys() == {
        *(f"memorised-{kind}-10" for kind in ("most", "medium", "least")),
        "worst-case-10",
    }
    trained_on = set((~held_out(data.train.labels, 1)).nonzero().flatten().tolist())
    assert all(len(s) == round(0.1 * len(trained_on)) and s <= trained_on for s in chosen.values())
    most, medium, least = (chosen[f"memorised-{kind}-10"] for kind in ("most", "medium", "least"))
    assert not (most & medium or most & least or medium & least)


@pytest.mark.parametrize(
    ("name", "trained_on"), [("cifar10_jpeg", 45_000), ("cifar10_jpeg-12000", 10_800)]
)
def test_sets_of_the_copy_of_cifar_are_whole_and_agree_with_each_other(name, trained_on):
    folder = SHIPPED.with_name(name)
    found = {path.stem: forget_sets.read(path) for path in folder.glob("*.txt")}
    assert found.keys() == {path.stem for path in SHIPPED.glob("*.txt")}
    assert len(found["random-10"]) == trained_on // 10 and len(found["random-50"]) * 2 == trained_on
    requests = [p for n in range(1, 6) for p in found[f"request-{n}-of-5"]]
    assert sorted(requests) == found["random-10"]


def test_the_command_line_refuses_a_set_of_other_data(capsys, tmp_path):
    given = ["-p", "dataset", "digits", "-p", "scenario", "indices"]
    path = SHIPPED / "class-3.txt"
    given += ["-p", "indices", str(path), "--out", str(tmp_path / "out")]
    status = main(["run", str(ROOT / "notebooks" / "00_run.ipynb"), *given])
    said = capsys.readouterr().err.strip().splitlines()
    assert status == 2 and len(said) == 1 and "a forget set of fashion-mini" in said[0]
