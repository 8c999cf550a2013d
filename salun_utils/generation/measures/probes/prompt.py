"""The concept's own prompt, as anyone would type it; the control draws without a prompt."""

from __future__ import annotations

from ....units import numerics
from .registry import Found, Target, probe


@probe(
    "prompt",
    summary="the concept's own prompt",
    control="no prompt",
    paper="",
)
@numerics(1, uses=("judge", "generator/pipeline"))
def prompt(target: Target) -> Found:
    noise = target.noise()
    own = target.share(target.sample([target.prompt] * len(noise), noise))
    return Found(own, target.share(target.sample([""] * len(noise), noise, guidance=1)))
