"""Prompts as a U-Net reads them, and what it answers: Stable Diffusion's one text model, and the
two of SDXL with the sizes that it is told beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .families import picture_size, text_encoders


@dataclass(frozen=True)
class Text:
    """N prompts.

    Attributes
    ----------
    words : (N, L, D), a vector for each place. SDXL has two things more: pooled (N, P), the whole
        prompt as its second text model sees it, and sizes (N, 6): height and width of the picture
        before it was cut, the corner of the cut, and height and width after it.
    """

    words: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, rows) -> Text:
        return self.map(lambda x: x[rows])

    def map(self, change: Callable[[Tensor], Tensor]) -> Text:
        """The same change to each of its tensors."""
        parts = (self.pooled, self.sizes)
        pooled, sizes = (None if x is None else change(x) for x in parts)
        return Text(change(self.words), pooled, sizes)

    def expand(self, count: int) -> Text:
        """One prompt, `count` times."""
        return self.map(lambda x: x.expand(count, *x.shape[1:]))

    @staticmethod
    def cat(texts: Sequence[Text]) -> Text:
        """All prompts of several, in order."""
        return Text(
            torch.cat([t.words for t in texts]),
            _joined([t.pooled for t in texts]),
            _joined([t.sizes for t in texts]),
        )


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    """All in one where the first is there, and with it the others."""
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None


@torch.no_grad()
def encode_text(pipe, prompts: Sequence[str], *, batch_size: int = 64) -> Text:
    """Prompts read by the pipeline's text models; longer ones are cut at the tokenizer's limit."""
    prompts = list(prompts)
    parts = [prompts[i : i + batch_size] for i in range(0, len(prompts), batch_size)]
    return Text.cat([_encode(pipe, text_encoders(pipe), part) for part in parts])


def no_text(pipe) -> Text:
    """What stands for no prompt in guidance: the empty prompt, or zeros where an SDXL was trained
    with them.
    """
    empty = encode_text(pipe, [""])
    if empty.pooled is None or not pipe.config.force_zeros_for_empty_prompt:
        return empty
    return Text(empty.words * 0, empty.pooled * 0, empty.sizes)


def predict(unet: nn.Module, x: Tensor, t: Tensor, text: Text) -> Tensor:
    """The U-Net's answer (B, C, h, w) to latents `x` at steps `t`."""
    if text.pooled is None:
        return unet(x, t, text.words).sample
    added = {"text_embeds": text.pooled, "time_ids": text.sizes}
    return unet(x, t, text.words, added_cond_kwargs=added).sample


def token_ids(tokenizer, prompts: Sequence[str]) -> Tensor:
    """Ids (N, L) of prompts, padded and cut to the tokenizer's limit."""
    return tokenizer(
        list(prompts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids


def _encode(pipe, encoders: list[Any], prompts: list[str]) -> Text:
    if len(encoders) == 1:
        ids = token_ids(pipe.tokenizer, prompts)
        return Text(encoders[0](ids.to(encoders[0].device))[0])
    words: list[Tensor] = []
    for tokenizer, encoder in zip((pipe.tokenizer, pipe.tokenizer_2), encoders, strict=True):
        ids = token_ids(tokenizer, prompts)
        out = encoder(ids.to(encoder.device), output_hidden_states=True)
        words.append(out.hidden_states[-2])  # the last but one layer, as SDXL was trained
        pooled = out[0]  # the second model's projection remains
    side = float(picture_size(pipe))
    sizes = torch.tensor([[side, side, 0.0, 0.0, side, side]], device=pooled.device)
    return Text(torch.cat(words, -1), pooled, sizes.expand(len(prompts), -1))
