"""The template of generation under papermill and grids: checked as a trial, run, never twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from salun_utils import data, models
from salun_utils.errors import InputError
from salun_utils.generation.models.judges import Judge
from salun_utils.generation.models.vae import VAE, VAEConfig
from salun_utils.runner import grid
from salun_utils.runner.parameters import check_data, check_parameters, data_fingerprint
from salun_utils.runs import Record
from salun_utils.runs.records.standing import run_name

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "notebooks" / "00_erase.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A judge and a VAE of the embedded digits, untrained."""
    where, classes = tmp_path_factory.mktemp("models"), tuple(data.load("digits").classes)
    Judge(
        models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25),
        classes,
        accuracy=10.0,
    ).save(where / "judge")
    VAE(VAEConfig("tiny", classes, (1, 8, 8), hidden=(32,), latent=3), seed=1).save(where / "vae")
    return where


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))


def given(folder: Path, **changes) -> dict:
    return {
        "model": str(folder / "vae"),
        "judge": str(folder / "judge"),
        "data": "digits",
        "concept": 3,
        **changes,
    }


def test_the_template_is_checked_as_a_trial_is(folder):
    effective = check_parameters(TEMPLATE, given(folder))
    check_data(effective)
    assert data_fingerprint(effective) == data.load("digits").fingerprint
    assert run_name(TEMPLATE.stem, effective).startswith("00_erase-salun-s0-")
    for wrong, said in (
        ({"eraser": "none"}, "unknown eraser"),
        ({"concept": "ten"}, "unknown class"),
        ({"params": "{"}, "JSON object"),
    ):
        with pytest.raises(InputError, match=said):
            check_parameters(TEMPLATE, given(folder, **wrong))


@pytest.mark.parametrize(
    ("wrong", "said"), [({"judge": "nobody"}, "no judge"), ({"model": "vae-nowhere"}, "no model")]
)
def test_what_is_not_there_is_named_before_anything_runs(folder, wrong, said):
    with pytest.raises(InputError, match=said):
        check_data(check_parameters(TEMPLATE, given(folder, **wrong)))


def test_a_grid_of_the_template_is_multiplied_out_and_run(folder, tmp_path):
    path = tmp_path / "g.yaml"
    fixed = given(
        folder, tier="cpu", per_class=1, concept_samples=2, params={"steps": 2, "batch": 4}
    )
    content = {
        "notebook": str(TEMPLATE),
        "fixed": fixed,
        "blocks": [{"fixed": {"eraser": "salun"}, "product": {"mask": ["random"]}}],
    }
    path.write_text(json.dumps(content))
    read = grid.read(path)
    places = {"records": tmp_path / "r", "state": tmp_path / "s", "notebooks": tmp_path / "n"}
    (name,) = grid.run(read, **places).done
    assert Record.read(tmp_path / "r" / "cpu" / f"{name}.json").row()["mask"] == "random"
    assert grid.run(read, **places).before == [name]
