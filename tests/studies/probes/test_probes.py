"""One round of probes end to end on a tiny pipeline, and what names it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from salun_utils import data, models
from salun_utils.errors import InputError
from salun_utils.generation.measures.probes import PROBES
from salun_utils.generation.models import mini_sd
from salun_utils.generation.models.judges import Judge
from salun_utils.generation.trials.run import Scene
from salun_utils.runner import grid
from salun_utils.runner.kinds import kind_of
from salun_utils.runner.parameters import check_parameters
from salun_utils.runs import Record
from salun_utils.studies.probes import study

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "notebooks" / "00_probes.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A judge and a pipeline of the embedded digits, untrained."""
    where, classes = tmp_path_factory.mktemp("models"), tuple(data.load("digits").classes)
    Judge(
        models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25),
        classes,
        accuracy=10.0,
    ).save(where / "judge")
    tiny = {"widths": (16, 32), "vae_widths": (8, 16, 16), "text_width": 32}
    mini_sd.build(classes, **tiny).save_pretrained(where / "pipe")
    return where


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))


def given(folder: Path, **changes) -> dict:
    own = {"model": str(folder / "pipe"), "judge": str(folder / "judge"), "data": "digits"}
    quick = {"eraser": "uce", "concept": 3, "per_class": 1, "concept_samples": 2, "steps": 2}
    asked = {"probes": '["prompt", "completion"]', "probe_pictures": 2, "learned_from": 3}
    return own | quick | asked | {"search_steps": 1} | changes


def test_a_round_asks_both_pipelines_and_leaves_the_original(folder):
    plan = study.Plan.of(given(folder))
    scene = Scene.of(plan)
    before = {n: p.clone() for n, p in scene.model.unet.state_dict().items()}
    answers = study.run(plan, scene)
    assert list(answers.erased) == list(answers.original) == ["prompt", "completion"]
    assert all(torch.equal(before[n], p) for n, p in scene.model.unet.state_dict().items())
    made = study.record(plan, scene, answers)
    assert Record.model_validate_json(made.model_dump_json()) == made
    assert made.spec["method"] == "probes" and made.spec["erased"] == "uce"
    assert (
        "eraser" not in made.spec
        and not made.scores
        and made.spec["probes"]
        == [
            "prompt",
            "completion",
        ]
    )
    assert {"study/probes", "probe/prompt", "eraser/pipeline/uce"} <= set(made.numerics)
    assert "probe/words" not in made.numerics
    assert len(made.measurements["interference"]) == 9
    assert study.asked_of_original(plan, scene) == answers.original  # from the cache


def test_lessons_are_test_pictures_of_the_concept(folder):
    plan = study.Plan.of(given(folder, learned_from=5))
    scene = Scene.of(plan)
    own = study.lessons(plan, scene)
    test = scene.data.test
    assert len(own) == 5 and (own.labels == 3).all()
    assert torch.equal(own.pixels, test.subset((test.labels == 3).nonzero().flatten()[:5]).pixels)


def test_all_stands_for_every_probe(folder):
    assert study.Plan.of(given(folder, probes="all")).probes == tuple(PROBES)
    assert study.Plan.of(given(folder, probes=["word", "word"])).probes == ("word",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"probes": '["promt"]'}, "did you mean 'prompt'"),
        ({"probes": "[]"}, "a list such as"),
        ({"probes": "{"}, "a list such as"),
        ({"probe_pictures": 0}, "probe_pictures"),
        ({"search_steps": 1.5}, "search_steps"),
        ({"prefix": True}, "prefix"),
        ({"learned_from": -1}, "learned_from"),
        ({"model": "ddpm-fashion", "eraser": "salun", "data": "fashion-mini"}, "text-to-image"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_loaded(folder, changes, says):
    with pytest.raises(InputError, match=says) as caught:
        study.Plan.of(given(folder, **changes))
    assert "\n" not in str(caught.value)


def test_the_template_is_a_round_of_probes_and_not_an_erasure():
    effective = check_parameters(TEMPLATE, {"eraser": "esd-x"})
    assert kind_of(effective).name == "probes"
    assert kind_of({k: v for k, v in effective.items() if k != "probes"}).name == "erasure"


def test_the_grid_has_every_eraser_of_three_classes_with_start_noises_of_each_seed():
    runs = grid.read(ROOT / "benchmark" / "grids" / "probes.yaml").runs
    assert len(runs) == 13 * 3 * 3
    found = {(r.parameters["eraser"], r.parameters["concept"]) for r in runs}
    assert len(found) == 39
    assert {(r.parameters["seed"], r.parameters["sample_seed"]) for r in runs} == {
        (1, 1001),
        (2, 1002),
        (3, 1003),
    }
