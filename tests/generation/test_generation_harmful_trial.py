"""The protocol for harmful concepts as a run: checked before anything is loaded, figures as counted
by hand, no picture kept.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")
pytest.importorskip("nudenet")

from salun_utils import models, units
from salun_utils.errors import InputError
from salun_utils.generation import prompts
from salun_utils.generation.measures import distances, harmful
from salun_utils.generation.models import mini_sd
from salun_utils.generation.models.judges import Judge
from salun_utils.generation.trials import harmful_run as experiment
from salun_utils.generation.trials import recorded
from salun_utils.generation.trials.harmful_recorded import rows
from salun_utils.generation.trials.harmful_trial import PAPER, HarmfulTrial, at_hand
from salun_utils.generation.trials.touched import units_of_harmful
from salun_utils.runner import grid
from salun_utils.runner.parameters import check_data, check_parameters, data_fingerprint
from salun_utils.runs import Record
from salun_utils.runs.records.standing import of_record, run_name

ROOT = Path(__file__).parents[2]
CHAPTER = ROOT / "notebooks" / "10_harmful_concepts.ipynb"
CLASSES = ["Circle", "Square", "Star"]
SECRET = "zebrafish"  # a word of the prompts that must turn up nowhere
HEADER = "case_number,prompt,categories,evaluation_seed,evaluation_guidance"
LINES = [f"{7 + i},a photo of a circle {SECRET},circle,{i},3" for i in range(4)]
LINES += [
    f'{20 + i},a photo of a {name} {SECRET},"plain, {name}",{i},{1 + i}'
    for i, name in enumerate(("square", "star", "square"))
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A pipeline, a judge of its classes, both untrained, and a list."""
    where = tmp_path_factory.mktemp("models")
    mini_sd.build(CLASSES, widths=(16, 32), vae_widths=(8, 16, 16), text_width=32).save_pretrained(
        where / "pipe"
    )
    Judge(
        models.create("small-cnn", num_classes=3, channels=1, image_size=28, width=0.25),
        CLASSES,
        accuracy=50.0,
    ).save(where / "judge")
    (where / "list.csv").write_text("\n".join([HEADER, *LINES]) + "\n")
    return where


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("SALUN_INCEPTION", raising=False)


def given(folder: Path, **changes) -> dict:
    return {
        "model": str(folder / "pipe"),
        "judge": str(folder / "judge"),
        "prompts": str(folder / "list.csv"),
        "category": "circle",
        "harmless": str(folder / "list.csv"),
        "harmless_category": "plain",
        "forget": "circle",
        "retain": "square",
        "pictures": 2,
        "steps": 1,
        "params": {"epochs": 1, "batch_size": 2},
        **changes,
    }


def make(folder: Path, **changes) -> HarmfulTrial:
    return HarmfulTrial(**{"eraser": "salun", **given(folder, **changes)})


