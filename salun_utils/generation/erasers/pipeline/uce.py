"""Unified Concept Editing (Gandikota et al., WACV 2024): a closed form for the keys and values of
cross-attention, no training.

    W = ( W_o [ sum_i c*_i c_i^T + sum_j p_j p_j^T + l I ] ) ( sum_i c_i c_i^T + sum_j p_j p_j^T + l
    I )^-1

c_i are the concept's text vectors, c*_i those of the substitute, p_j those of the prompts to keep.
``tokens`` says at which places they are read: "all", every place after the start token, which is
the default, or "last-word", the last token of the words themselves. Departs from the authors, whose
current code takes the last word: a prompt's end and padding carry the concept as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ....units import numerics
from ..registry import eraser
from .forget_me_not import concept_tokens
from .loop import Job
from .settings import DATA, PLACES, WEIGHTS, both


@eraser(
    "uce",
    kinds=("pipeline",),
    summary="closed form that maps the concept's text to a substitute's",
    paper="Gandikota et al., WACV 2024",
    defaults=both(
        DATA
        | {"pictures": 0, "tokens": "all", "erase_scale": 1.0, "keep_scale": 1.0, "ridge": 0.5},
        {},
    ),
    search={"erase_scale": (0.1, 100.0), "keep_scale": (0.01, 10.0), "ridge": (0.001, 10.0)},
)
@numerics(1, uses=("eraser/pipeline",))
@torch.no_grad()
def uce(
    job: Job, *, tokens: str, erase_scale: float, keep_scale: float, ridge: float, **_: object
) -> tuple[None, list[float]]:
    concept, target, preserve = TOKENS[tokens](job)
    losses = []
    for name, weight in job.unet.named_parameters():
        if WEIGHTS["cross-attention-kv"](name):
            new = closed_form(
                weight.double(), concept, target, preserve, erase_scale, keep_scale, ridge
            )
            losses.append(float((concept @ new.T - target @ weight.double().T).square().mean()))
            weight.copy_(new.to(weight.dtype))
    return None, losses


def all_places(job: Job) -> tuple[Tensor, Tensor, Tensor]:
    """(concept, target, preserve), each (n, D): every place but the start token, which is the same
    in every prompt.
    """
    study = job.study
    steered = study.embeddings[study.substitutes] if study.substitutes else study.empty.words
    kept = study.embeddings[_kept(job)].flatten(0, 1)
    preserve = torch.cat([kept.double(), study.empty.words[0].double()])
    concept, target = study.embeddings[study.concept].double(), steered.double().mean(0)
    return concept[1:], target[1:], preserve


def last_words(job: Job) -> tuple[Tensor, Tensor, Tensor]:
    """(concept, target, preserve): one vector a prompt, at the last token of its words; of no
    prompt at its end token.
    """
    study = job.study
    empty = study.empty.words[:, 1].double()
    concept = _last_word(job, study.concept)[None]
    steered = [_last_word(job, c) for c in study.substitutes]
    target = torch.stack(steered).mean(0)[None] if steered else empty
    return concept, target, torch.cat([*(_last_word(job, c)[None] for c in _kept(job)), empty])


TOKENS = dict(zip(PLACES, (all_places, last_words), strict=True))


def _kept(job: Job) -> list[int]:
    return [i for i in range(len(job.study.prompts)) if i != job.study.concept]


def _last_word(job: Job, label: int) -> Tensor:
    study = job.study
    if not study.classes[label]:
        return study.embeddings[label, 1].double()
    places = concept_tokens(job.pipe.tokenizer, study.prompts[label], study.classes[label])
    return study.embeddings[label, places[-1]].double()


def closed_form(
    weight: Tensor,
    concept: Tensor,
    target: Tensor,
    preserve: Tensor,
    erase: float,
    keep: float,
    ridge: float,
) -> Tensor:
    """The weight (out, in) that maps each concept vector (n, in) as the old one maps its target,
    and moves `preserve` (m, in) least.
    """
    hold = keep * preserve.T @ preserve + ridge * torch.eye(
        weight.shape[1], dtype=weight.dtype, device=weight.device
    )
    left = weight @ (erase * target.T @ concept + hold)
    return torch.linalg.solve(erase * concept.T @ concept + hold, left, left=False)
