"""A picture begun by the original and completed by the erased pipeline (Lu et al., NeurIPS 2025):
who erased the way to a concept may still know the rest of it.

The control completes the same beginnings without the prompt: what they show by themselves. Departs
from the authors, who hand over after the first one to three of fifty steps; here it is after a
quarter and, in the details, after half of them.
"""

from __future__ import annotations

import math
from typing import Any

from ....units import numerics
from .registry import Found, Target, probe
from .trajectory import decode, denoise

BEGUN = (0.25, 0.5)  # of the steps


@probe(
    "completion",
    summary="complete what the original began with a quarter of the steps",
    control="the same without the prompt",
    paper="Lu et al., NeurIPS 2025",
)
@numerics(1, uses=("judge", "generator/pipeline"))
def completion(target: Target) -> Found:
    detail: dict[str, float] = {}
    for part in BEGUN:
        at = min(max(math.ceil(part * target.steps), 1), target.steps - 1)
        way: dict[str, Any] = {"steps": target.steps, "guidance": target.guidance}
        begun = denoise(target.original, target.prompt, target.noise(), last=at, **way)
        for name, prompt, guidance in (
            ("prompt", target.prompt, target.guidance),
            ("none", "", 1.0),
        ):
            x = denoise(target.pipe, prompt, begun, steps=target.steps, guidance=guidance, first=at)
            detail[f"{name} after {part}"] = target.share(decode(target.pipe, x))
    first = BEGUN[0]
    return Found(detail[f"prompt after {first}"], detail[f"none after {first}"], detail)
