"""`salun erase`: a concept of one's own, from the command line to the folder."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

pytest.importorskip("diffusers")

import diffusers

import salun_utils.generation as generation
from salun_utils import cli, files
from salun_utils.errors import InputError
from salun_utils.generation import own

SHORT = {
    "esd-x": ["-p", "steps", "1", "-p", "batch_size", "1", "-p", "sample_steps", "2"],
    "uce": [],
    "salun": ["-p", "epochs", "1", "-p", "pictures", "2", "--substitute", "bag"],
    "forget-me-not": ["-p", "epochs", "1", "-p", "pictures", "2", "--keep", "bag"],
    "mace": ["-p", "steps", "1", "-p", "pictures", "2", "--substitute", "bag"],
    "spm": ["-p", "steps", "1", "-p", "warmup", "0", "-p", "sample_steps", "2"],
}


@pytest.fixture(scope="module")
def folder(sd1, tmp_path_factory):
    where = tmp_path_factory.mktemp("pipeline") / "mine"
    sd1.save_pretrained(where)
    return where


@pytest.fixture(scope="module")
def clip(sd1, tmp_path_factory):
    """CLIP with tiny random weights, saved as the Hub's are."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    torch.manual_seed(0)
    tokenizer = sd1.tokenizer
    last = len(tokenizer) - 1
    text = {"vocab_size": last + 1, "hidden_size": 16, "intermediate_size": 16}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16}
    text |= {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    where = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(where)
    pictures = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    CLIPProcessor(pictures, tokenizer).save_pretrained(where)
    return where


def erase(folder, out, *words, concept="ankle boot"):
    given = ["erase", str(folder), "--concept", concept, "--out", str(out), "--steps", "1"]
    return cli.main([*given, "--samples", "2", *words])


@pytest.mark.parametrize("method", SHORT)
def test_a_concept_of_ones_own_is_erased_scored_and_shown(method, folder, clip, tmp_path, capsys):
    out = tmp_path / "new" / "erased"
    words = ["--method", method, "--clip", str(clip), *SHORT[method]]
    assert erase(folder, out, *words) == 0
    assert "clip" in capsys.readouterr().out
    rows = json.loads((out / "scores.json").read_text())["rows"]
    assert rows[0]["prompt"] == "a photo of a ankle boot" and rows[0]["erased"]
    assert [r["words"] for r in rows[1:]] == (["bag"] if "bag" in words else [])
    assert all(len(r["clip"]) == 2 and min(r["clip"]) >= -100 for r in rows)
    assert json.loads((out / "erasing.json").read_text())["params"]["method"] == method
    assert (out / "mask.safetensors").is_file() == (method == "salun")
    with Image.open(out / "before_after.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 4 * 96 and sheet.height > 96 * len(rows)
    plain = diffusers.StableDiffusionPipeline.from_pretrained(out)
    before = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    pairs = zip(plain.unet.parameters(), before.unet.parameters(), strict=True)
    assert not all(torch.equal(p, q) for p, q in pairs)
    assert type(plain.scheduler) is type(before.scheduler) is diffusers.PNDMScheduler
    assert not list(out.parent.glob(".*"))


def test_blanks_around_what_is_steered_to_are_no_part_of_it(folder, tmp_path):
    words = ["--method", "uce", "--clip", "none", "--substitute", " bag "]
    assert erase(folder, tmp_path / "out", *words, concept=" ankle boot") == 0
    rows = json.loads((tmp_path / "out" / "scores.json").read_text())["rows"]
    assert [row["words"] for row in rows] == ["ankle boot", "bag"]


def test_the_shipped_pipeline_has_its_judge(tmp_path, capsys):
    out = tmp_path / "erased"
    words = ["--method", "uce", "--keep", "bag", "--samples", "2", "--steps", "3"]
    assert cli.main(["erase", "mini-sd", "--concept", "Sneaker", "--out", str(out), *words]) == 0
    assert "recognised" in capsys.readouterr().out
    rows = json.loads((out / "scores.json").read_text())["rows"]
    assert set(rows[0]) == {"words", "prompt", "erased", "recognised"}


def test_without_clip_weights_there_are_no_scores_and_it_says_so(
    folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("salun_utils.generation.models.clip.BASE", str(tmp_path / "none"))
    assert erase(folder, tmp_path / "a", "--method", "uce") == 0
    assert "no scores" in capsys.readouterr().out
    assert erase(folder, tmp_path / "b", "--method", "uce", "--clip", "none") == 0
    assert "no scores" not in capsys.readouterr().out


def test_pictures_of_the_concept_can_be_blurred(folder, tmp_path):
    for name, words in (("plain", []), ("blurred", ["--blur"])):
        words = [*words, "--method", "uce", "--clip", "none", "--keep", "bag"]
        assert erase(folder, tmp_path / name, *words) == 0
    one, other = (Image.open(tmp_path / n / "before_after.png") for n in ("plain", "blurred"))
    half = one.height // 2
    assert (
        one.crop((0, half, one.width, one.height)).tobytes()
        == other.crop((0, half, one.width, one.height)).tobytes()
    )
    assert one.tobytes() != other.tobytes()


BAD = [
    (["--concept", ""], "words"),
    (["--concept", "bag", "--keep", "Bag"], "twice"),
    (["--method", "esdx"], "did you mean 'esd-x'"),
    (["--method", "selective-amnesia"], "allowed"),
    (["--method", "salun"], "--substitute or --keep"),
    (["--method", "salun", "--keep", "bag", "-p", "pictures", "0"], "pictures"),
    (["--template", "a photo"], "template"),
    (["--template", "{} and {}"], "template"),
    (["--template", "{x} {}"], "template"),
    (["-p", "template", "{}"], "--template"),
    (["-p", "lr", "much"], "lr"),
    (["-p", "lr", "-1"], "lr"),
    (["-p", "steps", "0"], "steps"),
    (["-p", "weights", "some"], "weights"),
    (["-p", "precision", "fp8"], "precision"),
    (["--method", "uce", "-p", "tokens", "some"], "last-word"),
    (["-p", "checkpointing", "maybe"], "checkpointing"),
    (["-p", "larning_rate", "1"], "larning_rate"),
    (["-p", "lr", "1", "-p", "lr", "2"], "twice"),
    (["--samples", "0"], "samples"),
    (["--samples", "two"], "samples"),
    (["--steps", "0"], "steps"),
    (["--guidance", "nan"], "guidance"),
    (["--seed", "-1"], "seed"),
    (["--device", "cuda:99"], "cuda:99"),
    (["--clip", "/no/such/clip"], "CLIP"),
    (["--judge", "nobody"], "judge"),
    (["--judge", "fashion-mnist", "--concept", "cat"], "cat"),
    (["--data", "fashion-mimi"], "fashion-mini"),
]


@pytest.mark.parametrize("words, said", BAD, ids=[" ".join(w) for w, _ in BAD])
def test_bad_words_are_refused_in_a_line_before_any_work(
    words, said, folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(own, "_draw", lambda *_: pytest.fail("it began to draw"))
    given = [] if "--concept" in words else ["--concept", "cat"]
    try:
        status = cli.main(["erase", str(folder), *given, "--out", str(tmp_path / "out"), *words])
    except SystemExit as stop:
        status = stop.code
    line = capsys.readouterr().err
    assert status == 2 and line.count("\n") == 1 and said in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["ddpm-fashion", "no-such-model", "./nowhere"])
def test_what_is_no_pipeline_is_refused(name, tmp_path, capsys):
    assert erase(name, tmp_path / "out") == 2
    assert capsys.readouterr().err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(folder, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep me")
    assert erase(folder, tmp_path) == 2
    assert "is there already" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failure_on_the_way_leaves_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(own.Witness, "rows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert erase(folder, tmp_path / "out", "--method", "uce", "--clip", "none") == 130
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError), files.atomic_folder(tmp_path / "x"):
        raise OSError("the disk is full")
    assert not list(tmp_path.iterdir())


def test_words_that_no_data_set_knows_are_a_concept_for_esd_and_uce(sd1):
    for name, short in (("uce", {}), ("esd-x", {"steps": 1, "batch_size": 1, "sample_steps": 2})):
        erased = generation.erase(name, sd1, concept="zebra quilt", **short)
        assert erased.params["concept"] == "zebra quilt" and len(erased.losses)
    with pytest.raises(InputError, match="unknown class 'zebra quilt'"):
        generation.erase("ga", sd1, concept="zebra quilt")
