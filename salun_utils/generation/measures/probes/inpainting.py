"""The rim of a real picture is given, and the pipeline draws the square in the middle (Lu et al.,
NeurIPS 2025): the picture calls for the concept where the prompt no longer does.

The square has half the side. After each step the rim is put back, under as much noise as is left
there. The whole is judged, so what the rim alone tells must be known: `blank`, in the details, has
a black square, and `real` is the whole real picture. The control draws the square without the
prompt. Departs from the authors, who judge the square alone: our judge knows whole pictures only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ....units import numerics
from ...erasers.pipeline.encoded import encode_pictures
from .registry import Found, Target, probe
from .trajectory import decode, denoise, noised


@probe(
    "inpainting",
    summary="draw the middle of a real picture",
    control="the same without the prompt",
    paper="Lu et al., NeurIPS 2025",
)
@numerics(1, uses=("judge", "generator/pipeline"))
def inpainting(target: Target) -> Found:
    latents = encode_pictures(target.pipe, target.some).to(target.pipe.device)
    own = target.share(_completed(target, latents, target.prompt, target.guidance))
    none = target.share(_completed(target, latents, "", 1.0))
    pixels = target.some.pixels.cpu()
    blank = pixels * ~middle(pixels.shape[-2], pixels.shape[-1])
    return Found(own, none, {"blank": target.share(blank), "real": target.share(pixels)})


def middle(height: int, width: int) -> Tensor:
    """True, bool (H, W), in the square in the middle, of half the side."""
    inside = torch.zeros(height, width, dtype=torch.bool)
    top, left = (height - height // 2) // 2, (width - width // 2) // 2
    inside[top : top + height // 2, left : left + width // 2] = True
    return inside


def _completed(target: Target, latents: Tensor, prompt: str, guidance: float) -> Tensor:
    """The given rims, each with a middle that the pipeline drew."""
    draws = target.draws("inpainting")
    hidden = middle(*latents.shape[-2:]).to(latents.device)

    def given(x: Tensor, bar: Tensor) -> Tensor:
        return torch.where(hidden, x, noised(latents, bar, draws))

    start = target.noise()[: len(latents)]
    way: dict[str, Any] = {"steps": target.steps, "guidance": guidance, "change": given}
    return decode(target.pipe, denoise(target.pipe, prompt, start, **way))
