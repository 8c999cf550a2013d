"""Pipelines as other people have them: any sampler, any float type, any Stable Diffusion; and those
that can't be taken.
"""

from __future__ import annotations

import copy
import json
import re
import types
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

import diffusers

import salun_utils.generation as generation
from salun_utils.errors import InputError
from salun_utils.generation.erasers.pipeline import encoded, run
from salun_utils.generation.erasers.pipeline.loop import Job
from salun_utils.generation.measures import recovery
from salun_utils.generation.models import (
    families,
    noising,
    pipeline_files,
    pipelines,
    precision,
)
from salun_utils.generation.models.text import encode_text, no_text, predict

FEW = {"epochs": 1, "batch_size": 4, "pictures": 2}
DRAWN = {"steps": 1, "batch_size": 2, "sample_steps": 2}
SAMPLERS = [
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "LMSDiscreteScheduler",
    "HeunDiscreteScheduler",
    "PNDMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
    "KDPM2DiscreteScheduler",
    "DDPMScheduler",
    "LCMScheduler",
]


def with_sampler(pipe, name: str, **changes):
    scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config, **changes)
    return precision.with_parts(pipe, scheduler=scheduler)


def job(pipe, shapes):
    study = encoded.prepare(pipe, "circle", data=shapes)
    return Job.start(pipe, study, seed=0, lr=1e-3, batch_size=4, epochs=1, weights="full")


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_training_noise_is_that_of_the_betas_whatever_the_sampler(sd1, shapes, name, prediction):
    """x_t = sqrt(a) x + sqrt(1 - a) e with a the product of 1 - beta; the velocity is sqrt(a) e -
    sqrt(1 - a) x.
    """
    work = job(with_sampler(sd1, name, prediction_type=prediction), shapes)
    rows = torch.tensor([0, 1, 2])
    noisy, t, goal = work.noised(rows, torch.Generator().manual_seed(3))
    x, noise = work.latents(rows), None
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    a = (1 - betas).cumprod(0)[t][:, None, None, None]
    assert torch.allclose(noisy, a.sqrt() * x + (1 - a).sqrt() * noise, atol=1e-5)
    velocity = a.sqrt() * noise - (1 - a).sqrt() * x
    wanted = {"epsilon": noise, "v_prediction": velocity, "sample": x}[prediction]
    assert torch.allclose(goal, wanted, atol=1e-5)


def test_a_sampler_never_decides_the_loss_nor_is_it_lost(sd2, shapes):
    losses, drawn = set(), set()
    for name in ("DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"):
        pipe = with_sampler(sd2, name)
        erased = generation.erase("rl", pipe, concept=0, data=shapes, precision="float32", **FEW)
        losses.add(erased.losses)
        assert type(erased.model.scheduler).__name__ == name
        assert erased.model.scheduler is not pipe.scheduler
        drawn.add(generation.erase("esd-x", pipe, concept=0, data=shapes, **DRAWN).losses)
    assert len(losses) == len(drawn) == 1


def test_a_schedule_that_only_one_sampler_knows_is_taken_over():
    scheduler = diffusers.DDPMScheduler(beta_schedule="sigmoid")
    found = noising.training_scheduler(scheduler)
    assert torch.allclose(found.alphas_cumprod, scheduler.alphas_cumprod)


def test_latents_are_never_cut_off_on_the_way():
    """A sampler would clip latents at 1 by default; ESD draws with the noise of the training."""
    found = noising.training_scheduler(diffusers.DDIMScheduler())
    assert not found.config.clip_sample and not found.config.thresholding


@pytest.mark.parametrize(
    "scheduler, word",
    [
        (lambda: diffusers.FlowMatchEulerDiscreteScheduler(), "betas"),
        (lambda: diffusers.EDMEulerScheduler(), "betas"),
        (lambda: diffusers.DPMSolverMultistepScheduler(prediction_type="flow_prediction"), "flow"),
    ],
)
def test_noise_of_another_law_is_refused_before_any_work(sd1, shapes, scheduler, word):
    pipe = precision.with_parts(sd1, scheduler=scheduler())
    with pytest.raises(InputError, match=word):
        generation.erase("ga", pipe, concept=0, data=shapes, **FEW)


@pytest.mark.parametrize("name", ["EulerAncestralDiscreteScheduler", "DDPMScheduler"])
def test_samplers_that_draw_on_their_way_draw_the_same_from_the_same_seed(sd1, name):
    pipe = with_sampler(sd1, name)
    one, same, other = (
        pipelines.sample(pipe, ["a circle"] * 2, steps=3, batch_size=b, seed=s)
        for b, s in ((2, 5), (1, 5), (2, 6))
    )
    assert (one.int() - same.int()).abs().max() <= 1 and not torch.equal(one, other)


