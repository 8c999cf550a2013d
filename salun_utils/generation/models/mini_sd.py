"""`mini-sd`: a complete Stable Diffusion pipeline, small enough to be trained on two CPU cores.

It has the parts of Stable Diffusion v1.4, from the same classes: an `AutoencoderKL`, a CLIP
tokenizer and text model, a `UNet2DConditionModel` and a scheduler. Only the sizes differ, so what
erases a concept here does so there.

    python -m salun_utils.generation.train mini-sd          # trains it, about half an hour; goes on
    after a stop
"""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...files import atomic
from ...seeds import check_seed

# the first is the one everything else uses
TEMPLATES = ("a photo of a {}", "a picture of a {}", "an image of a {}", "{}")
TOKENS = 16  # longest prompt, with its start and end
VOCABULARY = 140


def build_tokenizer(classes: Sequence[str], *, size: int = VOCABULARY):
    """A byte-pair `CLIPTokenizer` of about `size` entries, learned on the prompts of `classes`."""
    from tokenizers.trainers import BpeTrainer
    from transformers import CLIPTokenizer

    corpus = [t.format(c) for c in classes for t in TEMPLATES]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + ["-", "/"]
    start, end = "<|startoftext|>", "<|endoftext|>"
    blank = CLIPTokenizer()
    # a digit, an accent: classes that differ in nothing else shall not read the same
    backend = blank.backend_tokenizer
    plain = (backend.normalizer.normalize_str(name) for name in classes)
    words = (word for name in plain for word, _ in backend.pre_tokenizer.pre_tokenize_str(name))
    letters += sorted(set("".join(words)) - set(letters))
    trainer = BpeTrainer(
        vocab_size=size,
        special_tokens=[start, end],
        end_of_word_suffix="</w>",
        initial_alphabet=letters,
        show_progress=False,
    )
    blank.backend_tokenizer.train_from_iterator(corpus, trainer=trainer)
    merges = [
        tuple(m) if isinstance(m, list) else tuple(m.split(" "))
        for m in json.loads(blank.backend_tokenizer.to_str())["model"]["merges"]
    ]
    # every letter also at the end of a word, so that any word can be spelt
    symbols = letters + [f"{c}</w>" for c in letters]
    merges = merges[: max(size - len(symbols) - 2, 0)]
    entries = list(dict.fromkeys([*symbols, *(a + b for a, b in merges), start, end]))
    return CLIPTokenizer(
        vocab={e: i for i, e in enumerate(entries)}, merges=merges, model_max_length=TOKENS
    )


def build(
    classes: Sequence[str],
    *,
    image_size: int = 32,
    widths=(64, 128),
    vae_widths=(16, 32, 64),
    text_width: int = 64,
    seed: int = 0,
):
    """The pipeline with random weights: 0.68 M in the autoencoder, 0.11 M in the text model, 4.19 M
    in the U-Net.

    Parameters
    ----------
    classes : class names; the tokenizer learns its merges from their prompts.
    image_size : side of the RGB pictures in pixels; the latents are a quarter of it and have four
        channels.
    """
    from diffusers import StableDiffusionPipeline

    tokenizer = build_tokenizer(classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(check_seed(seed))
        vae = _autoencoder(image_size, vae_widths)
        latent_size = image_size // 2 ** (len(vae_widths) - 1)
        unet = _unet(latent_size, widths, text_width)
        text_encoder = _text_encoder(len(tokenizer), text_width)
    pipe = StableDiffusionPipeline(
        vae,
        text_encoder,
        tokenizer,
        unet,
        _scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _autoencoder(size: int, widths: Sequence[int]) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        layers_per_block=1,
        sample_size=size,
        block_out_channels=widths,
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        norm_num_groups=math.gcd(8, *widths),
    )


def _unet(size: int, widths: Sequence[int], text_width: int) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=size,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=["CrossAttnDownBlock2D"] * len(widths),
        up_block_types=["CrossAttnUpBlock2D"] * len(widths),
        cross_attention_dim=text_width,
        attention_head_dim=2,
        norm_num_groups=math.gcd(16, *widths),
    )


def _text_encoder(entries: int, width: int) -> Any:
    """For a tokenizer whose last two entries begin and end a text."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=entries,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        projection_dim=width,
        bos_token_id=entries - 2,
        eos_token_id=entries - 1,
        pad_token_id=entries - 1,
    )
    return CLIPTextModel(config)


def _scheduler() -> Any:
    """Of sampling. `clip_sample` would cut latents at 1, which bloats objects under guidance: 75 %
    recognised instead of 97 %.
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def plain_attention(model: Any) -> None:
    """Use diffusers' plain attention: on a CPU the fused backward pass with tiny heads costs 30 %
    of a step.
    """
    from diffusers.models.attention_processor import AttnProcessor

    if next(model.parameters()).device.type == "cpu":
        model.set_attn_processor(AttnProcessor())


def save_half(pipe, folder: str | os.PathLike) -> None:
    """`save_pretrained` in float16, leaving `pipe` as it is.

    transformers reads a model in the type that its configuration names, diffusers in float32: the
    text model's names float32, so that plain diffusers opens the folder with all parts alike.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    parts = {
        n: copy.deepcopy(m).half().cpu() if isinstance(m, nn.Module) else m
        for n, m in pipe.components.items()
    }
    type(pipe)(**parts, requires_safety_checker=False).save_pretrained(folder)
    config = Path(folder) / "text_encoder" / "config.json"
    content = json.loads(config.read_text()) | {"dtype": "float32"}
    with atomic(config) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")
