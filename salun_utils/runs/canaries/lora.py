"""Canaries of adapters."""

from __future__ import annotations

import torch

from ...models.lora import adapters, add_lora, anew
from . import canary, toy
from .figures import near


def adapted() -> torch.nn.Module:
    """The toy network with an adapter beside its linear layer, B away from 0."""
    model = add_lora(toy.network(), rank=2, alpha=3.0, targets=("fc",), also=("norm",), seed=1)
    with torch.no_grad():
        for i, layer in enumerate(adapters(model).values()):
            layer.lora_A.copy_(toy.numbers(*layer.lora_A.shape, seed=i))
            layer.lora_B.copy_(toy.numbers(*layer.lora_B.shape, seed=i + 1))
    return model


@canary("lora")
def lora() -> dict:
    x = toy.numbers(4, 1, toy.SIDE, toy.SIDE, seed=5)
    model = adapted()
    with torch.no_grad():
        logits = model(x)
    trained = sorted(n for n, p in model.named_parameters() if p.requires_grad)
    return {"trained": ", ".join(trained), "logits": near(logits.square().mean().sqrt(), 1e-4)}


@canary("lora/anew")
def new() -> dict:
    model = anew(adapted(), 3)
    (layer,) = adapters(model).values()
    spread = layer.lora_A.square().mean().sqrt()
    return {"B that is not 0": int(layer.lora_B.count_nonzero()), "spread of A": near(spread, 0.5)}
