"""Runs of forgetting in generation: checked before anything is loaded, both drawings from the same
noises, the original's drawn once.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from salun_utils import data, models
from salun_utils.errors import InputError
from salun_utils.generation import kind_named
from salun_utils.generation.models import mini_sd
from salun_utils.generation.models.diffusion.ddpm import DDPM, DDPMConfig
from salun_utils.generation.models.judges import Judge
from salun_utils.generation.models.vae import VAE, VAEConfig
from salun_utils.generation.trials import harmful_run, protocol, relearning, trial
from salun_utils.generation.trials import run as experiment
from salun_utils.generation.trials.touched import units_of_trial
from salun_utils.generation.trials.trial import Trial
from salun_utils.runner.parameters import check_ranges
from salun_utils.runs import Record

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A judge, a VAE and a DDPM of the embedded digits, untrained."""
    where, classes = tmp_path_factory.mktemp("models"), tuple(data.load("digits").classes)
    Judge(
        models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25),
        classes,
        accuracy=10.0,
    ).save(where / "judge")
    VAE(VAEConfig("tiny", classes, (1, 8, 8), hidden=(32,), latent=3), seed=1).save(where / "vae")
    mini_sd.build(classes, widths=(16, 32), vae_widths=(8, 16, 16), text_width=32).save_pretrained(
        where / "pipe"
    )
    DDPM(
        DDPMConfig("tiny", classes, (1, 8, 8), size=8, widths=(8, 16), groups=4, head=8), seed=1
    ).save(where / "ddpm")
    return where


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))


def make(folder: Path, kind: str = "vae", **changes) -> Trial:
    settings = {
        "eraser": "salun",
        "concept": 3,
        "params": {"steps": 2, "batch": 4},
        "per_class": 2,
        "concept_samples": 5,
        "data": "digits",
    }
    return Trial(
        **{**settings, "model": str(folder / kind), "judge": str(folder / "judge"), **changes}
    )


@pytest.mark.parametrize("kind", ["vae", "ddpm"])
def test_a_run_draws_before_and_after_from_the_same_noises(folder, kind):
    extra = {} if kind == "vae" else {"steps": 2, "guidance": 1.0}
    wanted = make(folder, kind, **extra)
    scene = experiment.Scene.of(wanted)
    outcome = experiment.run(wanted, scene)
    assert outcome.labels.bincount().tolist() == [2, 2, 2, 5, 2, 2, 2, 2, 2, 2]
    assert torch.equal(outcome.before, scene.model.sample(outcome.labels, seed=1000, **extra))
    assert torch.equal(
        outcome.after, outcome.erased.model.sample(outcome.labels, seed=1000, **extra)
    )
    assert outcome.scores.samples["3"] == 5 and outcome.scores.forgotten == "3"


@pytest.mark.parametrize(
    ("eraser", "params"),
    [
        ("salun", {"epochs": 1, "batch_size": 4, "pictures": 2}),
        ("esd-x", {"steps": 1, "batch_size": 2, "sample_steps": 2, "pictures": 2}),
        ("forget-me-not", {"epochs": 1, "batch_size": 4, "pictures": 2}),
        ("uce", {"pictures": 2}),
    ],
)
def test_a_pipeline_is_erased_drawn_scored_attacked_and_recorded(folder, tmp_path, eraser, params):
    wanted = make(
        folder,
        "pipe",
        eraser=eraser,
        params=params,
        steps=2,
        guidance=2.0,
        attack_steps=1,
        per_class=1,
    )
    scene = experiment.Scene.of(wanted)
    outcome = experiment.run(wanted, scene)
    assert (
        outcome.before.shape == outcome.after.shape == (14, 3, 32, 32)
        and outcome.after.dtype == torch.uint8
    )
    assert (outcome.erased.mask is not None) == (eraser == "salun")
    again = Record.read(experiment.record(wanted, scene, outcome).save(tmp_path))
    for side in (again.scores, again.original):
        assert 0 <= side["ua"] <= 100 and side["distances"]["generated"] == 9
        assert side["recovered"]["steps"] == 1 and 0 <= side["recovered"]["word"] <= 100
    assert again.scores["losses"] and again.spec["params"]["method"] == eraser


def test_what_the_original_draws_is_drawn_once(folder, monkeypatch):
    first = make(folder)
    scene = experiment.Scene.of(first)
    before = experiment.run(first, scene).before
    drawn = []

    def blank(model, _trial, _judge, labels):
        return drawn.append(model) or torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8)

    monkeypatch.setattr(experiment, "draw", blank)
    again = experiment.run(make(folder, eraser="rl", seed=1), scene)
    assert torch.equal(again.before, before) and drawn == [again.erased.model]
    experiment.run(make(folder, per_class=3, concept_samples=4), scene)
    assert scene.model in drawn, "other pictures are wanted: they are drawn"


