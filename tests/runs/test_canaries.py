"""Every unit has a canary whose figures are as stored; what moved is blamed on the unit that moved
first; versions are raised in the source.
"""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from salun_utils import cli, units
from salun_utils.errors import InputError
from salun_utils.runs import canaries
from salun_utils.runs.canaries import Canary, figures, update

ROOT = Path(__file__).resolve().parents[2]
# Another unit's code, run under a name of its own.
SHARED = {"method/rl"}


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Three units, b using a and c by itself, with canaries whose figures can be set."""
    now, versions = {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}
    uses = {"a": (), "b": ("a",), "c": ()}
    known = {n: Canary(n, lambda n=n: {"n": now[n]}) for n in now}

    def stamp_of(name):
        return units.Stamp(versions[name], uses[name], str(tmp_path / "code.py"), 1)

    monkeypatch.setattr(units, "stamp_of", stamp_of)
    for module in (canaries, update):
        monkeypatch.setattr(module, "load", lambda: known)
    monkeypatch.setattr(canaries, "CANARIES", known)
    monkeypatch.setattr(canaries, "FILE", tmp_path / "canaries.json")
    monkeypatch.setattr(update, "JOURNAL", tmp_path / "NUMERICS.md")
    (tmp_path / "code.py").write_text('@numerics(1, "a")\ndef a():\n    pass\n')
    canaries.write({n: {"version": 1, "figures": {"n": 1}} for n in now})
    return now, versions


# -- what is committed


def test_every_unit_has_a_canary_with_figures_of_its_version():
    known, stored = canaries.load(), canaries.read()
    assert set(known) == set(stored) == set(units.names())
    assert {n: units.version(n) for n in known} == {n: one["version"] for n, one in stored.items()}


def test_the_canary_of_every_eraser_moves_its_generator():
    stored = canaries.read()
    still = [
        (unit, name)
        for unit, one in stored.items()
        if unit.startswith("eraser/") and unit.count("/") == 2
        for name, figure in one["figures"].items()
        if name.endswith(", moved") and not figure["values"][0] > 1e-3
    ]
    assert not still


def test_every_raised_version_has_its_line_in_the_journal():
    raised = [(n, units.version(n)) for n in units.names() if units.version(n) > 1]
    assert not [unit for unit in raised if not update.journal_has(*unit)]


def test_no_canary_has_moved():
    report = canaries.check()
    assert report.well, "\n".join(report.lines())
    assert len(report.ran) == len(units.names())


@pytest.mark.slow
@pytest.mark.parametrize("name", units.names())
def test_a_canary_runs_no_unit_that_it_does_not_name(name):
    canaries.load()  # which asks some units what they touch
    units_by_code: dict[int, set[str]] = {}
    for unit in units.names():
        for code in codes(units._lookup(unit)):
            units_by_code.setdefault(id(code), set()).add(unit)
    seen: set[frozenset[str]] = set()  # of one piece of code, all units that are made of it

    def note(frame, event, _):
        if event == "call" and id(frame.f_code) in units_by_code:
            seen.add(frozenset(units_by_code[id(frame.f_code)]))

    sys.setprofile(note)
    try:
        canaries.run(name)
    finally:
        sys.setprofile(None)
    named = {name} | canaries.load()[name].touched | SHARED
    assert not [sorted(owners) for owners in seen if not owners & named]


def codes(thing):
    """The code of a function, or of every method of a class."""
    if not inspect.isclass(thing):
        return [inspect.unwrap(thing).__code__]
    found = [
        getattr(v, "__func__", None) or getattr(v, "fget", None) or getattr(v, "func", None) or v
        for v in vars(thing).values()
    ]
    return [inspect.unwrap(f).__code__ for f in found if inspect.isfunction(f)]


# -- blame


def test_a_unit_is_explained_by_one_that_its_run_touches(few):
    now, _ = few
    assert canaries.check().well
    now |= {"a": 2, "b": 2}
    report = canaries.check()
    assert report.blamed == ["a"] and report.explained == {"b": ["a"]}
    now |= {"a": 1, "c": 5}
    assert canaries.check().blamed == ["b", "c"]


def test_what_a_moved_unit_touches_is_run_as_well(few):
    now, _ = few
    now |= {"a": 2, "b": 2}
    report = canaries.check(["b"])
    assert report.ran == ("b", "a") and report.blamed == ["a"]


def test_a_canary_that_stops_has_moved(few, monkeypatch):
    monkeypatch.setitem(canaries.CANARIES, "c", Canary("c", lambda: 1 / 0))
    assert "ZeroDivisionError" in canaries.check().moved["c"][0]
    with pytest.raises(InputError, match="the canary of c is stopped by ZeroDivisionError"):
        update.update("c", because="no")


def test_other_figures_of_a_canary_are_written_without_a_new_version(few, monkeypatch):
    monkeypatch.setitem(canaries.CANARIES, "c", Canary("c", lambda: {"n": 1, "m": 2}))
    report = canaries.check()
    assert report.unknown == ("c",) and not report.moved and not report.well
    assert update.update("c") == ["c"] and canaries.check().well
    assert canaries.read()["c"] == {"version": 1, "figures": {"n": 1, "m": 2}}


def test_a_new_version_waits_for_its_figures(few):
    now, versions = few
    versions["a"], now["a"] = 2, 3
    report = canaries.check()
    assert report.raised == ("a",) and not report.moved and not report.well


# -- bad files and versions


def test_a_lowered_version_is_refused(few):
    _, versions = few
    versions["a"] = 3
    canaries.write({n: {"version": versions[n], "figures": {"n": 1}} for n in versions})
    versions["a"] = 2
    with pytest.raises(InputError, match="a has version 2, but had 3 before"):
        canaries.check()


def test_a_hand_edit_is_noticed(tmp_path):
    path = tmp_path / "canaries.json"
    shutil.copy(canaries.FILE, path)
    assert canaries.read(path)
    text = path.read_text()
    at = text.index("0.", len(text) // 2)
    path.write_text(text[:at] + "1." + text[at + 2 :])
    with pytest.raises(InputError, match="not as it was written: its checksum differs"):
        canaries.read(path)
    for bad in ("", "{}", "[1]", '{"units": {"a": 1}, "checksum": ""}'):
        path.write_text(bad)
        with pytest.raises(InputError):
            canaries.read(path)


def test_a_unit_without_a_canary_is_named(monkeypatch):
    canaries.load()
    monkeypatch.delitem(canaries.CANARIES, "method/rl")
    with pytest.raises(InputError, match="method/rl has no canary"):
        canaries.load()


def test_the_command_line_says_it_in_one_line(few, capsys):
    now, versions = few
    assert cli.main(["canaries"]) == 0 and "none moved" in capsys.readouterr().out
    now["c"] = 4
    assert cli.main(["canaries"]) == 1
    assert "c moved, and nothing that it touches did: n 1 -> 4" in capsys.readouterr().err
    assert cli.main(["canaries", "d"]) == 2
    versions["a"] = 0
    assert cli.main(["canaries"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


# -- update


def test_an_update_raises_the_version_writes_figures_and_asks_why(few, tmp_path, monkeypatch):
    now, _ = few
    now |= {"a": 2, "b": 2}
    before = canaries.FILE.read_text()
    with pytest.raises(InputError, match="why does a move"):
        update.update("a")
    assert canaries.FILE.read_text() == before, "nothing is written without a reason"
    assert (tmp_path / "code.py").read_text().startswith("@numerics(1")
    with pytest.raises(InputError, match="b moved because a did"):
        update.update("b", because="no")
    assert update.update("a", because="it has\nanother value") == ["a", "b"]
    assert (tmp_path / "code.py").read_text().startswith('@numerics(2, "a")')
    assert "- `a` 2: it has another value\n" in (tmp_path / "NUMERICS.md").read_text()
    stored = canaries.read()
    assert stored["a"] == {"version": 2, "figures": {"n": 2}}
    assert stored["b"] == {"version": 1, "figures": {"n": 2}}


def test_a_unit_that_has_not_moved_keeps_its_version(few):
    with pytest.raises(InputError, match="c has not moved: its version stays 1"):
        update.update("c", because="because")


def test_a_new_unit_gets_its_first_figures_without_a_reason(few):
    canaries.write({n: {"version": 1, "figures": {"n": 1}} for n in ("a", "b")})
    assert canaries.check(["c"]).unknown == ("c",)
    assert update.update("c") == ["c"] and canaries.check().well


def test_the_place_of_a_version_is_found_in_the_source(tmp_path, monkeypatch):
    for name in ("method/rl", "schedule/cosine", "network/resnet18", "mask/knee", "metric/scores"):
        stamp = units.stamp_of(name)
        copy = tmp_path / Path(stamp.file).name
        shutil.copy(stamp.file, copy)
        moved = units.Stamp(stamp.version, stamp.uses, str(copy), stamp.line)
        monkeypatch.setattr(units, "stamp_of", lambda _, moved=moved: moved)
        update.raise_version(name, 7)
        monkeypatch.undo()
        old, new = (p.read_text().splitlines() for p in (Path(stamp.file), copy))
        changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert len(changed) == 1 and "7" in changed[0][1]


# -- figures


def test_what_agrees_and_what_does_not():
    stored = figures.plain(
        {"x": figures.near([1.0, -2.0], 0.1), "n": 3, "s": figures.holds({"a": 1})}
    )
    assert json.loads(json.dumps(stored)) == stored

    def moved(**found):
        return figures.differing(stored, {**stored, **figures.plain(found)})

    assert not moved(x=figures.near([1.19, -2.19], 0.1)), "within a tenth of the largest"
    assert moved(x=figures.near([1.3, -2.0], 0.1)) and moved(x=figures.near([1.0], 0.1))
    assert moved(x=figures.near([float("nan"), -2.0], 0.1)) and moved(n=4)
    assert not moved(s=figures.holds({"a": 1, "b": 2})), "one more setting is no change"
    assert moved(s=figures.holds({"a": 2}))
    assert not moved(x=figures.near([1.0, -2.0], 5.0)), "the stored tolerance counts"


def test_canaries_compute_in_float32_wherever_they_are(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    seen = []
    made = Canary("x", lambda: seen.append(torch.cpu._is_avx512_bf16_supported()) or {"n": 1})
    monkeypatch.setattr(canaries, "load", lambda: {"x": made})
    canaries.run("x")
    assert seen == [False] and torch.cpu._is_avx512_bf16_supported()


def test_only_one_unit_is_updated_at_a_time(capsys):
    from salun_utils.cli import main

    assert main(["canaries", "method/rl", "--update", "method/ga", "--because", "x"]) == 2
    assert "--update takes one unit" in capsys.readouterr().err
