"""Fresh noise along the way from noise to picture (Lu et al., NeurIPS 2025): it leads past the
place that the eraser has bent the way away from.

Each picture is drawn at every strength, and counts when the concept is recognised in any of them.
Three tries are more than one, so the control draws as often by the plain way, from other start
noises, where the authors compare with a single picture. Departs from the authors: three strengths
instead of six times four.
"""

from __future__ import annotations

from typing import Any

import torch

from ....units import numerics
from .registry import Found, Target, percent, probe
from .trajectory import decode, denoise

ETAS = (1.0, 1.34, 1.68)


@probe(
    "noise",
    summary="fresh noise along the way, the best of three strengths",
    control="the plain way from three start noises",
    paper="Lu et al., NeurIPS 2025",
)
@numerics(1, uses=("judge", "generator/pipeline"))
def noise(target: Target) -> Found:
    way: dict[str, Any] = {"steps": target.steps, "guidance": target.guidance}

    def hits(round_: int, eta: float) -> torch.Tensor:
        start, draws = target.noise(round_), target.draws(f"noise {eta}")
        x = denoise(target.pipe, target.prompt, start, eta=eta, draws=draws, **way)
        return target.hits(decode(target.pipe, x))

    noisy = [hits(0, eta) for eta in ETAS]
    plain = [hits(round_, 0.0) for round_ in range(len(ETAS))]
    detail = {f"eta {eta}": percent(found) for eta, found in zip(ETAS, noisy, strict=True)}
    return Found(percent(torch.stack(noisy).any(0)), percent(torch.stack(plain).any(0)), detail)
