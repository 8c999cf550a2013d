"""Prompts with made-up words in front: what a text model reads of them, with a gradient to the
words' vectors, for those who search for words.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ..errors import InputError
from .models.families import text_encoders


def check_one_text_model(pipe) -> None:
    """Raise `InputError` for a pipeline with two text models, whose words have two vectors."""
    if len(text_encoders(pipe)) > 1:
        raise InputError(
            "words are searched for in one text model; an SDXL pipeline has two, so this works on a"
            " Stable Diffusion only"
        )


def vocabulary(text_encoder: Any) -> Tensor:
    """The vectors (V, D) of all words at the entrance of a text model."""
    return text_encoder.get_input_embeddings().weight


def read(pipe, text_encoder: Any, prompt: str, words: Tensor) -> Tensor:
    """What the text model gives (1, L, D) for a prompt with `words`, vectors (k, D), before it; k
    may be 0.
    """
    table = vocabulary(text_encoder)
    name = next(n for n, p in text_encoder.named_parameters() if p is table)
    ids = ids_with_prefix(pipe.tokenizer, prompt, new=range(len(table), len(table) + len(words)))
    longer = torch.cat([table, words.to(table.device, table.dtype)])
    return functional_call(text_encoder, {name: longer}, (ids.to(table.device),))[0]


def ids_with_prefix(tokenizer, prompt: str, new) -> Tensor:
    """Token ids (1, L): the start, the ids `new`, the prompt and its end, padded.

    Raises
    ------
    InputError : the prompt and its prefix are longer than the tokenizer's limit.
    """
    first, *rest = tokenizer(prompt).input_ids
    ids, limit = [first, *new, *rest], tokenizer.model_max_length
    if len(ids) > limit:
        raise InputError(
            f"{prompt!r} with {len(list(new))} words before it has {len(ids)} tokens, the text"
            f" model reads {limit}: take a shorter prefix"
        )
    return torch.tensor([ids + [tokenizer.pad_token_id] * (limit - len(ids))])
