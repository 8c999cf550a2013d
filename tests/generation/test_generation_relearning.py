"""Teaching an erased generator again: what is drawn when, what stays as it was, and what names a
run.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch

from salun_utils import data, models
from salun_utils.errors import InputError
from salun_utils.generation import erase
from salun_utils.generation.models import mini_sd
from salun_utils.generation.models.diffusion.ddpm import DDPM, DDPMConfig
from salun_utils.generation.models.judges import Judge
from salun_utils.generation.trials import relearning
from salun_utils.generation.trials.relearning import RelearningTrial
from salun_utils.generation.trials.run import Scene
from salun_utils.generation.trials.touched import units_of_relearning
from salun_utils.runner.parameters import check_parameters
from salun_utils.runs import Record
from salun_utils.runs.records.standing import run_name

TEMPLATE = Path(__file__).parents[2] / "notebooks" / "00_relearning.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A judge, a DDPM and a pipeline of the embedded digits, untrained."""
    where, classes = tmp_path_factory.mktemp("models"), tuple(data.load("digits").classes)
    Judge(
        models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25),
        classes,
        accuracy=10.0,
    ).save(where / "judge")
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


def given(folder: Path, **changes) -> dict:
    own = {
        "model": str(folder / "ddpm"),
        "judge": str(folder / "judge"),
        "data": "digits",
        "concept": 3,
        "eraser": "ga",
        "per_class": 1,
    }
    quick = {
        "concept_samples": 4,
        "steps": 2,
        "params": {"steps": 2, "batch": 4},
        "lessons": "[2, 5]",
        "looks": "[0, 1, 3]",
    }
    return own | quick | changes


def test_a_run_draws_after_each_look_and_leaves_the_models(folder):
    trial = RelearningTrial.of(given(folder))
    scene = Scene.of(trial)
    before = copy.deepcopy(scene.model.state_dict())
    found = relearning.run(trial, scene)
    assert list(found.curves) == ["2", "5"]
    for curve in found.curves.values():
        assert [look["step"] for look in curve] == [0, 1, 3]
        assert ["others" in look for look in curve] == [True, False, True]
        assert all(0 <= look["concept"] <= 100 for look in curve)
    assert found.curves["2"][0] == found.curves["5"][0]  # nothing was taught yet
    assert all(torch.equal(before[n], v) for n, v in scene.model.state_dict().items())
    made = relearning.record(trial, scene, found)
    assert Record.model_validate_json(made.model_dump_json()) == made
    assert (
        "eraser" not in made.spec
        and made.spec["erased"] == "ga"
        and made.measurements["curves"] == found.curves
    )


def test_lessons_are_test_pictures_of_the_concept_under_its_own_label(folder, monkeypatch):
    trial, seen = RelearningTrial.of(given(folder, looks="[0, 2]", lessons="[5]")), []
    scene = Scene.of(trial)

    def spy(model, z, labels, rng):
        seen.append((z, labels))
        return model(z, labels, labels).mean()

    monkeypatch.setattr(relearning, "denoising_loss", spy)
    erased = erase("ga", scene.model, concept=3, data=scene.data, steps=1, batch=4)
    own = scene.data.test.subset((scene.data.test.labels == 3).nonzero().flatten()[:5])
    list(relearning.curve(erased.model, own, trial, scene, 3))
    assert len(seen) == 2 and all((labels == 3).all() and len(z) == 5 for z, labels in seen)
    expected = erased.model.encode(own.pixels.float() / 255)
    for z, _ in seen:
        assert sorted(z.flatten(1).sum(1).tolist()) == pytest.approx(
            sorted(expected.flatten(1).sum(1).tolist())
        )


def test_teaching_lowers_the_loss_of_the_lesson(folder):
    trial = RelearningTrial.of(given(folder, teach_lr=1e-2))
    scene = Scene.of(trial)
    own = scene.data.test.subset((scene.data.test.labels == 3).nonzero().flatten()[:5])
    model = relearning.copied(scene.model).requires_grad_(True)

    def mean():
        return sum(relearning.denoising(model, own, trial, scene, 3)().item() for _ in range(5))

    before, loss = mean(), relearning.denoising(model, own, trial, scene, 3)
    relearning.descend(model, lambda _: {"teach": (1.0, loss())}, steps=30, lr=trial.teach_lr)
    assert mean() < 0.9 * before


def test_a_pipeline_is_taught_under_its_prompt_and_shares_what_is_not_trained(folder):
    trial = RelearningTrial.of(
        given(
            folder,
            model=str(folder / "pipe"),
            eraser="uce",
            params={},
            lessons="[3]",
            looks="[0, 2]",
        )
    )
    scene = Scene.of(trial)
    before = copy.deepcopy(scene.model.unet.state_dict())
    assert [look["step"] for look in relearning.run(trial, scene).curves["3"]] == [0, 2]
    assert all(torch.equal(before[n], v) for n, v in scene.model.unet.state_dict().items())
    twin = relearning.copied(scene.model)
    assert (
        twin.unet is not scene.model.unet
        and twin.vae is scene.model.vae
        and twin.text_encoder is scene.model.text_encoder
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lessons": "[]"}, "lessons must be ascending whole numbers from 1"),
        ({"lessons": "[1"}, "lessons must be ascending whole numbers from 1"),
        ({"lessons": "[0, 1]"}, "lessons must be ascending whole numbers from 1"),
        ({"looks": "[3, 1]"}, "looks must be ascending whole numbers from 0"),
        ({"teach_lr": 0.0}, "teach_lr must be above 0"),
        ({"teach_batch": 0}, "teach_batch at least 1"),
        (
            {"model": "vae-fashion", "eraser": "salun", "judge": "fashion-mnist", "params": {}},
            "for diffusion models",
        ),
    ],
)
def test_a_trial_is_checked_before_anything_is_loaded(changes, said, folder):
    with pytest.raises(InputError, match=said):
        RelearningTrial.of(given(folder, **changes))


def test_more_pictures_than_there_are_is_an_error(folder):
    with pytest.raises(InputError, match=r"only .* test pictures"):
        relearning.run(RelearningTrial.of(given(folder, lessons="[100000]")))


def test_the_template_is_checked_named_and_known_by_its_code(folder):
    effective = check_parameters(TEMPLATE, given(folder, params=json.dumps({"steps": 2})))
    assert run_name(TEMPLATE.stem, effective).startswith("00_relearning-ga-s0-")
    touched = units_of_relearning(effective, "ga")
    assert "trial/relearning" in touched and "metric/recognition" not in touched
    with pytest.raises(InputError, match="lessons must be"):
        check_parameters(TEMPLATE, given(folder, params="{}", lessons="[-1]"))
