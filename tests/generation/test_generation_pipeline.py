"""Text-to-image pipelines: loading and checking, sampling, fixed noise, and `mini-sd` as plain
diffusers sees it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
from tiny_pipelines import CLASSES, TINY, shapes_of

pytest.importorskip("diffusers")

from salun_utils import models
from salun_utils.data.images import Dataset, Images
from salun_utils.errors import InputError
from salun_utils.generation import recipes, train
from salun_utils.generation.models import families, mini_sd, mini_sd_training, pipelines
from salun_utils.generation.models.judges import Judge, for_judge


@pytest.fixture(scope="module")
def folder(pipe, tmp_path_factory):
    where = tmp_path_factory.mktemp("pipeline")
    pipe.save_pretrained(where)
    return where


@pytest.fixture
def broken(folder, tmp_path):
    """A copy of the folder that a test may damage."""
    return shutil.copytree(folder, tmp_path / "pipeline")


@pytest.fixture(scope="module")
def shapes():
    return shapes_of(30)


def test_its_parts_are_those_of_stable_diffusion(pipe):
    names = {name: type(getattr(pipe, name)).__name__ for name in families.SD.parts}
    assert names == {name: class_name for name, (_, class_name) in families.SD.parts.items()}


def test_prompts_read_the_same_in_any_case(pipe):
    upper, lower = pipelines.encode(pipe, ["A photo of a ANKLE Boot", "a photo of a ankle boot"])
    assert torch.equal(upper, lower)
    assert not torch.equal(*pipelines.encode(pipe, ["a photo of a circle", "a photo of a square"]))


def test_tokenizer_spells_words_it_has_never_seen(pipe):
    ids = pipe.tokenizer("zebra quilt", add_special_tokens=False).input_ids
    assert pipe.tokenizer.unk_token_id not in ids


def test_sampling_gives_bytes_and_the_same_ones_for_the_same_seed(pipe):
    one = pipelines.sample(pipe, ["a photo of a circle"] * 2, steps=2, seed=1)
    assert one.dtype == torch.uint8 and one.shape == (2, 3, 32, 32)
    assert torch.equal(one, pipelines.sample(pipe, ["a photo of a circle"] * 2, steps=2, seed=1))
    assert not torch.equal(
        one, pipelines.sample(pipe, ["a photo of a circle"] * 2, steps=2, seed=2)
    )


def test_batch_size_does_not_change_the_pictures(pipe):
    prompts = [f"a photo of a {c}" for c in CLASSES]
    whole, single = (pipelines.sample(pipe, prompts, steps=2, batch_size=b).int() for b in (3, 1))
    assert (whole - single).abs().max() <= 1  # rounding


def test_every_class_is_drawn_from_the_same_noises(pipe):
    longer, shorter = pipelines.fixed_noise(pipe, 5, seed=3), pipelines.fixed_noise(pipe, 2, seed=3)
    assert torch.equal(longer[:2], shorter)
    pixels, labels = pipelines.sample_classes(pipe, CLASSES, per_class=2, steps=1)
    assert pixels.shape[0] == 6 and labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_guidance_has_nothing_to_push_when_the_prompt_is_empty(pipe):
    plain, guided = (pipelines.sample(pipe, [""], steps=2, guidance=g) for g in (1.0, 5.0))
    assert (plain.int() - guided.int()).abs().max() <= 1


def test_signed_floats_become_the_right_bytes():
    """A known error: floats in [-1, 1] cast to uint8 wrap around, and half of every picture is lost
    (paper notes, 4.13).
    """
    x = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 1.7, -3.0])
    assert pipelines.signed_to_uint8(x).tolist() == [0, 64, 128, 191, 255, 255, 0]
    assert pipelines.unit_to_uint8(torch.tensor([0.0, 0.5, 1.0, 2.0, -1.0])).tolist() == [
        0,
        128,
        255,
        255,
        0,
    ]


def test_pictures_for_a_judge_are_grey_and_cut_to_the_middle():
    pixels = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    pixels[:, :, 2, 2] = 90
    out = for_judge(pixels, (1, 28, 28))
    assert out.shape == (1, 1, 28, 28) and out[0, 0, 0, 0] == 90 and out.sum() == 90


def test_padding_is_black_and_centred():
    x = mini_sd_training.pixels_to_float(torch.full((1, 1, 28, 28), 255, dtype=torch.uint8), 32)
    assert x.shape == (1, 3, 32, 32) and x[0, 0, 0, 0] == -1 and x[0, 0, 2, 2] == 1


@pytest.mark.parametrize(
    "bad, word",
    [
        ({"guidance": -1.0}, "guidance"),
        ({"guidance": float("nan")}, "guidance"),
        ({"steps": 0}, "steps"),
        ({"steps": 1.5}, "steps"),
    ],
)
def test_bad_sampling_settings_are_refused(pipe, bad, word):
    with pytest.raises(InputError, match=word):
        pipelines.sample(pipe, ["a photo of a circle"], **bad)


def test_no_samples_are_refused(pipe):
    with pytest.raises(InputError, match="at least 1"):
        pipelines.sample(pipe, [])
    with pytest.raises(InputError, match="at least 1"):
        pipelines.sample_classes(pipe, CLASSES, per_class=0)


def test_saved_pipeline_is_read_back_whole(pipe, folder):
    again = pipelines.load(folder)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            pipe.unet.state_dict().values(), again.unet.state_dict().values(), strict=True
        )
    )


def test_item_13_a_missing_model_is_an_error_and_nothing_takes_its_place(tmp_path):
    """A known error: a missing checkpoint was silently replaced by the original weights (paper
    notes, 4.13).
    """
    with pytest.raises(InputError, match="no pipeline folder"):
        pipelines.load(tmp_path / "not-there")
    with pytest.raises(InputError, match="model_index"):
        pipelines.load(tmp_path)


@pytest.mark.parametrize("part", [*families.SD.parts, "scheduler"])
def test_a_missing_part_is_named(broken, part):
    shutil.rmtree(broken / part)
    with pytest.raises(InputError, match=part):
        pipelines.load(broken)


def test_missing_weights_are_an_error(broken):
    (broken / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match="can't be read"):
        pipelines.load(broken)


def test_damaged_weights_are_an_error(broken):
    file = broken / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="can't be read"):
        pipelines.load(broken)


def test_weights_that_lack_a_tensor_are_an_error(broken):
    from safetensors.torch import load_file, save_file

    file = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights.pop("conv_in.weight")
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match="conv_in"):
        pipelines.load(broken)


def test_weights_of_another_architecture_are_an_error(broken):
    config = broken / "unet" / "config.json"
    changed = json.loads(config.read_text()) | {"block_out_channels": [32, 32]}
    config.write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"unet|shape"):
        pipelines.load(broken)


def test_another_kind_of_pipeline_is_an_error(broken):
    index = broken / "model_index.json"
    index.write_text(
        json.dumps(
            json.loads(index.read_text()) | {"_class_name": "StableDiffusionUpscalePipeline"}
        )
    )
    with pytest.raises(InputError, match=r"StableDiffusionUpscalePipeline .* is not taken"):
        pipelines.load(broken)


def test_parts_that_do_not_fit_each_other_are_an_error(pipe):
    other = mini_sd.build(CLASSES, widths=(16, 32), vae_widths=(8, 16, 16), text_width=16)
    mixed = type(pipe)(**(pipe.components | {"unet": other.unet}), requires_safety_checker=False)
    with pytest.raises(InputError, match="width"):
        pipelines.check(mixed)


def test_training_resumes_to_the_same_weights(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr(mini_sd_training, "CHECKPOINT_EVERY", 2)
    options = {
        "vae_steps": 2,
        "unet_steps": 6,
        "batch_size": 6,
        "pictures": 30,
        "precision": "float32",
        **TINY,
    }
    whole, info = mini_sd_training.train(shapes, tmp_path / "whole", **options)
    # stopped in step 6, after the checkpoint of step 4
    optimise, calls = mini_sd_training._optimise, iter(range(5))

    def interrupted(modules, loss, *, role, **rest):
        def failing(draws):
            if role == "unet" and next(calls, None) is None:
                raise KeyboardInterrupt
            return loss(draws)

        return optimise(modules, failing, role=role, **rest)

    monkeypatch.setattr(mini_sd_training, "_optimise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mini_sd_training.train(shapes, tmp_path / "parts", **options)
    monkeypatch.setattr(mini_sd_training, "_optimise", optimise)
    resumed, again = mini_sd_training.train(shapes, tmp_path / "parts", **options)
    assert info["losses"] == again["losses"] and again["seconds"] > 0
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            whole.unet.state_dict().values(), resumed.unet.state_dict().values(), strict=True
        )
    )
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            whole.text_encoder.parameters(), resumed.text_encoder.parameters(), strict=True
        )
    )


def test_training_teaches_the_text_model_too(shapes, tmp_path):
    options = {
        "vae_steps": 1,
        "unet_steps": 2,
        "batch_size": 6,
        "pictures": 30,
        "precision": "float32",
        **TINY,
    }
    before = mini_sd.build(CLASSES, seed=0, **TINY)
    after, _ = mini_sd_training.train(shapes, tmp_path, **options)
    assert not torch.equal(
        before.text_encoder.get_input_embeddings().weight,
        after.text_encoder.get_input_embeddings().weight,
    )
    assert (
        pipelines.load(tmp_path).vae.config.scaling_factor
        == after.vae.config.scaling_factor
        != 0.18215
    )


def test_plain_diffusers_draws_the_same_pictures_in_another_process(folder, tmp_path):
    """The saved folder needs nothing of this package."""
    pixels = pipelines.sample(
        pipelines.load(folder), ["a photo of a circle"] * 2, steps=3, guidance=3.0, seed=5
    )
    noise = tmp_path / "noise.pt"
    torch.save(pipelines.fixed_noise(pipelines.load(folder), 2, seed=5), noise)
    script = f"""
