"""Text-to-image pipelines: sample uint8 pictures from fixed noise. Reading and checking them is in
`pipeline_files` and `families`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...seeds import generator
from ...units import numerics
from . import families
from .families import check
from .pipeline_files import load
from .precision import agreeing
from .text import Text, encode_text, no_text

# a U-Net below this many weights is sampled and erased with the settings of mini-sd
SMALL = 50_000_000


__all__ = ["check", "load"]  # at home elsewhere, named here for callers


def is_small(pipe) -> bool:
    """Whether this is a pipeline of mini-sd's size rather than Stable Diffusion's."""
    return sum(p.numel() for p in pipe.unet.parameters()) < SMALL


def prompt_for(name: str, template: str = "a photo of a {}") -> str:
    """The prompt of one class; the class name in lower case."""
    return check_template(template).replace("{}", name.lower())


def check_template(template: Any) -> str:
    """Return `template`, or raise `InputError` unless it is a text with one gap for the words."""
    if (
        not isinstance(template, str)
        or template.count("{}") != 1
        or not template.count("{") == template.count("}") == 1
    ):
        raise InputError(
            "the template must hold {} once, where the words go, as in 'a photo of a {}', not"
            f" {template!r}"
        )
    return template


def encode(pipe, prompts: Sequence[str]) -> Tensor:
    """Text embeddings (N, L, D) of prompts; longer ones are cut at the tokenizer's limit.

    An SDXL reads more of a prompt than these: `text.encode_text` gives all of it.
    """
    return encode_text(pipe, prompts).words


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
    prompts: Sequence[str] | Tensor | Text,
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
    prompts : one per picture; or text embeddings (N, L, D), as `encode` gives, or a `Text`.
    guidance : classifier-free guidance scale, at least 0; up to 1 there is none, as in diffusers.
        By default 3 for mini-sd, 7.5 for Stable Diffusion (paper).
    steps : by default 25 for mini-sd and 100 for Stable Diffusion (paper).
    noise : (N, C, h, w) start noise; drawn from `seed` by default. What a sampler draws on its way
        (ancestral ones) comes from `seed` too, for each picture its own.

    Raises
    ------
    InputError : a pipeline that is not taken (see `families.check`), settings out of range.
    """
    check(pipe)
    small = is_small(pipe)
    guidance = (3.0 if small else 7.5) if guidance is None else guidance
    steps = (25 if small else 100) if steps is None else steps
    check_sampling(len(prompts), guidance, steps)
    check_steps(pipe, steps)
    batch_size = batch_size or (100 if small else 4)
    pipe = agreeing(pipe)
    text, empty = _as_text(pipe, prompts), no_text(pipe)
    noise = fixed_noise(pipe, len(prompts), seed=seed) if noise is None else noise
    if len(noise) != len(text):
        raise InputError(f"{len(text)} prompts need as many noises, not {len(noise)}")
    pictures = []
    for rows in torch.arange(len(text)).split(batch_size):
        out = pipe(
            **_conditions(text[rows], empty),
            latents=noise[rows].to(pipe.device, pipe.unet.dtype),
            guidance_scale=guidance,
            num_inference_steps=steps,
            generator=[generator(seed, f"sampler noise {i}") for i in rows.tolist()],
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


def check_steps(pipe, *steps: int | None) -> None:
    """Raise `InputError` for more sampling steps than the pipeline was trained with."""
    limit = pipe.scheduler.config.get("num_train_timesteps", 1000)
    for number in steps:
        if number is not None and number > limit:
            raise InputError(
                f"{number} sampling steps are more than the {limit} that the pipeline knows"
            )


def unit_to_uint8(x: Tensor) -> Tensor:
    """Floats in [0, 1] to uint8, rounded; a plain cast would cut, and one of [-1, 1] floats would
    wrap.
    """
    return (x.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def signed_to_uint8(x: Tensor) -> Tensor:
    """Floats in [-1, 1], as an autoencoder gives them, to uint8."""
    return unit_to_uint8((x.float() + 1) / 2)


def _as_text(pipe, prompts: Sequence[str] | Tensor | Text) -> Text:
    """Prompts read, each one once; what is read already as it is."""
    if isinstance(prompts, Text):
        return prompts
    if isinstance(prompts, Tensor):
        if families.family_of(pipe) is families.SDXL:
            raise InputError(
                "an SDXL pipeline reads more of a prompt than its embeddings: give the prompts"
                " themselves"
            )
        return Text(prompts)
    if bad := [p for p in prompts if not isinstance(p, str)]:
        raise InputError(f"a prompt must be text, not {type(bad[0]).__name__}")
    unique = list(dict.fromkeys(prompts))
    return encode_text(pipe, unique)[torch.tensor([unique.index(p) for p in prompts])]


def _conditions(text: Text, empty: Text) -> dict[str, Any]:
    """The prompts as arguments of a diffusers pipeline."""
    nothing = empty.expand(len(text))
    given: dict[str, Any] = {"prompt_embeds": text.words, "negative_prompt_embeds": nothing.words}
    if text.pooled is not None:
        given |= {
            "pooled_prompt_embeds": text.pooled,
            "negative_pooled_prompt_embeds": nothing.pooled,
        }
    return given
