"""RECE (Gong et al., ECCV 2024): UCE, then the words that would still call the concept, found in
closed form, are erased as well.

    c' = ( sum_i W_i^T W_i + l I )^-1 ( sum_i W_i^T Wo_i ) c

W_i are the edited keys and values of all cross-attention layers, Wo_i the original ones: c' is what
the edited layers answer most nearly as the original ones answered the concept c, and l =
`derive_ridge` keeps it short. Each round finds c' anew and maps it as UCE mapped c. Departs from
the authors: the target is UCE's (a substitute class) where theirs is no prompt, the prompts to keep
are those of all other classes where their scripts keep none but the empty one, and the number of
rounds is fixed where theirs stop by a classifier.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ....units import numerics
from ..registry import eraser
from .loop import Job
from .settings import DATA, WEIGHTS, both
from .uce import TOKENS, closed_form, uce


@eraser(
    "rece",
    kinds=("pipeline",),
    summary="UCE, and then the closed-form words that would still call the concept",
    paper="Gong et al., ECCV 2024",
    defaults=both(
        DATA
        | {
            "pictures": 0,
            "tokens": "all",
            "erase_scale": 1.0,
            "keep_scale": 0.1,
            "ridge": 0.1,
            "derive_ridge": 1e-3,
            "rounds": 1,
        },
        {"keep_scale": 1.0, "ridge": 0.5},
    ),
    search={
        "derive_ridge": (1e-3, 10.0),
        "keep_scale": (0.01, 10.0),
        "ridge": (0.001, 10.0),
        "rounds": [1, 2, 3, 5],
    },
)
@numerics(1, uses=("eraser/pipeline", "eraser/pipeline/uce"))
@torch.no_grad()
def rece(
    job: Job,
    *,
    tokens: str,
    erase_scale: float,
    keep_scale: float,
    ridge: float,
    derive_ridge: float,
    rounds: int,
    **_: object,
) -> tuple[None, list[float]]:
    scales = {"erase_scale": erase_scale, "keep_scale": keep_scale, "ridge": ridge}
    _, losses = uce(job, tokens=tokens, **scales)
    concept, target, preserve = TOKENS[tokens](job)
    for _round in range(rounds):
        found = derived(list(projections(job)), concept, derive_ridge)
        for _, weight in projections(job):
            old = weight.double()
            new = closed_form(old, found, target, preserve, erase_scale, keep_scale, ridge)
            losses.append(float((found @ new.T - target @ old.T).square().mean()))
            weight.copy_(new.to(weight.dtype))
    return None, losses


def projections(job: Job) -> Iterator[tuple[Tensor, Tensor]]:
    """(original, edited) weight (out, in) of every key and value of cross-attention."""
    before = dict(job.frozen.named_parameters())
    for name, weight in job.unet.named_parameters():
        if WEIGHTS["cross-attention-kv"](name):
            yield before[name], weight


def derived(pairs: list[tuple[Tensor, Tensor]], concept: Tensor, ridge: float) -> Tensor:
    """The vectors (n, in) that the edited weights answer most nearly as the original ones answered
    `concept` (n, in): least squares over all layers, `ridge` times the squared length added.
    """
    width = concept.shape[1]
    own = ridge * torch.eye(width, dtype=concept.dtype, device=concept.device)
    cross = torch.zeros_like(own)
    for before, after in pairs:
        new = after.double()
        own += new.T @ new
        cross += new.T @ before.double()
    return torch.linalg.solve(own, cross @ concept.T).T