TYPES = {
    "fp16": {"unet": torch.float16, "vae": torch.float16, "text_encoder": torch.float16},
    "bf16": {"unet": torch.bfloat16, "vae": torch.bfloat16, "text_encoder": torch.bfloat16},
    "half text": {"text_encoder": torch.float16},
    "half unet": {"unet": torch.bfloat16},
    "double": {"unet": torch.float64, "vae": torch.float64, "text_encoder": torch.float64},
}


def of_types(pipe, chosen):
    return precision.with_parts(
        pipe, **{k: copy.deepcopy(getattr(pipe, k)).to(t) for k, t in chosen.items()}
    )


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.filterwarnings("ignore:.*fell back")
def test_any_float_type_is_trained_in_float32_and_comes_back(sd1, shapes, kind):
    pipe = of_types(sd1, TYPES[kind])
    before = {n: p.clone() for n, p in pipe.unet.named_parameters()}
    erased = generation.erase(
        "salun", pipe, concept=0, data=shapes, lr=0.01, keep=0.3, precision="float32", **FEW
    )
    for name in ("unet", "vae", "text_encoder"):
        assert getattr(erased.model, name).dtype == getattr(pipe, name).dtype
    after = dict(erased.model.unet.named_parameters())
    assert {p.dtype for p in after.values()} == {pipe.unet.dtype}
    assert any(not torch.equal(before[n], p) for n, p in after.items())
    held = erased.mask
    assert all(torch.equal(before[n][~held[n]], after[n][~held[n]]) for n in held)
    assert all(torch.equal(before[n], p) for n, p in pipe.unet.named_parameters())
    assert erased.losses[0] == pytest.approx(
        generation.erase(
            "salun", sd1, concept=0, data=shapes, lr=0.01, keep=0.3, precision="float32", **FEW
        ).losses[0],
        rel=0.02,
    )


@pytest.mark.parametrize("kind", ["fp16", "half text", "half unet"])
def test_pipelines_of_mixed_types_draw(sd1, kind):
    pipe = of_types(sd1, TYPES[kind])
    drawn = pipelines.sample(pipe, ["a circle"], steps=2).int()
    plain = pipelines.sample(sd1, ["a circle"], steps=2).int()
    assert (drawn - plain).abs().float().mean() < 8
    assert pipe.text_encoder.dtype == TYPES[kind].get("text_encoder", torch.float32)


def test_a_change_that_rounding_takes_back_is_told(sd1, shapes):
    pipe = of_types(sd1, TYPES["bf16"])
    with pytest.warns(UserWarning, match="fell back to their old value"):
        generation.erase("ga", pipe, concept=0, data=shapes, lr=1e-7, **FEW)


def test_attacks_take_half_pipelines_with_eulers_sampler(sd1, shapes):
    pipe = with_sampler(of_types(sd1, TYPES["fp16"]), "EulerDiscreteScheduler")
    image = shapes.train.subset([0])
    _, losses = recovery.invert_text(pipe, image, steps=1)
    _, plain = recovery.invert_text(sd1, image, steps=1)
    assert losses == pytest.approx(plain, rel=0.02)
    assert recovery.invert_noise(pipe, image, steps=2).isfinite().all()


OWN = {
    "esd-x": DRAWN,
    "esd-u": DRAWN,
    "uce": {},
    "rece": {},
    "erasediff": {"steps": 1, "batch_size": 4, "pictures": 2},
    "advunlearn": DRAWN | {"warmup": 0, "attack_steps": 1, "retain_batch": 1, "lr": 1e-3},
    "mace": {"steps": 1, "batch_size": 4, "pictures": 2, "sentences": 1},
    "spm": DRAWN | {"warmup": 0, "retain_batch": 1},
}
METHODS = {
    name: OWN.get(name, FEW)
    for name, eraser in generation.ERASERS.items()
    if "pipeline" in eraser.kinds
}
ONE_TEXT_MODEL = ("advunlearn",)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_every_stable_diffusion_erases_draws_and_is_saved(family, name, request, shapes, tmp_path):
    pipe = request.getfixturevalue(family)
    if family == "sdxl" and name in ONE_TEXT_MODEL:
        with pytest.raises(InputError, match="has two"):
            generation.erase(name, pipe, concept="Ankle boot", data=shapes, **METHODS[name])
        return
    part = "text_encoder" if name == "advunlearn" else "unet"
    before = {n: p.detach().clone() for n, p in getattr(pipe, part).named_parameters()}
    erased = generation.erase(name, pipe, concept="Ankle boot", data=shapes, **METHODS[name])
    assert type(erased.model) is type(pipe) and torch.tensor(erased.losses).isfinite().all()
    after, kept = (dict(getattr(p, part).named_parameters()) for p in (erased.model, pipe))
    assert any(not torch.equal(before[n], p) for n, p in after.items())
    assert all(torch.equal(before[n], p) for n, p in kept.items())
    pixels = pipelines.sample(erased.model, ["a circle"], steps=2)
    assert pixels.shape == (1, 3, 16, 16) and pixels.dtype == torch.uint8
    if name == "uce":
        run.save(erased, tmp_path)
        again = generation.load(tmp_path)
        assert type(again) is type(pipe) and all(
            torch.equal(p, q)
            for p, q in zip(again.unet.parameters(), erased.model.unet.parameters(), strict=True)
        )