def test_its_record_holds_settings_scores_and_seeds(folder, tmp_path):
    wanted = make(folder, mask="random", keep=0.25, label="control", seed=4)
    scene = experiment.Scene.of(wanted)
    record = experiment.record(wanted, scene, experiment.run(wanted, scene))
    again = Record.read(record.save(tmp_path))
    row = again.row()
    assert (row["method"], row["mask"], row["scenario"], row["seed"]) == (
        "control",
        "random",
        "class 3",
        4,
    )
    assert (
        again.mask["density"] == pytest.approx(0.25, abs=1e-3)
        and again.spec["params"]["steps"] == 2
    )
    assert 0 <= again.scores["ua"] <= 100 and again.scores["ra"] == again.scores["retained_mean"]
    real = data.load("digits").train
    assert again.scores["distances"]["real"] == int((real.labels != 3).sum()), (
        "all real pictures of the other classes"
    )
    assert again.scores["distances"]["generated"] == 18 and again.scores["distances"][
        "features"
    ].startswith("judge")
    assert "recovered" not in again.scores
    assert set(again.original["retained"]) == set("012456789") and again.cpu_seconds > 0
    assert again.data["fingerprint"] == data.load("digits").fingerprint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"eraser": "saluna"}, "did you mean 'salun'"),
        ({"tier": "huge"}, "unknown tier"),
        ({"concept": "13"}, "unknown class"),
        ({"concept": 10}, "from 0 to 9, not 10"),
        ({"guidance": -1.0}, "guidance must be"),
        ({"per_class": 0}, "samples must be at least 1"),
        ({"concept_samples": 0}, "samples must be at least 1"),
        ({"steps": 0}, "steps must be"),
        ({"seed": -1}, "seed"),
        ({"keep": 1.5}, "keep must be"),
        ({"mask": "best"}, "unknown mask"),
        ({"params": {"alfa": 1}}, "did you mean 'alpha'"),
        ({"weights": "full"}, "unknown setting of salun"),
        ({"eraser": "uce"}, "doesn't work on"),
        ({"attack_steps": -1}, "attack_steps must be"),
        ({"attack_steps": 5}, "attacks work on text-to-image pipelines"),
    ],
)
def test_a_wrong_trial_is_refused(folder, changes, said):
    with pytest.raises(InputError, match=said):
        make(folder, **changes)


def test_a_trial_is_of_a_notebooks_parameters(folder):
    parameters = {
        "eraser": "ga",
        "concept": "3",
        "model": str(folder / "vae"),
        "judge": str(folder / "judge"),
        "params": '{"steps": 7}',
    }
    found = Trial.of({**parameters, "something": "else"})
    assert found.settings == {"steps": 7} and found.name == "ga"
    made = {**parameters, "mask": torch.ones(2), "keep": 0.3}  # a page's own mask is no parameter
    laid = Trial.of(made, eraser="salun", keep=0.4)
    assert (laid.eraser, laid.keep, laid.mask) == ("salun", 0.4, None)
    with pytest.raises(TypeError, match="kept"):
        Trial.of(parameters, kept=0.4)
    with pytest.raises(InputError, match="JSON object"):
        Trial.of({**parameters, "params": "[7"})


def test_parameters_with_an_eraser_are_checked_as_a_trial(folder):
    parameters = {
        "eraser": "salun",
        "concept": 3,
        "model": str(folder / "vae"),
        "judge": str(folder / "judge"),
        "keep": None,
        "seed": 0,
    }
    check_ranges(parameters)
    for wrong, said in (
        ({"eraser": "none"}, "unknown eraser"),
        ({"concept": "ten"}, "unknown class"),
        ({"params": "{"}, "JSON object"),
    ):
        with pytest.raises(InputError, match=said):
            check_ranges({**parameters, **wrong})


def test_the_kind_of_a_model_is_known_without_loading_it(folder):
    assert kind_named(folder / "ddpm") == "ddpm" and kind_named(folder / "vae") == "vae"
    assert (
        kind_named("out/ddpm-mine") == "ddpm" and kind_named("owner/stable-diffusion") == "pipeline"
    )
    assert kind_named("judge-fashion") == "judge"


def test_a_run_touches_its_kind_its_eraser_and_its_mask(folder, raised):
    def touched(**own):
        return set(units_of_trial(asdict(make(folder, **own))))

    salun = touched()
    assert {"trial", "generator/vae", "eraser/gan-vae/salun", "saliency/gan-vae"} <= salun
    assert "saliency/gan-vae" not in touched(mask="random") and "masking" in touched(mask="random")
    assert "masking" not in touched(eraser="rl")
    assert not {"generator/ddpm", "eraser/ddpm/salun"} & salun


def test_other_weights_under_the_same_name_outdate_a_record():
    from salun_utils.runs import Record
    from salun_utils.runs.records.standing import of_record

    def made(weights: dict) -> Record:
        return Record(id="x", numerics={"trial": 1}, data={"weights": weights})

    now = trial.weights_facts("vae-fashion", "fashion-mnist")
    assert set(now) == {"vae-fashion", "fashion-mnist"} and of_record(made(now)).word == "done"
    old = of_record(made(now | {"vae-fashion": "others"}))
    assert old.word == "outdated" and "the weights of vae-fashion from others" in old.why


def test_weights_saved_anew_in_a_folder_without_a_card_are_other_weights(tmp_path):
    classes, where, found = tuple(data.load("digits").classes), tmp_path / "vae", []
    for seed in (1, 2, 2):
        config = VAEConfig("tiny", classes, (1, 8, 8), hidden=(32,), latent=3)
        VAE(config, seed=seed).save(where)
        found.append(trial.identity(str(where)))
    assert found[0] != found[1] == found[2]
    assert trial.weights_facts(str(where)) == {}, "a record speaks of weights with a card only"
    assert trial.identity("somebody/a-model") == "somebody/a-model"


@pytest.mark.parametrize("module", [experiment, harmful_run, relearning])
def test_every_kind_of_trial_follows_one_protocol(module):
    for name in ("run", "record"):
        wanted = list(inspect.signature(getattr(protocol.Trials, name)).parameters)[1:]
        assert list(inspect.signature(getattr(module, name)).parameters) == wanted
    assert list(inspect.signature(module.Scene.of).parameters) == ["trial"]
    assert dataclasses.is_dataclass(module.Outcome)