@pytest.fixture
def trial(folder) -> HarmfulTrial:
    return make(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"eraser": "saluna"}, "did you mean 'salun'"),
        ({"tier": "huge"}, "unknown tier"),
        ({"model": "vae-fashion"}, "needs a text-to-image pipeline"),
        ({"eraser": "selective-amnesia"}, "an eraser that works on one"),
        ({"forget": "Square"}, "two different ones"),
        ({"forget": ""}, "two different ones"),
        ({"forget": "triangle"}, "unknown class 'triangle'"),
        ({"pictures": 0}, "samples must be at least 1, not 0"),
        ({"threshold": 0.1}, "threshold must be a number from 0.2"),
        ({"threshold": 1.5}, "threshold must be a number from 0.2"),
        ({"guidance": -1.0}, "guidance must be"),
        ({"steps": 0}, "sampling steps must be"),
        ({"limit": 0}, "limit must be a whole number of at least 1"),
        ({"harmless_limit": -2}, "limit must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be"),
        ({"keep": 1.5}, "keep must be"),
        ({"mask": "best"}, "unknown mask"),
        ({"params": {"alfa": 1}}, "did you mean 'alpha'"),
    ],
)
def test_a_wrong_trial_is_refused_in_one_line(folder, changes, said):
    with pytest.raises(InputError, match=said) as caught:
        make(folder, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "mini-ds"}, "there is no model mini-ds"),
        ({"judge": "nobody"}, "there is no judge nobody"),
        ({"prompts": "nowhere.csv"}, "there is no prompt list 'nowhere.csv'"),
        ({"category": "oval"}, "unknown category .* 'oval'; allowed: circle, plain, square, star"),
        ({"judge": ""}, "the Inception weights are not here"),
        ({"clip": "nowhere"}, "there is no CLIP model nowhere"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_takes_its_place(folder, changes, said):
    with pytest.raises(InputError, match=said):
        make(folder, **changes).check_present()


def test_what_is_at_hand_is_told_without_asking_the_network(folder, trial, monkeypatch):
    monkeypatch.setattr("socket.socket", lambda *_, **__: pytest.fail("the network was asked"))
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    assert (at_hand(trial).here == "yes").all()
    paper = (
        at_hand(HarmfulTrial(eraser="salun", **{**PAPER, "harmless": "never_heard_of.csv"}))
        .set_index("needed")
        .here
    )
    assert (
        paper["harmless list"] == "no"
        and paper["detector"] == "yes"
        and paper["features for the FID"] == "no"
    )
    assert {"weights", "prompt list", "CLIP", "GPU"} <= set(paper.index)


def test_a_look_is_what_detector_and_judge_say_of_the_pictures(folder, trial):
    scene = experiment.Scene.of(trial)
    listed, harmless = experiment.looks(trial, scene, scene.model)
    pixels = harmful.draw(scene.model, scene.harmless, steps=1)
    assert harmless.judged.tolist() == scene.judge(scene.judge.fit(pixels)).tolist()
    assert torch.equal(harmless.features, scene.judge.features(scene.judge.fit(pixels)))
    assert torch.equal(harmless.parts, scene.detector.seen(pixels)) and harmless.clip.isnan().all()
    assert len(listed.parts) == 4 and listed.features.shape == (4, 0)


def test_what_the_original_draws_is_drawn_once_and_only_numbers_are_kept(
    folder, trial, tmp_path, monkeypatch
):
    scene = experiment.Scene.of(trial)
    first = experiment.looks(trial, scene, scene.model, cached=True)
    drawn = []
    monkeypatch.setattr(
        experiment,
        "draw",
        lambda model, listed, **_: (
            drawn.append(model) or torch.zeros(len(listed), 3, 32, 32).byte()
        ),
    )
    again = experiment.looks(
        dataclasses.replace(trial, seed=1, eraser="uce", params={}), scene, scene.model, cached=True
    )
    for one, other in zip(first, again, strict=True):
        assert all(
            torch.equal(a, b) or a.isnan().all()
            for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
        )
    assert not drawn
    experiment.looks(dataclasses.replace(trial, threshold=0.6), scene, scene.model, cached=True)
    assert drawn, "another threshold needs another look"
    files = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert files and all(p.suffix in (".safetensors", ".json", ".lock") for p in files)
    assert not [p for p in files if SECRET.encode() in p.read_bytes()], "a prompt was written"
    assert max(p.stat().st_size for p in files) < 4000, (
        "three pictures of 32 x 32 pixels would be 9,216 bytes"
    )


def test_figures_agree_with_a_hand_count(trial):
    scene = experiment.Scene.of(trial)
    parts = torch.zeros(4, len(harmful.EXPOSED), dtype=torch.int16)
    parts[0, 6], parts[2, 6], parts[2, 7] = 1, 2, 1
    none = torch.full((4,), float("nan"))
    listed = experiment.Look(parts, torch.tensor([0, 1, 1, 2]), torch.zeros(4, 0), none)
    features = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    harmless = experiment.Look(
        parts[1:2].expand(3, -1), torch.tensor([1, 1, 1]), features, none[:3]
    )
    shifted = dataclasses.replace(harmless, features=features + 2)
    found = experiment.scores(trial, scene, (listed, shifted), (listed, harmless))
    assert found["exposed"] == 50 and found["pictures"] == 4 and found["threshold"] == 0.5
    assert found["parts"]["BELLY_EXPOSED"] == [3, 2] and found["parts"]["any"] == [4, 2]
    assert found["ua"] == 75, "one picture of four is still a circle"
    assert found["ra"] == pytest.approx(200 / 3), (
        "square, star, square were asked for; the judge saw three squares"
    )
    # means 2 apart in five features
    assert found["harmless_exposed"] == 0 and found["fid_to_original"] == pytest.approx(5 * 2**2)
    assert "fid" not in found and "clip" not in found


def test_real_pictures_leave_the_concept_out(folder, trial):
    from salun_utils.data.images import Dataset, Images

    draws = torch.Generator().manual_seed(0)
    images = Images(
        torch.randint(0, 256, (9, 1, 28, 28), dtype=torch.uint8, generator=draws),
        torch.arange(9) % 3,
    )
    real = Dataset("shapes", images, images, CLASSES, (0.5,), (0.5,))
    scene = dataclasses.replace(experiment.Scene.of(trial), real=real)
    expected = scene.judge.features(images.subset([1, 2, 4, 5, 7, 8]).pixels)
    assert torch.equal(experiment.real_features(trial, scene.real, scene.space), expected)
    assert (
        experiment.scores(trial, scene, *[experiment.looks(trial, scene, scene.model)] * 2)["real"]
        == 6
    )


def test_without_a_harmless_list_only_the_list_is_judged(folder):
    trial = make(folder, harmless="", harmless_category="", judge="")
    scene = experiment.Scene.of(trial)
    listed, harmless = experiment.looks(trial, scene, scene.model)
    found = experiment.scores(trial, scene, (listed, harmless), (listed, harmless))
    assert harmless is None and set(found) == {
        "pictures",
        "threshold",
        "exposed",
        "exposed_interval",
        "parts",
    }


@pytest.mark.parametrize("eraser", ["salun", "esd-x", "uce"])
def test_a_run_leaves_the_original_alone_and_a_record_without_words(folder, tmp_path, eraser):
    own = {"uce": {}, "esd-x": {"steps": 1, "sample_steps": 2, "batch_size": 1}}
    trial = make(
        folder,
        eraser=eraser,
        seed=4,
        label="mine",
        params=own.get(eraser, {"epochs": 1, "batch_size": 2}),
    )
    scene = experiment.Scene.of(trial)
    state = {n: p.clone() for n, p in scene.model.unet.state_dict().items()}
    outcome = experiment.run(trial, scene)
    assert all(torch.equal(p, state[n]) for n, p in scene.model.unet.state_dict().items())
    assert not all(
        torch.equal(p, state[n]) for n, p in outcome.erased.model.unet.state_dict().items()
    )
    assert outcome.drawn.train.labels.tolist() == [0, 0, 1, 1] and len(outcome.sets.parts) == 4
    path = experiment.record(trial, scene, outcome).save(tmp_path)
    again = Record.read(path)
    assert SECRET not in path.read_text()
    row = again.row()
    assert (row["method"], row["seed"], row["dataset"], row["scenario"]) == (
        "mine",
        4,
        "drawn",
        "drawn circle",
    )
    assert (
        again.original["fid_to_original"] == 0
        and 0 <= again.scores["ua"] <= 100
        and again.cpu_seconds > 0
    )


def test_its_records_are_a_table_of_their_own(folder, tmp_path):
    trial = make(folder, mask="random")
    scene = experiment.Scene.of(trial)
    record = experiment.record(trial, scene, experiment.run(trial, scene))
    older = record.model_copy(
        update={"created": "2000-01-01T00:00:00+00:00", "scores": {**record.scores, "ua": -1.0}}
    )
    table = rows(
        records=[record, older, Record(id="other", spec={"eraser": "salun"}, scores={"ua": 1.0})]
    )
    (line,) = table.itertuples()
    assert (
        line.name == "SalUn, random mask"
        and line.concept == "circle"
        and line.ua == record.scores["ua"]
    )
    assert line.change == pytest.approx(record.scores["ra"] - record.original["ra"])
    assert recorded.summarise(table).loc["SalUn, random mask", "runs"] == 1
    assert recorded.rows("pipe", records=[record]).empty, (
        "runs that forget a class are counted elsewhere"
    )


def test_another_list_under_the_same_name_outdates_a_record(folder, trial, tmp_path):
    other = tmp_path / "list.csv"
    other.write_text((folder / "list.csv").read_text())
    listed = prompts.digest(prompts.read_prompts(str(other)))
    made = Record(
        id="x",
        spec={"prompts": str(other)},
        data={"list": listed},
        numerics=units.versions(units_of_harmful(dataclasses.asdict(trial))),
    )
    assert of_record(made).word == "done"
    other.write_text(other.read_text() + LINES[0] + "\n")
    assert "the list list.csv" in str(of_record(made))


def test_the_chapter_is_checked_as_a_trial_is(folder):
    effective = check_parameters(CHAPTER, given(folder, params='{"epochs": 1}', data=""))
    check_data(effective)
    assert data_fingerprint(effective) == ""
    assert run_name(CHAPTER.stem, effective).startswith("10_harmful_concepts-salun-s0-")
    names = {f.name for f in dataclasses.fields(HarmfulTrial)}
    assert set(effective) == names, "every setting is a parameter"
    for wrong, said in (
        ({"threshold": 2.0}, "threshold must be"),
        ({"params": "{"}, "JSON object"),
        ({"prompt": "x"}, "did you mean 'prompts'"),
    ):
        with pytest.raises(InputError, match=said):
            check_parameters(CHAPTER, given(folder, **{"params": "{}", **wrong}))
    with pytest.raises(InputError, match="there is no prompt list"):
        check_data(check_parameters(CHAPTER, given(folder, params="{}", prompts="nowhere.csv")))


def test_the_grid_has_the_papers_setting_and_a_stand_in():
    runs = grid.read(ROOT / "benchmark" / "grids" / "harmful-concepts.yaml").runs
    trials = [HarmfulTrial.of(check_parameters(CHAPTER, run.parameters)) for run in runs]
    paper = [t for t in trials if t.tier == "paper"]
    stand_in = [t for t in trials if t.tier == "cpu"]
    assert len(paper) + len(stand_in) == len(trials) == len({t.id for t in trials})
    assert all(getattr(t, name) == value for t in paper for name, value in PAPER.items())
    assert {
        (t.params["epochs"], t.params["alpha"]) for t in paper if t.eraser in ("salun", "rl")
    } == {(1, 0.1)}
    assert {t.name for t in stand_in} == {"salun", "rl", "esd-x", "uce"} <= {t.name for t in paper}
    controls = {None, "random", "inverted", "magnitude"}
    assert {t.mask for t in paper} == {t.mask for t in stand_in} == controls
    assert all(
        {t.seed for t in part if t.eraser == "salun" and t.mask is None} == seeds
        for part, seeds in ((paper, {0, 1, 2}), (stand_in, {1, 2, 3}))
    )


@pytest.mark.slow
def test_the_chapter_runs_under_a_grid_and_shows_no_prompt(folder, tmp_path):
    path = tmp_path / "g.yaml"
    fixed = given(folder, tier="cpu", data="", limit=3)
    path.write_text(
        json.dumps({"notebook": str(CHAPTER), "fixed": fixed, "product": {"mask": ["random"]}})
    )
    read = grid.read(path)
    places = {"records": tmp_path / "r", "state": tmp_path / "s", "notebooks": tmp_path / "n"}
    (name,) = grid.run(read, **places).done
    record = Record.read(tmp_path / "r" / "cpu" / f"{name}.json")
    assert (
        record.notebook == "10_harmful_concepts"
        and record.row()["mask"] == "random"
        and record.scores["pictures"] == 3
    )
    assert grid.run(read, **places).before == [name]
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size]
    assert (tmp_path / "n" / f"{name}.ipynb") in written
    assert not [p for p in written if SECRET.encode() in p.read_bytes()], "a prompt was written"


def test_pictures_of_the_papers_kind_go_through_the_same_code(trial, monkeypatch):
    """Inception features in the place of the judge's: stand in for its network, whose weights don't
    ship.
    """
    space = distances.FeatureSpace(
        "Inception-v3 (2048)", lambda pixels: (pixels.float().mean((2, 3)), None)
    )
    scene = dataclasses.replace(experiment.Scene.of(trial), judge=None, space=space)
    found = experiment.looks(trial, scene, scene.model)
    out = experiment.scores(trial, scene, found, found)
    assert (
        out["features"] == "Inception-v3 (2048)" and out["fid_to_original"] == 0 and "ua" not in out
    )
    assert found[1].features.shape == (3, 3) and (found[0].judged == experiment.NO_ANSWER).all()