def test_sdxl_reads_prompts_as_diffusers_does(sdxl):
    words, nothing, pooled, none = sdxl.encode_prompt("a photo of a circle")
    text, empty = encode_text(sdxl, ["a photo of a circle"]), no_text(sdxl)
    assert torch.equal(text.words, words) and torch.equal(text.pooled, pooled)
    assert torch.equal(empty.words, nothing) and torch.equal(empty.pooled, none)
    assert not empty.words.any()  # an SDXL is trained with zeros in the place of no prompt
    assert text.sizes.tolist() == [[16, 16, 0, 0, 16, 16]]
    said = precision.with_parts(sdxl)
    said.register_to_config(force_zeros_for_empty_prompt=False)
    assert torch.equal(no_text(said).words, encode_text(sdxl, [""]).words)


def test_sdxl_is_told_what_its_own_pipeline_tells_it(sdxl, monkeypatch):
    """One step of the pipeline and one of ours are handed the same words, vectors and sizes."""
    seen = []
    forward = sdxl.unet.forward
    monkeypatch.setattr(sdxl.unet, "forward", lambda *a, **k: seen.append(k) or forward(*a, **k))
    sdxl("a circle", num_inference_steps=1, guidance_scale=1.0, output_type="latent")
    with torch.no_grad():
        predict(
            sdxl.unet, torch.zeros(1, 4, 8, 8), torch.tensor([1]), encode_text(sdxl, ["a circle"])
        )
    theirs, ours = (one["added_cond_kwargs"] for one in seen)
    assert all(torch.equal(theirs[k], ours[k]) for k in ("text_embeds", "time_ids"))


def test_sdxl_draws_what_diffusers_draws(sdxl):
    noise = pipelines.fixed_noise(sdxl, 1, seed=4)
    theirs = sdxl(
        "a circle", latents=noise, guidance_scale=3.0, num_inference_steps=2, output_type="pt"
    ).images
    ours = pipelines.sample(sdxl, ["a circle"], noise=noise, guidance=3.0, steps=2)
    assert (ours.int() - (theirs * 255).round().int()).abs().max() <= 1


def test_sdxl_embeddings_alone_and_a_learned_word_are_refused(sdxl, shapes):
    with pytest.raises(InputError, match="prompts themselves"):
        pipelines.sample(sdxl, pipelines.encode(sdxl, ["a circle"]), steps=1)
    with pytest.raises(InputError, match="two"):
        recovery.invert_text(sdxl, shapes.train.subset([0]), steps=1)


def other(name: str, **parts):
    """A stand-in for a pipeline of another class: its name and its parts are all that is read."""
    return type(name, (), {})() if not parts else type(name, (types.SimpleNamespace,), {})(**parts)


@pytest.mark.parametrize(
    "pipe, why",
    [
        (other("StableDiffusion3Pipeline", transformer=1, text_encoder=1), "transformer"),
        (other("FluxPipeline", transformer=1, text_encoder=1), "transformer"),
        (other("PixArtAlphaPipeline", transformer=1, text_encoder=1), "transformer"),
        (other("SomethingVideoPipeline", unet=1, text_encoder=1), "parts are not those"),
        (other("KandinskyV22Pipeline", unet=1), "parts are not those"),
    ],
)
def test_pipelines_of_another_build_are_refused_with_the_reason(pipe, why):
    for attempt in (
        lambda: generation.erase("esd-x", pipe, concept="cat"),
        lambda: pipelines.sample(pipe, ["a cat"], steps=1),
        lambda: generation.kind_of(pipe),
    ):
        with pytest.raises(InputError, match=why) as caught:
            attempt()
        assert "\n" not in str(caught.value) and type(pipe).__name__ in str(caught.value)


@pytest.mark.parametrize(
    "name", ["StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipelineLegacy"]
)
def test_image_to_image_is_refused_and_the_way_out_works(sd1, shapes, name):
    if hasattr(diffusers, name) and "Img2Img" in name:
        pipe = getattr(diffusers, name)(**sd1.components, requires_safety_checker=False)
    else:
        pipe = other(name, unet=1, text_encoder=1)
    with pytest.raises(InputError, match="from_pipe"):
        generation.erase("ga", pipe, concept=0, data=shapes, **FEW)
    if "Img2Img" in name:
        text = diffusers.StableDiffusionPipeline.from_pipe(pipe)
        generation.erase("ga", text, concept=0, data=shapes, **FEW)


