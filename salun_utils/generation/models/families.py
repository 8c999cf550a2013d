"""Which text-to-image pipelines are taken, and the line that says why another is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...errors import InputError


@dataclass(frozen=True)
class Family:
    """Pipelines of one class. parts : name of a part -> (library, class) that it must be."""

    class_name: str
    parts: Mapping[str, tuple[str, str]]


_COMMON = {
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "unet": ("diffusers", "UNet2DConditionModel"),
}
SD = Family("StableDiffusionPipeline", _COMMON)
SDXL = Family(
    "StableDiffusionXLPipeline",
    _COMMON
    | {
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
        "tokenizer_2": ("transformers", "CLIPTokenizer"),
    },
)
FAMILIES = {family.class_name: family for family in (SD, SDXL)}
# words in the names of pipelines that draw from more than a sentence
OTHER_INPUTS = (
    "img2img",
    "inpaint",
    "controlnet",
    "upscale",
    "pix2pix",
    "depth",
    "adapter",
    "gligen",
)
TYPES = ("float16", "bfloat16", "float32", "float64")


def family_of(pipe) -> Family:
    """The family of a pipeline, a subclass counting as its class.

    Raises
    ------
    InputError : it is of no family that is taken; the line says why.
    """
    for base in type(pipe).__mro__:
        if base.__name__ in FAMILIES:
            return FAMILIES[base.__name__]
    raise refused(type(pipe).__name__, vars(pipe))


def refused(class_name: str, parts: Iterable[str]) -> InputError:
    """The error for a pipeline of another class, from its name and the names of its parts."""
    words = class_name.lower()
    if "transformer" in parts:
        why = (
            "it denoises with a transformer, and what the erasers change are layers of a U-Net"
            " (cross-attention above all)"
        )
    elif any(word in words for word in OTHER_INPUTS):
        near = (SDXL if "xl" in words else SD).class_name
        why = (
            "it draws from a picture or another input beside the text"
            f" ({near}.from_pipe(pipe) makes a text-to-image pipeline of the same parts)"
        )
    else:
        why = "its parts are not those of Stable Diffusion"
    return InputError(f"a {class_name} is not taken: {why}; taken are {', '.join(FAMILIES)}")


def check(pipe) -> None:
    """Raise `InputError` unless this is a text-to-image pipeline whose parts fit each other, whose
    noise is known, and whose weights are here and can be trained. Nothing is computed.
    """
    from .noising import check_scheduler

    family = family_of(pipe)
    for name, (_, class_name) in family.parts.items():
        part = getattr(pipe, name, None)
        if part is None or class_name not in [c.__name__ for c in type(part).__mro__]:
            raise InputError(
                f"the pipeline's {name} must be a {class_name}, not {type(part).__name__}"
            )
    _check_latents(pipe)
    _check_conditions(pipe, family)
    _check_weights(pipe, family)
    check_scheduler(pipe.scheduler)


def text_encoders(pipe) -> list[Any]:
    """Its text models, in the order in which their vectors are joined."""
    both = (pipe.text_encoder, getattr(pipe, "text_encoder_2", None))
    return [encoder for encoder in both if encoder is not None]


def picture_size(pipe) -> int:
    """Side in pixels of the pictures that it draws."""
    return pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)


def _check_latents(pipe) -> None:
    unet, latent = pipe.unet.config, pipe.vae.config.latent_channels
    if unet.in_channels != latent or unet.out_channels != latent:
        raise InputError(
            f"the U-Net takes {unet.in_channels} channels and gives {unet.out_channels}, the"
            f" autoencoder has {latent}"
        )
    if not isinstance(unet.sample_size, int):
        raise InputError(
            f"the U-Net's sample_size must be one whole number, not {unet.sample_size!r}"
        )


def _check_conditions(pipe, family: Family) -> None:
    """Text of the right width, and no input besides it that nobody would give."""
    unet = pipe.unet.config
    width = sum(encoder.config.hidden_size for encoder in text_encoders(pipe))
    if unet.cross_attention_dim != width:
        raise InputError(
            f"the U-Net reads text of width {unet.cross_attention_dim}, the text model gives"
            f" {width}"
        )
    wanted = "text_time" if family is SDXL else None
    if unet.addition_embed_type != wanted or unet.encoder_hid_dim_type:
        found = unet.encoder_hid_dim_type or unet.addition_embed_type
        raise InputError(
            f"the U-Net of a {family.class_name} must be told {wanted or 'nothing'} beside the"
            f" prompt, not {found}"
        )
    if family is SDXL:
        pooled = pipe.text_encoder_2.config.projection_dim
        needed = unet.projection_class_embeddings_input_dim
        if needed != pooled + 6 * unet.addition_time_embed_dim:
            raise InputError(
                f"the U-Net takes {needed} numbers beside the prompt; the second text model and six"
                f" sizes give {pooled + 6 * unet.addition_time_embed_dim}"
            )


def _check_weights(pipe, family: Family) -> None:
    """All weights on one device, plain floats: not off-loaded, not quantised, not behind LoRA."""
    devices = set()
    for name in family.parts:
        part = getattr(pipe, name)
        if not isinstance(part, nn.Module):
            continue
        for key, p in part.named_parameters():
            devices.add(p.device)
            if p.is_meta:
                raise InputError(
                    f"the weights of the pipeline's {name} are off-loaded: call"
                    " pipe.remove_all_hooks() and pipe.to(device) first"
                )
            if str(p.dtype).removeprefix("torch.") not in TYPES:
                raise InputError(
                    f"the pipeline's {name} holds weights of type {p.dtype} ({key}); only"
                    f" {', '.join(TYPES)} can be trained"
                )
            if "lora_" in key:
                raise InputError(
                    f"the pipeline's {name} has LoRA weights beside its own ({key}): call"
                    " pipe.fuse_lora() and pipe.unload_lora_weights() first"
                )
    if len(devices) > 1:
        raise InputError(
            f"the pipeline's parts are on {', '.join(sorted(map(str, devices)))}: call"
            " pipe.to(device) first"
        )
