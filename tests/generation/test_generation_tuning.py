"""Tuning of erasers: as many trials for each, the default first, resumed where it stopped; grids
read what was chosen.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from salun_utils import cli, data, models
from salun_utils.errors import InputError
from salun_utils.generation import ERASERS
from salun_utils.generation.models.judges import Judge
from salun_utils.generation.models.vae import VAE, VAEConfig
from salun_utils.generation.trials import run as experiment
from salun_utils.generation.trials import tuning
from salun_utils.generation.trials.trial import Trial
from salun_utils.runner import grid
from salun_utils.unlearning import Range

TEMPLATE = Path(__file__).parents[2] / "notebooks" / "00_erase.ipynb"


@pytest.fixture
def pilot(tmp_path, monkeypatch) -> dict:
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    classes = tuple(data.load("digits").classes)
    Judge(
        models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25),
        classes,
        accuracy=10.0,
    ).save(tmp_path / "judge")
    VAE(VAEConfig("tiny", classes, (1, 8, 8), hidden=(32,), latent=3), seed=1).save(
        tmp_path / "vae-tiny"
    )
    return {
        "model": str(tmp_path / "vae-tiny"),
        "judge": str(tmp_path / "judge"),
        "data": "digits",
        "concept": 3,
        "seed": 99,
        "params": {"batch": 4},
        "per_class": 2,
        "concept_samples": 3,
    }


def test_damage_counts_what_is_not_forgotten_and_what_is_lost(pilot, monkeypatch):
    trial = Trial(eraser="ga", **pilot | {"params": {"steps": 1, "batch": 4}})
    scene = experiment.Scene.of(trial)
    answers = iter([(None, 90.0), (70.0, 84.0), (None, 90.0), (100.0, 95.0)])

    class Seen:
        def __init__(self, ua, retained_mean):
            self.ua, self.retained_mean = ua, retained_mean

    monkeypatch.setattr(tuning, "recognition", lambda *a, **k: Seen(*next(answers)))
    assert tuning.damage(trial, scene) == pytest.approx(30 + 6)
    assert tuning.damage(trial, scene) == 0, "what the others gain doesn't make up for anything"


def test_every_eraser_gets_as_many_trials_and_a_second_call_none(pilot, tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(
        tuning,
        "damage",
        lambda trial, scene: (
            tried.append((trial.eraser, trial.params["lr"])) or 1e6 * trial.params["lr"]
        ),
    )
    places = {"out": tmp_path / "tuned", "state": tmp_path / "state"}
    path = tuning.tune(pilot, ["rl", "ga", "retrain"], trials=3, **places)
    assert [name for name, _ in tried] == ["rl"] * 3 + ["ga"] * 3 and tried[0][1] == ERASERS[
        "rl"
    ].defaults["vae"]["lr"]
    chosen = yaml.safe_load(path.read_text())
    assert (
        path.name == "vae-tiny.yaml" and set(chosen) == {"rl", "ga"} and chosen["ga"]["trials"] == 3
    )
    assert chosen["ga"]["params"]["lr"] == pytest.approx(
        min(lr for name, lr in tried if name == "ga")
    )
    tuning.tune(pilot, ["rl", "ga"], trials=3, **places)
    assert len(tried) == 6


def test_the_space_is_that_of_the_kind(pilot):
    space = tuning.search_space("salun", ERASERS["salun"].defaults["mini-sd"])
    assert (
        isinstance(space["lr"], Range)
        and space["lr"].log
        and set(space) <= set(ERASERS["salun"].defaults["mini-sd"])
    )


def test_a_grid_takes_the_chosen_values_under_its_own(pilot, tmp_path):
    (tmp_path / "vae-tiny.yaml").write_text(
        yaml.safe_dump({"salun": {"params": {"lr": 0.5, "steps": 30}}})
    )
    fixed = {**pilot, "tier": "cpu", "params": {"steps": 2, "batch": 4}}
    content = {
        "notebook": str(TEMPLATE),
        "fixed": fixed,
        "tuned": str(tmp_path),
        "blocks": [{"fixed": {"eraser": "salun"}}],
    }
    (tmp_path / "g.yaml").write_text(json.dumps(content))
    (run,) = grid.read(tmp_path / "g.yaml").runs
    assert json.loads(run.parameters["params"]) == {"lr": 0.5, "steps": 2, "batch": 4}
    content["blocks"] = [{"fixed": {"eraser": "rl"}}]
    (tmp_path / "g.yaml").write_text(json.dumps(content))
    with pytest.raises(InputError, match="no tuned values for rl"):
        grid.read(tmp_path / "g.yaml")


def test_the_command_names_what_is_wrong(pilot, capsys):
    given = [
        word
        for name, value in pilot.items()
        if name not in ("params", "seed")
        for word in ("-p", name, str(value))
    ]
    assert (
        cli.main(["tune", *given, "--methods", "nothing"]) == 2
        and "unknown eraser" in capsys.readouterr().err
    )
    assert (
        cli.main(["tune", "-p", "model", pilot["model"]]) == 2
        and "pilot class" in capsys.readouterr().err
    )
    assert (
        cli.main(["tune", *given, "-p", "sampels", "3"]) == 2
        and "unknown parameter" in capsys.readouterr().err
    )
    assert (
        cli.main(["tune", *given, "--pilot-seeds", "1,2"]) == 2
        and "one pilot seed" in capsys.readouterr().err
    )