@pytest.mark.parametrize(
    "index, why",
    [
        ({"_class_name": "FluxPipeline", "transformer": ["diffusers", "X"]}, "transformer"),
        ({"_class_name": "StableDiffusionImg2ImgPipeline"}, "picture"),
        (
            {"_class_name": "StableDiffusionXLInpaintPipeline"},
            "StableDiffusionXLPipeline.from_pipe",
        ),
        ({}, "None"),
    ],
)
def test_folders_of_other_pipelines_are_refused_with_the_reason(index, why, tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=why):
        generation.load(tmp_path)


def test_parts_that_do_not_fit_an_sdxl_are_refused(sdxl, sd1):
    with pytest.raises(InputError, match="text_encoder_2 must be a CLIPTextModelWithProjection"):
        families.check(precision.with_parts(sdxl, text_encoder_2=sd1.text_encoder))
    with pytest.raises(InputError, match="width"):
        families.check(precision.with_parts(sdxl, unet=sd1.unet))


def test_weights_that_are_elsewhere_or_packed_are_refused(sd1):
    away = precision.with_parts(sd1, unet=copy.deepcopy(sd1.unet).to("meta"))
    with pytest.raises(InputError, match="off-loaded"):
        families.check(away)
    packed = copy.deepcopy(sd1.unet)
    packed.conv_in.weight.data = packed.conv_in.weight.data.to(torch.float8_e4m3fn)
    with pytest.raises(InputError, match="float8"):
        families.check(precision.with_parts(sd1, unet=packed))


def saved(pipe, folder, variant=None):
    pipe.save_pretrained(folder, variant=variant)
    return folder


def test_a_folder_of_one_variant_is_read(sd1, sdxl, tmp_path):
    for i, pipe in enumerate((sd1, sdxl)):
        halved = of_types(pipe, TYPES["fp16"])
        again = generation.load(saved(halved, tmp_path / str(i), "fp16"))
        assert {p.dtype for p in again.unet.parameters()} == {torch.float32}
        assert torch.equal(again.unet.conv_in.weight.half(), halved.unet.conv_in.weight)


def test_plain_weights_go_before_variants_unless_one_is_named(sd1, tmp_path):
    folder = saved(sd1, tmp_path)
    saved(of_types(sd1, TYPES["fp16"]), folder, "fp16")
    plain, half = pipelines.load(folder), pipelines.load(folder, variant="fp16")
    assert torch.equal(plain.unet.conv_in.weight, sd1.unet.conv_in.weight)
    assert not torch.equal(half.unet.conv_in.weight, plain.unet.conv_in.weight)
    with pytest.raises(InputError, match=r"bf16.*there: fp16, plain"):
        pipelines.load(folder, variant="bf16")


def test_several_variants_that_are_other_models_are_named(sd1, tmp_path):
    folder = saved(sd1, tmp_path, "ema")
    saved(sd1, folder, "non_ema")
    with pytest.raises(InputError, match="ema, non_ema"):
        generation.load(folder)


def test_a_single_file_is_told_the_way(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="from_single_file"):
        pipelines.load(tmp_path / "model.safetensors")


def test_the_shipped_folder_is_all_of_one_type_in_plain_diffusers():
    folder = generation.shipped.folder("mini-sd")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {torch.float32}
    ours = generation.load("mini-sd")
    assert torch.equal(
        pipe.text_encoder.get_input_embeddings().weight,
        ours.text_encoder.get_input_embeddings().weight,
    )


def test_what_the_pages_name_on_the_hub_is_pinned_to_one_commit(tmp_path, monkeypatch):
    from salun_utils.generation.hub import PINNED, pinned

    root = Path(__file__).parents[2]
    texts = [p.read_text() for p in (root / "benchmark" / "grids").glob("*.yaml")]
    named = set(re.findall(r"\b(?:CompVis|stabilityai|openai|runwayml)/[\w.-]+", " ".join(texts)))
    assert named <= set(PINNED) and all(re.fullmatch("[0-9a-f]{40}", r) for r in PINNED.values())
    (name, commit), *_ = PINNED.items()
    assert pinned(name) == {"revision": commit} and pinned("some/one") == {}
    asked: dict = {}
    with monkeypatch.context() as patch:
        config = {"_class_name": "none such"}
        patch.setattr(
            diffusers.DDIMScheduler, "load_config", lambda _, **given: asked.update(given) or config
        )
        assert pipeline_files.own_sampler(name) is None and asked["revision"] == commit
    (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert pinned(name) == {}  # a folder of that name is read as it is
