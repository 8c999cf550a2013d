"""Forget-Me-Not (Zhang et al., 2023): attention re-steering, which drives the attention paid to the
concept's words to nothing.

    min  || A[:, :, concept tokens] of all cross-attention layers ||,   x_t from pictures of the
    concept

One norm over all maps of all layers, as in the authors' code: each entry weighs the same, so that
large maps count for more. Departs from the authors: every place of the concept's words in one
prompt template, where theirs may be learned by textual inversion first; no picture regularises.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ....errors import InputError
from ....units import numerics
from ..registry import eraser
from .loop import Job, train
from .settings import LR, SMALL, TRAIN, both


@eraser(
    "forget-me-not",
    kinds=("pipeline",),
    summary="drive the attention paid to the concept's words to nothing",
    paper="Zhang et al., CVPR workshops 2024",
    defaults=both(TRAIN | {"epochs": 1, "lr": 2e-6, "weights": "full"}, SMALL | {"epochs": 4}),
    search=LR | {"epochs": [1, 2, 4, 8]},
)
@numerics(2, uses=("eraser/pipeline", "erasing/pipeline"))
def forget_me_not(job: Job, **_: object) -> tuple[None, list[float]]:
    prompt = job.study.prompts[job.study.concept]
    places = concept_tokens(job.pipe.tokenizer, prompt, job.study.classes[job.study.concept])
    with recorded_attention(job.unet) as maps:
        return None, train(
            job, lambda job, forget, retain, draws: loss(job, forget, draws, maps, places)
        )


def loss(
    job: Job, forget: Tensor, draws: torch.Generator, maps: list[Tensor], places: list[int]
) -> Tensor:
    x, t, _ = job.noised(forget, draws)
    maps.clear()
    job.predict(job.unet, x, t, job.text(job.study.labels[forget]))
    return one_norm(maps, places)


def one_norm(maps: list[Tensor], places: list[int]) -> Tensor:
    """Norm of the attention paid to these places in all maps (B * heads, pixels, tokens)."""
    return torch.linalg.vector_norm(torch.cat([a[:, :, places].float().flatten() for a in maps]))


def concept_tokens(tokenizer, prompt: str, name: str) -> list[int]:
    """Positions of the class name's tokens in the prompt."""
    words = tokenizer(name.lower(), add_special_tokens=False).input_ids
    prompt_ids = tokenizer(prompt, truncation=True, max_length=tokenizer.model_max_length).input_ids
    for start in range(len(prompt_ids) - len(words), -1, -1):
        if prompt_ids[start : start + len(words)] == words:
            return list(range(start, start + len(words)))
    raise InputError(
        f"the prompt {prompt!r} doesn't hold the words {name!r}, whose attention is to be"
        " re-steered"
    )


@contextlib.contextmanager
def recorded_attention(unet: Any) -> Iterator[list[Tensor]]:
    """While open, every forward pass appends its cross-attention probabilities (B * heads, pixels,
    tokens) to the list.
    """
    from diffusers.models.attention_processor import AttnProcessor

    before = dict(unet.attn_processors)
    # the plain one computes the probabilities where they can be read
    unet.set_attn_processor(AttnProcessor())
    maps: list[Tensor] = []
    changed = [m for n, m in unet.named_modules() if n.endswith("attn2")]

    def keeping(module: Any):
        compute = type(module).get_attention_scores

        def get_attention_scores(
            query: Tensor, key: Tensor, attention_mask: Tensor | None = None
        ) -> Tensor:
            maps.append(compute(module, query, key, attention_mask))
            return maps[-1]

        return get_attention_scores

    for module in changed:
        module.get_attention_scores = keeping(module)
    try:
        yield maps
    finally:
        for module in changed:
            del module.get_attention_scores
        unet.set_attn_processor(before)
