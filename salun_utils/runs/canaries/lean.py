"""Canaries of what does the same in less memory."""

from __future__ import annotations

import torch
from torch import nn

from ...lean import saliency_mask, step_as_ready
from ...saliency import SaliencyMask, saliency_scores
from . import canary, toy
from .figures import change, state


@canary("lean/mask")
def mask() -> dict:
    images, made = toy.pictures(21), dict[str, object]()
    for name, size, together in (("one batch", 21, None), ("three, in groups", 8, 50)):
        plain = SaliencyMask.top(saliency_scores(toy.network(), images, batch_size=size), 0.4)
        lean = saliency_mask(toy.network(), images, 0.4, batch_size=size, together=together)
        made |= {f"kept, {name}": lean.kept, f"that of the scores, {name}": lean == plain}
    return made


@canary("lean/step", touches=["data"])
def step() -> dict:
    model = toy.network().train()
    before = state(model)
    free = {n: toy.numbers(*p.shape, seed=8) > 0 for n, p in model.named_parameters()}
    x, y = next(iter(toy.pictures(16).batches(16)))
    with step_as_ready(
        model, SaliencyMask.from_bools(free), lambda p: torch.optim.AdamW(p, 0.01)
    ) as steps:
        for _ in range(3):
            nn.functional.cross_entropy(model(x), y).backward()
    return {"steps": steps.count, "moved": change(before, model)}
