"""How well pictures fit their prompts, by CLIP."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from ...errors import InputError
from ...units import numerics
from ..files import check_uint8
from ..hub import pinned

BASE = "openai/clip-vit-base-patch16"


@numerics(1, "metric/clip")
class ClipScore:
    """100 x cosine between picture and prompt in the space of a CLIP model (Hessel et al., 2021,
    before their cut at 0).

    Parameters
    ----------
    model : a Hub id or a folder. device : where it computes.

    Raises
    ------
    InputError : the model can't be read.
    """

    def __init__(self, model: str | os.PathLike = BASE, device: str | torch.device = "cpu"):
        from huggingface_hub.utils import logging
        from transformers import CLIPModel, CLIPProcessor

        level = logging.get_verbosity()
        logging.set_verbosity_error()  # it would announce every retry
        try:
            self._clip, self._processor = (
                CLIPModel.from_pretrained(model, **pinned(model)).to(device).eval(),  # nosec B615
                CLIPProcessor.from_pretrained(model, **pinned(model)),  # nosec B615
            )
        except Exception as error:
            # the Hub and the library raise many kinds; all of them mean that it can't be read
            raise InputError(
                f"CLIP model {str(model)!r} can't be read: {type(error).__name__}:"
                f" {' '.join(str(error).split())[:150]}"
            ) from error
        finally:
            logging.set_verbosity(level)
        self.name = str(model)

    @torch.no_grad()
    def __call__(self, pixels: Tensor, prompts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        """Scores, float32 (N,), of uint8 pictures (N, 3, H, W) at one prompt each; a long prompt is
        cut at the model's limit.
        """
        check_uint8(pixels)
        if len(pixels) != len(prompts):
            raise InputError(f"{len(pixels)} pictures need as many prompts, not {len(prompts)}")
        scores = []
        for start in range(0, len(pixels), batch_size):
            part = slice(start, start + batch_size)
            inputs = self._processor(
                text=list(prompts[part]),
                images=list(pixels[part]),
                return_tensors="pt",
                padding=True,
                truncation=True,
            )
            out = self._clip(**inputs.to(self._clip.device))
            scores.append(
                100
                * torch.nn.functional.cosine_similarity(out.image_embeds, out.text_embeds)
                .float()
                .cpu()
            )
        return torch.cat(scores)
