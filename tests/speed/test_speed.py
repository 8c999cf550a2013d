"""The rows that are timed run, agree with their plain ways, and are written as they come."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import torch

import salun_utils as su

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmark.speed import __main__ as speed
from benchmark.speed import (
    figures,
    generators,
    large,
    networks,
    page,
    plain,
    recipe,
    starts,
    tries,
    turns,
)

CPU = torch.device("cpu")
FAST = "masked small-cnn,one mask,attack,words"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_rows_are_measured_in_turns_and_written_as_they_come(tmp_path):
    out = tmp_path / "speed.json"
    assert speed.main(["--tiny", "--only", FAST, "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert list(found["rows"]) == ["masked small-cnn", "one mask", "attack"]
    for row in [*found["rows"].values(), *found["tries"].values()]:
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"] and row["turns"] == 1
    assert found["rows"]["masked small-cnn"]["pflop"] > 0 and found["profile"]["operators"]
    assert found["rows"]["one mask"]["same"].startswith("0 of")
    assert found["tries"]["words"]["same"] == "weights differ by at most 0"
    assert {"device", "packages", "commit", "date", "peaks_gflops"} <= found.keys()


@pytest.mark.slow
def test_every_row_and_every_try_runs(tmp_path):
    out = tmp_path / "speed.json"
    assert speed.main(["--tiny", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["rows"].keys() == (networks.ROWS | generators.ROWS).keys()
    assert found["tries"].keys() == tries.TRIES.keys()
    assert found["rows"]["ddpm sampling"]["same"].startswith("pixels differ by at most")


def test_what_was_measured_before_stays_and_another_machines_is_refused(tmp_path, capsys):
    out = tmp_path / "speed.json"
    words = ["--tiny", "--only", "attack", "--out", str(out)]
    assert speed.main(words) == 0
    assert speed.main(["--tiny", "--only", "one mask", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert list(found["rows"]) == ["attack", "one mask"]
    out.write_text(json.dumps({**found, "packages": {"torch": "1.0"}}))
    assert speed.main(words) == 2 and "another packages" in capsys.readouterr().err


def test_figures_of_another_machine_do_not_stop_a_measurement_of_this_one(
    tmp_path, monkeypatch, capsys
):
    """Neither those of the book nor those that lie in the folder of one's own; only to publish
    over them takes the same machine.
    """
    row = turns.Row("a row", {"library": lambda: None, "plain": lambda: sum(range(50_000))})
    monkeypatch.setattr(networks, "ROWS", {"one": lambda *_: row})
    monkeypatch.setattr(speed.machine, "peaks", lambda *_, **__: {"float32": 1.0})
    monkeypatch.setattr(speed, "HERE", tmp_path / "book")
    monkeypatch.setattr(speed, "OWN", tmp_path / "own")
    foreign = json.dumps({"device": {"processor": "abacus"}, "packages": {}, "rows": {"x": 1}})
    for folder in (speed.HERE, speed.OWN):
        folder.mkdir()
        (folder / "cpu.json").write_text(foreign)
    words = ["--device", "cpu", "--turns", "1", "--only", "one"]
    assert speed.main(words) == 0
    found = json.loads((speed.OWN / "cpu.json").read_text())
    assert list(found["rows"]) == ["one"] and found["device"] != {"processor": "abacus"}
    assert (speed.HERE / "cpu.json").read_text() == foreign
    head, line = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert "processor" in head and line.startswith("a row") and "–" in line
    assert speed.main([*words, "--publish"]) == 2
    assert "another device" in capsys.readouterr().err
    (speed.HERE / "cpu.json").unlink()
    assert speed.main([*words, "--publish"]) == 0 and (speed.HERE / "cpu.json").is_file()
    assert speed.main([*words, "--publish", "--out", str(tmp_path / "x")]) == 2


@pytest.mark.parametrize(
    "words, said",
    [
        (["--only", "masked"], "unknown row 'masked'"),
        (["--turns", "0"], "--turns must be at least 1"),
        (["--threads", "-1"], "--threads must be at least 1"),
    ],
)
def test_a_wrong_word_is_one_line(words, said, capsys):
    assert speed.main(["--tiny", *words]) == 2
    assert said in (err := capsys.readouterr().err) and err.count("\n") == 1


def test_ways_take_turns_and_the_ratio_is_that_of_each_turn(monkeypatch):
    order, clock = [], [0.0]
    monkeypatch.setattr(turns.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(turns.time, "process_time", lambda: clock[0])

    def way(name, *seconds):
        left = list(seconds)

        def call():
            order.append(name)
            clock[0] += left.pop(0)

        return call

    row = turns.Row("x", {"library": way("l", 1, 2, 1), "plain": way("p", 3, 8, 2)}, pflop=1.0)
    found = turns.measure(row, turns=3, device=CPU)
    assert order == ["l", "p"] * 3
    assert [found[f"ratio{end}"] for end in ("_low", "", "_high")] == [2, 3, 4]


def test_memory_that_a_call_needs_is_seen():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("Linux alone tells the peak")
    spent = turns.Spent()
    turns.once(lambda: torch.ones(30_000_000).sum(), spent, CPU)
    assert 100 < spent.peak_mb < 200  # 120 MB in float32


def test_the_plain_mask_keeps_the_highest():
    scores = {"a": torch.tensor([0.1, 5.0, 3.0]), "b": torch.tensor([[4.0], [0.2]])}
    kept = plain.mask(scores, 0.6)
    assert kept["a"].tolist() == [0, 1, 1] and kept["b"].tolist() == [[1], [0]]
    assert kept["a"].dtype == torch.int64


def test_the_first_seconds_are_measured_in_new_processes():
    found = starts.measure(1, ("import salun_utils",))["import salun_utils"]
    assert found["seconds"] > 0 and found["least"] <= found["most"]


def test_a_large_network_is_scored_masked_and_stepped_as_the_plain_way_does(tmp_path):
    out = tmp_path / "large.json"
    assert large.main(["tiny", "--out", str(out)]) == 0
    found = json.loads(out.read_text())["tiny"]
    assert found["kept"] == found["weights"] // 2 and found["held_still"] and found["moved"] > 0.9
    assert found["loaded_as_saved"] and found["check"] == "the same mask: True"


def test_a_network_that_does_not_fit_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(large, "available_mb", lambda: 5000.0)
    assert large.main(["sd-v1.4", "--out", str(tmp_path / "x.json")]) == 2
    assert "needs" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name, weights", [("sd-v1.4", 859_520_964), ("sdxl", 2_567_463_684)])
def test_the_large_networks_have_the_published_sizes(name, weights):
    assert sum(p.numel() for p in large.shapes(name).parameters()) == weights


def test_the_page_says_what_the_figures_say(capsys):
    """Where this fails, ``python -m benchmark.speed.page`` writes the new figures."""
    assert page.main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_without_figures_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "HERE", tmp_path)
    for name, make in page.PARTS.items():
        if name != "law":
            assert "easured yet" in make(), name


def test_a_column_that_nothing_was_looked_for_in_is_a_dash(tmp_path, monkeypatch):
    part = {"kills": 3, "finished_and_lost": 0, "finished_and_done_again": 0, "ends_equal": True}
    found = {"training": part, "tuning": part | {"finished_before_kills": 2}}
    (tmp_path / "durability.json").write_text(json.dumps(found))
    monkeypatch.setattr(figures, "HERE", tmp_path)
    said = page.scale.durability_table()
    assert "| training | 3 | – | – | yes |" in said and "| tuning | 3 | 0 | 0 | yes |" in said
    assert "without looking" in said
    grid = {"kills": 4, "records": 5, "status": 0, "written_twice": 0}
    for more, row in (
        ({}, "– | –"),
        ({"finished_before_kills": 3, "finished_and_lost": 1}, "1 | 0"),
    ):
        (tmp_path / "durability.json").write_text(json.dumps({"grid": grid | more}))
        assert f"| grid | 4 | {row} | yes |" in page.scale.durability_table()


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="two marks"):
        page.written("no marks", {"rows": str})


def test_a_trial_of_the_recipe_changes_one_thing():
    data = su.data.load("fashion-mini")
    small = recipe.Trial("small", pictures=200, width=0.1, epochs=1)
    found = recipe.train(small, data, 1)
    assert found["pictures"] == 200 and 0 <= found["test"] <= 100 and found["pflop"] > 0
    assert 0 <= found["test_averaged"] <= 100
    other = recipe.train(dataclasses.replace(small, whiten=False), data, 1)
    assert other["weights"] == found["weights"] and other["test"] != found["test"]


def test_six_views_are_weighed_as_the_docstring_says():
    seen = []

    def first_pixel(x):
        seen.append(x)
        return x[:, 0, 1:2, 1]

    x = torch.arange(16.0).view(1, 1, 4, 4)
    logits = recipe.Averaged(first_pixel)(x)  # row 1 holds 4 5 6 7, row 0 0 1 2 3, row 2 8 9 10 11
    assert len(seen) == 6 and all(view.shape == x.shape for view in seen)
    still, upper_left, lower_right = (5 + 6) / 2, (0 + 3) / 2, (10 + 9) / 2
    assert logits.item() == pytest.approx(still / 2 + (upper_left + lower_right) / 4)


def test_the_recipe_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    done, out = [], tmp_path / "recipe.json"

    def train(trial, _data, seed):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append((trial.name, seed))
        return {"test": 1.0}

    monkeypatch.setattr(recipe, "train", train)
    with pytest.raises(KeyboardInterrupt):
        recipe.main(["--out", str(out), "--data", "fashion-mini"])
    assert len(json.loads(out.read_text())["trials"]) == 5
    monkeypatch.setattr(recipe, "train", lambda *_: {"test": 2.0})
    assert recipe.main(["--out", str(out), "--data", "fashion-mini"]) == 0
    found = json.loads(out.read_text())["trials"]
    assert found["as it is"] == {"1": {"test": 1.0}, "2": {"test": 2.0}, "3": {"test": 2.0}}
    assert list(found[recipe.WHOLE.name]) == ["1"]
    assert recipe.main(["--data", "nowhere", "--out", str(tmp_path / "x.json")]) == 2
    assert "nowhere" in capsys.readouterr().err and not (tmp_path / "x.json").exists()


@pytest.mark.parametrize("fact", ["data", "device"])
def test_trials_of_other_data_or_another_machine_are_not_taken_for_ones_own(
    tmp_path, monkeypatch, capsys, fact
):
    out = tmp_path / "recipe.json"
    monkeypatch.setattr(recipe, "train", lambda *_: {"test": 1.0})
    call = ["--out", str(out), "--data", "fashion-mini"]
    assert recipe.main(call) == 0
    found = json.loads(out.read_text())
    out.write_text(json.dumps(found | {fact: "another"}))
    assert recipe.main(call) == 2
    assert f"is of another {fact}" in capsys.readouterr().err
    assert json.loads(out.read_text())[fact] == "another"
