"""Retrain: train a fresh network on what is retained. The gold standard, and the price all others
are measured against.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..fitting.flops import counts_as
from ..models import create
from ..models.lora import anew
from ..seeds import derive
from ..units import numerics
from .job import Job
from .registry import method

PAPER_RECIPE = {"epochs": 182, "lr": 0.1, "schedule": "cosine"}


@method(
    "retrain",
    summary="train from fresh weights on the retained pictures only",
    paper=(
        "the definition of exact unlearning (Cao and Yang, 2015); settings of Fan et al., ICLR 2024"
    ),
    search={},
    defaults_from="ours: those the original was trained with, else the paper's",
    takes_mask=False,
)
@numerics(1, uses=("network", "training", "optimizer/sgd"))
def retrain(
    job: Job, *, epochs: int | None = None, lr: float | None = None, schedule: str | None = None
) -> nn.Module:
    """min CE(theta; D_r) from fresh weights. Settings left out are those the original was trained
    with, where `training.fit` noted them, else the paper's.

    Does not depart from the paper.
    """
    recipe = recipe_of(job.model, epochs=epochs, lr=lr, schedule=schedule)
    model: Any = fresh(job.model, job.seed).to(job.device)
    job.fit(job.split.retain, model=model, **recipe)
    model.fitted_with = recipe
    return model


def recipe_of(model: nn.Module, **given: Any) -> dict[str, Any]:
    """Keywords of `training.fit`: `given` ones that are not None, else those that `model` was
    trained with, where it noted them, else the paper's.
    """
    own = getattr(model, "fitted_with", {})
    return {**PAPER_RECIPE, **own, **{k: v for k, v in given.items() if v is not None}}


def fresh(model: Any, seed: int) -> nn.Module:
    """The same network with newly drawn weights; of one with adapters (`models.lora`) only theirs
    are, on the same frozen weights.

    Raises
    ------
    InputError : for a network that neither `models.create` made nor resets all its parameters by
        ``reset_parameters``.
    """
    if hasattr(model, "lora_recipe"):
        return counts_as(anew(model, seed), model)
    if hasattr(model, "recipe"):
        new = create(**{**model.recipe, "seed": derive(seed, "fresh weights")})
        return counts_as(new, model)
    new = copy.deepcopy(model)
    before = {n: p.detach().clone() for n, p in new.named_parameters()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "fresh weights"))
        reset = set()
        for path, module in new.named_modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
                reset |= {
                    f"{path}.{n}".lstrip(".") for n, _ in module.named_parameters(recurse=False)
                }
    missed = before.keys() - reset
    if missed:
        raise InputError(
            f"can't redraw {sorted(missed)[0]!r}: give the model's modules a reset_parameters(), or"
            " build it by models.create"
        )
    return new
