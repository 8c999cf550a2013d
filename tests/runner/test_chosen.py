"""Chosen values go to runs like those that they were chosen for, or a grid says that it takes them
elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import salun_utils as su
from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner import grid
from salun_utils.runs.tuning.values import chosen_for, header_of

ROOT = Path(__file__).parents[2]
SPEC = su.runs.RunSpec(dataset="digits", scenario="random", train_epochs=2, train_images=600)
FIT = "dataset: digits, scenario: random, train_epochs: 2, train_images: 600, method: ft, seed: 1"


def write(folder: Path, fixed: str = FIT, *, more: str = "", notebook: str = "00_run") -> Path:
    """A grid of one run beside values that were chosen for `SPEC` on the seeds 98 and 99."""
    (folder / "tuned.yaml").write_text(
        header_of(SPEC) + "ft:\n  params: {lr: 0.007}\n  pilot_seeds: [98, 99]\n"
    )
    path = folder / "g.yaml"
    path.write_text(
        f"notebook: {ROOT / 'notebooks' / f'{notebook}.ipynb'}\ntuned: {folder}/tuned.yaml\n"
        f"fixed: {{{fixed}}}\n{more}"
    )
    return path


def test_values_go_to_runs_like_those_that_they_were_chosen_for(tmp_path):
    (run,) = grid.read(write(tmp_path)).runs
    assert '"lr": 0.007' in str(run.parameters["params"]) or run.parameters["params"]["lr"] == 0.007


@pytest.mark.parametrize(
    ("was", "now", "both"),
    [
        ("train_epochs: 2", "train_epochs: 3", "train_epochs 2, not for train_epochs 3"),
        ("seed: 1", "seed: 1, train_lr: 0.1", "train_lr 0.2, not for train_lr 0.1"),
        ("seed: 1", "seed: 1, train_schedule: cosine", "one-cycle, not for train_schedule cosine"),
        ("seed: 1", "seed: 1, train_batch_size: 64", "size 128, not for train_batch_size 64"),
        ("train_images: 600", "train_images: null", "train_images 600, not for train_images all"),
        ("seed: 1", "seed: 1, train_classes: 5", "classes all, not for train_classes 5"),
        ("digits", "fashion-mini", "dataset digits, not for dataset fashion-mini"),
        ("seed: 1", "seed: 1, arch: resnet20", "arch small-cnn, not for arch resnet20"),
        ("seed: 1", "seed: 1, width: 2", "width 1, not for width 2"),
        ("seed: 1", "seed: 99", "pilot seeds 98, 99, and seed 99"),
        ("seed: 1", "seed: 1, training_seed: 98", "pilot seeds 98, 99, and training_seed 98"),
    ],
)
def test_values_for_something_else_are_refused_in_one_line_that_names_both(
    tmp_path, capsys, was, now, both
):
    path = write(tmp_path, FIT.replace(was, now))
    assert cli.main(["grid", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert both in said and "tuned.yaml" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_another_scenario_or_another_share_is_taken(tmp_path):
    for other in ("forget_fraction: 0.3", "scenario: class, forget_class: 4"):
        fixed = FIT.replace("scenario: random", other)
        assert len(grid.read(write(tmp_path, fixed)).runs) == 1


def test_a_grid_says_what_values_are_carried_to(tmp_path):
    fixed = FIT.replace("600", "300") + ", width: 2"
    with pytest.raises(InputError, match=r"carried: \[width\]"):
        grid.read(write(tmp_path, fixed, more="carried: [train_images]\n"))
    assert grid.read(write(tmp_path, fixed, more="carried: [train_images, width]\n")).runs
    with pytest.raises(InputError, match=r"unknown name in carried of .*did you mean .width."):
        grid.read(write(tmp_path, more="carried: [widht]\n"))
    with pytest.raises(InputError, match="pilot seeds"):  # which nothing carries
        grid.read(write(tmp_path, FIT.replace("seed: 1", "seed: 98"), more="carried: [width]\n"))


def test_the_networks_of_a_sweep_are_looked_at_one_by_one(tmp_path):
    for sweep, fits in (('{"lr": [0.1, 0.2]}', True), ('[{"lr": 0.1}, {"width": [1, 2]}]', False)):
        path = write(tmp_path, f"{FIT}, sweep: '{sweep}'", notebook="00_sweep")
        if fits:
            assert grid.read(path).runs
            continue
        with pytest.raises(InputError, match="width 1, not for width 2"):
            grid.read(path)


def test_a_header_says_what_its_values_were_chosen_for(tmp_path):
    path = tmp_path / "x.yaml"
    other = {"width": 0.5, "train_images": None, "train_classes": 4, "arch": "speednet"}
    for spec in (SPEC, SPEC.but(**other), SPEC.but(train_classes=4)):
        path.write_text(header_of(spec))
        found = chosen_for(path)
        assert found["dataset"] == "digits" and found["arch"] == spec.arch
        assert found["width"] == f"{spec.width:g}"
        assert found["train_images"] == ("all" if spec.train_images is None else "600")
        assert found["train_classes"] == ("all" if spec.train_classes is None else "4")
        assert found["train_batch_size"] == "128" and found["train_lr"] == "0.2"
    path.write_text("ft: {params: {lr: 1}}\n")
    assert chosen_for(path) == {}


def test_every_file_of_chosen_values_says_what_they_were_chosen_for():
    for path in sorted((ROOT / "benchmark" / "tuned").glob("*.yaml")):
        assert {"model", "arch"} & set(chosen_for(path)), path.name