import sys, torch
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained(
    {str(folder)!r}, safety_checker=None, torch_dtype=torch.float32)
noise = torch.load({str(noise)!r}, weights_only=True)
out = pipe(["a photo of a circle"] * 2, latents=noise, guidance_scale=3.0,
           num_inference_steps=3, output_type="pt")
assert not any(name.startswith("salun") for name in sys.modules)
torch.save((out.images * 255).round().to(torch.uint8), {str(tmp_path / "out.pt")!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert (
        torch.load(tmp_path / "out.pt", weights_only=True).int() - pixels.int()
    ).abs().max() <= 1


def test_a_recipe_trains_scores_and_writes_a_card(tmp_path, monkeypatch, shapes):
    """The recipe of colour pictures, made tiny; its judge is the one beside the weights."""
    draws = torch.Generator().manual_seed(1)
    colour = Images(
        torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=draws),
        torch.arange(12) % 3,
    )
    data = Dataset("colours", colour, colour, CLASSES, (0.5,) * 3, (0.5,) * 3)
    monkeypatch.setattr(recipes, "load_data", lambda name: data)
    tiny = {"vae_steps": 1, "unet_steps": 1, "batch_size": 4, "pictures": 12, **TINY}
    monkeypatch.setattr(recipes, "MINI_SD_COLOUR", tiny)
    sample = pipelines.sample_classes

    def few(pipe, classes, *, per_class, steps, **options):
        return sample(pipe, classes, per_class=per_class, steps=1, **options)

    monkeypatch.setattr(pipelines, "sample_classes", few)
    where = {"folder": tmp_path / "mini-sd-cifar10", "work": tmp_path / "work"}
    card = train.retrain("mini-sd-cifar10", **where)
    assert card["scores"]["recognised (%)"] is None and "judge-cifar10" in card["scores"]["why"]
    network = models.create("small-cnn", num_classes=3, channels=3, image_size=32, width=0.25)
    Judge(network, CLASSES, accuracy=33.0).save(tmp_path / "judge-cifar10")
    card = train.retrain("mini-sd-cifar10", **where)
    assert 0 <= card["scores"]["recognised (%)"] <= 100 and card["scores"]["pictures a class"] == 50
    assert pipelines.load(where["folder"]).unet.config.sample_size == 8 and set(card["sha256"]) >= {
        "model_index.json"
    }
