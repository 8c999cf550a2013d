"""Canaries of the methods of unlearning: each on the same small network and cut."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...unlearning import METHODS, unlearn
from ...unlearning.sisa import Ensemble
from . import canary, toy
from .figures import STEPS, bits, change, holds, near, projected, some, state

SETTINGS: dict[str, Any] = {"batch_size": 16, "weight_decay": 0.01, "precision": "float32"}
FEW: dict[str, Any] = {"epochs": 2, "samples": 20, "max_epochs": 1}
FEW |= {"noise_size": 12, "noise_repeats": 2, "noise_steps": 5, "shards": 3}
# learning rates that move a network of 187 weights in ten steps without tearing it
RATES = {"ga": 0.01, "bs": 0.01, "be": 0.02, "unsir": 0.01}

FRESH = ("retrain", "sisa")  # with the paper's recipe, as the network notes none


@canary("unlearning", touches=["method/original", "method/ft", "mask/random", "masking"])
def unlearning() -> dict:
    model, cut = toy.network(), toy.split()
    before = state(model)
    result = unlearn("original", model, cut, seed=3)
    drawn = unlearn(
        "ft", model, cut, seed=3, mask="random", keep=0.25, epochs=1, lr=0.05, **SETTINGS
    )
    return {
        "unchanged": change(before, result.model),
        "one passed in": change(before, model),
        "parameters": holds(drawn.params),
        "mask": bits(some(drawn.mask)),
        "fine-tuned": change(before, drawn.model),
    }


def method(name: str):
    def made() -> dict:
        model = toy.network()
        before = state(model)
        defaults = METHODS[name].defaults
        few = {k: v for k, v in FEW.items() if k in defaults}
        few |= {"lr": RATES.get(name, 0.05)} if "lr" in defaults else {}
        result = unlearn(name, model, toy.split(), seed=3, keep=0.3, **few, **SETTINGS)
        return {
            "defaults": holds(METHODS[name].defaults),
            "mask": "none" if result.mask is None else bits(result.mask),
            **moved(before, result.model),
        }

    return made


def moved(before: dict[str, Tensor], model: nn.Module) -> dict[str, Any]:
    """How far the weights have moved; those of all members of an ensemble, and what it answers."""
    if not isinstance(model, Ensemble):
        return {"moved": change(before, model)}
    members = [state(member) for member in model.members]
    gone = {f"{i} {n}": t - before[n] for i, m in enumerate(members) for n, t in m.items()}
    x, _ = next(toy.pictures(6, seed=4).batches(6))
    with torch.no_grad():
        answers = model(x)
    return {
        "moved": projected(gone),
        "answers": near(answers, STEPS),
        "shards touched": model.shards_touched,
    }


def touched(name: str) -> list[str]:
    """What a method's canary runs besides the method."""
    rule = METHODS[name].mask
    masked = ["masking", "masks", f"mask/{rule}"] if rule else []
    return ["unlearning", *masked, *(["schedule/cosine"] if name in FRESH else [])]


for _name in METHODS:
    canary(f"method/{_name}", touches=touched(_name))(method(_name))
