"""Text-to-image pipelines: load and check a `StableDiffusionPipeline`, and sample uint8 pictures
from fixed noise.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError
from ...seeds import generator
from ...units import numerics

PARTS = {  # part of the pipeline -> (library, class) that it must be
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "unet": ("diffusers", "UNet2DConditionModel"),
}
# a U-Net below this many weights is sampled and erased with the settings of mini-sd
SMALL = 50_000_000


def load(
    source: str | os.PathLike,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
):
    """A `StableDiffusionPipeline` from a folder or the Hub, every part of it read and checked;
    without safety checker.

    Parameters
    ----------
    source : a folder that `save_pretrained` wrote, or a Hub id such as
        "CompVis/stable-diffusion-v1-4".
    dtype : of the weights; float32 by default, whatever the file holds.

    Raises
    ------
    InputError : the model is missing or can't be read, a part is missing or of another class, or
        weights are missing or of another shape. Nothing is ever put in the place of what is
        missing.
    """
    import diffusers
    import transformers
    from transformers.utils import logging

    _check_index(source)
    logging.disable_progress_bar()
    parts = {}
    try:
        for name, (library, class_name) in PARTS.items():
            cls = getattr(
                {"diffusers": diffusers, "transformers": transformers}[library], class_name
            )
            if name == "tokenizer":
                parts[name] = cls.from_pretrained(source, subfolder=name)
                continue
            parts[name], report = cls.from_pretrained(
                source, subfolder=name, torch_dtype=dtype, output_loading_info=True
            )
            _check_weights(f"{source}/{name}", report)
        parts["scheduler"] = _scheduler(source)
    except InputError:
        raise
    except Exception as error:
        # the Hub, the two libraries and safetensors each raise their own kinds of "can't be read"
        raise InputError(
            f"pipeline {str(source)!r} can't be read: {type(error).__name__}: {str(error)[:200]}"
        ) from error
    pipe = diffusers.StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    check(pipe)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def check(pipe) -> None:
    """Raise `InputError` unless `pipe` is a Stable Diffusion pipeline whose parts fit."""
    for name, (_, class_name) in PARTS.items():
        part = getattr(pipe, name, None)
        if part is None or class_name not in [c.__name__ for c in type(part).__mro__]:
            raise InputError(
                f"the pipeline's {name} must be a {class_name}, not {type(part).__name__}"
            )
    unet, latent, width = (
        pipe.unet.config,
        pipe.vae.config.latent_channels,
        pipe.text_encoder.config.hidden_size,
    )
    if unet.in_channels != latent or unet.out_channels != latent:
        raise InputError(
            f"the U-Net takes {unet.in_channels} channels and gives {unet.out_channels}, the"
            f" autoencoder has {latent}"
        )
    if unet.cross_attention_dim != width:
        raise InputError(
            f"the U-Net reads text of width {unet.cross_attention_dim}, the text model gives"
            f" {width}"
        )


def is_small(pipe) -> bool:
    """Whether this is a pipeline of mini-sd's size rather than Stable Diffusion's."""
    return sum(p.numel() for p in pipe.unet.parameters()) < SMALL


def prompt_for(name: str, template: str = "a photo of a {}") -> str:
    """The prompt of one class; the class name in lower case."""
    return template.format(name.lower())


@torch.no_grad()
def encode(pipe, prompts: Sequence[str]) -> Tensor:
    """Text embeddings (N, L, D) of prompts; longer ones are cut at the tokenizer's limit."""
    tokenizer = pipe.tokenizer
    tokens = tokenizer(
        list(prompts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    return pipe.text_encoder(tokens.input_ids.to(pipe.device))[0]


def fixed_noise(pipe, count: int, *, seed: int) -> Tensor:
    """Start noise (count, C, h, w), float32 on the CPU: the same for every device; a longer draw
    begins with a shorter one.
    """
    side = pipe.unet.config.sample_size
    draws = generator(seed, "start noise")
    return torch.stack(
        [
            torch.randn(pipe.unet.config.in_channels, side, side, generator=draws)
            for _ in range(count)
        ]
    )


@numerics(1, "generator/pipeline")
def sample(
    pipe,
    prompts: Sequence[str] | Tensor,
    *,
    seed: int = 0,
    guidance: float | None = None,
    steps: int | None = None,
    noise: Tensor | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """Pictures, uint8 (N, 3, H, W), by the pipeline's own scheduler.

    Parameters
    ----------
    prompts : one per picture; or text embeddings (N, L, D), as `encode` gives.
    guidance : classifier-free guidance scale, at least 0; up to 1 there is none, as in diffusers.
        By default 3 for mini-sd, 7.5 for Stable Diffusion (paper).
    steps : by default 25 for mini-sd and 100 for Stable Diffusion (paper).
    noise : (N, C, h, w) start noise; drawn from `seed` by default.
    """
    small = is_small(pipe)
    guidance = (3.0 if small else 7.5) if guidance is None else guidance
    steps = (25 if small else 100) if steps is None else steps
    check_sampling(len(prompts), guidance, steps)
    batch_size = batch_size or (100 if small else 4)
    embeddings = prompts if isinstance(prompts, Tensor) else _encode_each_once(pipe, prompts)
    empty = encode(pipe, [""])
    noise = fixed_noise(pipe, len(prompts), seed=seed) if noise is None else noise
    if len(noise) != len(embeddings):
        raise InputError(f"{len(embeddings)} prompts need as many noises, not {len(noise)}")
    pictures = []
    for text, start in zip(embeddings.split(batch_size), noise.split(batch_size), strict=True):
        out = pipe(
            prompt_embeds=text,
            negative_prompt_embeds=empty.expand_as(text),
            latents=start.to(pipe.device, text.dtype),
            guidance_scale=guidance,
            num_inference_steps=steps,
            output_type="pt",
        )
        pictures.append(unit_to_uint8(out.images))
    return torch.cat(pictures)


def sample_classes(
    pipe,
    classes: Sequence[str],
    *,
    per_class: int,
    seed: int = 0,
    template: str = "a photo of a {}",
    **options,
) -> tuple[Tensor, Tensor]:
    """`per_class` pictures of each class from the same noises: (pixels uint8 (K * per_class, 3, H,
    W), labels (K * per_class,)).
    """
    check_sampling(per_class, 1, 1)
    labels = torch.arange(len(classes)).repeat_interleave(per_class)
    noise = fixed_noise(pipe, per_class, seed=seed).repeat(len(classes), 1, 1, 1)
    return (
        sample(pipe, [prompt_for(classes[i], template) for i in labels], noise=noise, **options),
        labels,
    )


def check_sampling(count: int, guidance: float, steps: int) -> None:
    """Raise `InputError` for 0 pictures, 0 steps or a negative guidance."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"the number of samples must be at least 1, not {count!r}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"the number of sampling steps must be at least 1, not {steps!r}")
    if not isinstance(guidance, int | float) or not math.isfinite(guidance) or guidance < 0:
        raise InputError(f"guidance must be a number, at least 0, not {guidance!r}")


def unit_to_uint8(x: Tensor) -> Tensor:
    """Floats in [0, 1] to uint8, rounded; a plain cast would cut, and one of [-1, 1] floats would
    wrap.
    """
    return (x.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def signed_to_uint8(x: Tensor) -> Tensor:
    """Floats in [-1, 1], as an autoencoder gives them, to uint8."""
    return unit_to_uint8((x.float() + 1) / 2)


def for_judge(pixels: Tensor, shape: Sequence[int] = (1, 28, 28)) -> Tensor:
    """RGB pictures (N, 3, H, W) as a classifier of (C, h, w) ones takes them: averaged to grey, a
    margin cut off, else resized.
    """
    channels, height, width = shape
    if channels == 1 and pixels.shape[1] == 3:
        pixels = pixels.float().mean(1, keepdim=True).round().to(torch.uint8)
    if pixels.shape[1] != channels:
        raise InputError(
            f"pictures of shape {tuple(pixels.shape[1:])} can't be made {tuple(shape)}"
        )
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    if min(top, left) < 0 or max(top, left) > height // 8:  # more than a margin: another resolution
        resized = torch.nn.functional.interpolate(
            pixels.float(), (height, width), mode="bicubic", antialias=True
        )
        return resized.round().clamp(0, 255).to(torch.uint8)
    return pixels[:, :, top : top + height, left : left + width]


def _encode_each_once(pipe, prompts: Sequence[str]) -> Tensor:
    if bad := [p for p in prompts if not isinstance(p, str)]:
        raise InputError(f"a prompt must be text, not {type(bad[0]).__name__}")
    unique = list(dict.fromkeys(prompts))
    table = torch.cat([encode(pipe, unique[i : i + 64]) for i in range(0, len(unique), 64)])
    return table[torch.tensor([unique.index(p) for p in prompts])]


def _check_index(source: str | os.PathLike) -> None:
    """For a local folder: the index is there, and names a Stable Diffusion pipeline with all its
    parts, each with its folder.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if (
            folder.exists()
            or str(source).count("/") != 1
            or str(source).startswith((".", "/", "~"))
        ):
            raise InputError(f"there is no pipeline folder {str(source)!r}")
        return
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except (OSError, ValueError):
        raise InputError(
            f"{folder} is no pipeline folder: it has no readable model_index.json"
        ) from None
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise InputError(
            f"{folder} holds a {index.get('_class_name')}, not a StableDiffusionPipeline"
        )
    for name, (_, class_name) in PARTS.items():
        if not (folder / name).is_dir():
            raise InputError(f"the pipeline folder {folder} lacks its part {name!r}")
        found = (index.get(name) or [None, None])[1]
        if found != class_name:
            raise InputError(f"the {name} of {folder} is a {found}; only {class_name} will do")
    if not (folder / "scheduler").is_dir():
        raise InputError(f"the pipeline folder {folder} lacks its part 'scheduler'")


def _check_weights(where: str, report: dict) -> None:
    """Libraries fill missing weights with random numbers and only warn; here that is an error."""
    for kind in ("missing_keys", "mismatched_keys", "error_msgs"):
        names: Iterable = [n for n in report.get(kind) or [] if "position_ids" not in str(n)]
        if names := sorted(map(str, names)):
            raise InputError(
                f"{where} doesn't fit its configuration: {kind.replace('_', ' ')}: {names[0]}"
                f" ({len(names)} in all)"
            )


def _scheduler(source: str | os.PathLike):
    """DDIM for the paper's sampling, whatever the saved scheduler: its configuration is shared by
    all of them.
    """
    from diffusers import DDIMScheduler

    config = dict(DDIMScheduler.load_config(source, subfolder="scheduler"))
    return DDIMScheduler.from_config(config | {"clip_sample": False, "steps_offset": 1})


def recognise(
    pipe,
    judge,
    *,
    forgotten: str | int | None = None,
    per_class: int = 50,
    seed: int = 0,
    **options,
):
    """Draw `per_class` pictures of each of the judge's classes, from the same noises, and judge
    them: a `scores.Recognition`.
    """
    from ..measures.recognition import recognition

    pixels, labels = sample_classes(pipe, judge.classes, per_class=per_class, seed=seed, **options)
    return recognition(judge.fit(pixels), labels, judge, forgotten=forgotten, seed=seed)
