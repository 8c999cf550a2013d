"""AdvUnlearn (Zhang et al., NeurIPS 2024): ESD against words made up to get round it, in the text
model; the U-Net stays as it is.

    min  || e(x_t | p c) - [ e(x_t) - w (e(x_t | c) - e(x_t)) ] ||^2
         + r || e(x_t | k) - e_o(x_t | k) ||^2

p are the words that, before the prompt c, bring the prediction nearest to the original's own
e(x_t | c): vectors at the entrance of the text model, found anew in each step after the warm-up. k
are prompts to keep, x_t is drawn by the original. All layers of the text model and its last norm
change, its table of words doesn't. Departs from the authors: the search for p uses the step's own
x_t throughout, where theirs draws another in each of its steps; the prompts to keep are those of
the other classes, where theirs are of a list of objects.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ....errors import InputError
from ....seeds import generator
from ....training import TrainingDivergedError, use_bf16
from ....units import numerics
from ...models.precision import in_float32
from ...models.text import Text
from ...prefix import check_one_text_model, read, vocabulary
from ..registry import eraser
from .esd import partly_drawn
from .loop import Job
from .settings import DATA, both

_PAPER = DATA | {
    "pictures": 0,
    "steps": 1000,
    "lr": 1e-5,
    "batch_size": 1,
    "retain_batch": 5,
    "retain_weight": 0.3,
    "guidance": 1.0,
    "start_guidance": 3.0,
    "sample_steps": 50,
    "warmup": 200,
    "prefix": 1,
    "attack_steps": 30,
    "attack_lr": 1e-3,
    "precision": "auto",
}
_SMALL = {
    "steps": 60,
    "lr": 1e-3,
    "batch_size": 4,
    "retain_batch": 9,
    "retain_weight": 3.0,
    "sample_steps": 10,
    "warmup": 10,
    "attack_steps": 5,
    "attack_lr": 0.01,
}


@eraser(
    "advunlearn",
    kinds=("pipeline",),
    summary="ESD in the text model, against words made up to get round it",
    paper="Zhang et al., NeurIPS 2024",
    defaults=both(_PAPER, _SMALL),
    search={"lr": (1e-6, 1e-2), "retain_weight": (0.1, 10.0), "guidance": (0.5, 5.0)},
)
@numerics(1, uses=("eraser/pipeline",))
def advunlearn(
    job: Job,
    *,
    steps: int,
    lr: float,
    retain_batch: int,
    warmup: int,
    precision: str,
    **_: object,
) -> tuple[None, list[float]]:
    from diffusers import DDIMScheduler

    check_one_text_model(job.pipe)
    if len(job.study.prompts) < 2:
        raise InputError("advunlearn needs prompts to keep: pass data=…, whose classes give them")
    scheduler = DDIMScheduler.from_config(job.pipe.scheduler.config)
    scheduler.set_timesteps(job.options["sample_steps"])
    job.text_encoder = copy.deepcopy(in_float32(job.pipe, "text_encoder").text_encoder)
    job.unet.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(job.text_encoder), lr)
    draws, bf16 = generator(job.seed, "erasing"), use_bf16(precision, job.device)
    losses: list[float] = []
    for step in range(steps):
        with torch.autocast(job.device.type, torch.bfloat16, enabled=bf16):
            round_ = Round.drawn(job, scheduler, retain_batch, draws)
            words = found_words(job, round_, draws) if step >= warmup else None
            value = loss(job, round_, words)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        losses.append(value.item())
        if not torch.isfinite(value):
            raise TrainingDivergedError(f"the loss became {losses[-1]} in step {len(losses)}")
    return None, losses


def trained(text_encoder: nn.Module) -> list[nn.Parameter]:
    """The weights that change: layers and last norm; all others are closed to change."""
    for name, p in text_encoder.named_parameters():
        p.requires_grad_("encoder.layers." in name or "final_layer_norm" in name)
    return [p for p in text_encoder.parameters() if p.requires_grad]


@dataclass(frozen=True)
class Round:
    """What one step works on.

    Attributes
    ----------
    x, t : partly drawn latents of the concept. called, away : the original's prediction under the
        concept's prompt, and ESD's target.
    others : classes of the prompts to keep, one each of `kept_x`, at `kept_t`; kept : the
        original's prediction there.
    """

    x: Tensor
    t: Tensor
    called: Tensor
    away: Tensor
    others: Tensor
    kept_x: Tensor
    kept_t: Tensor
    kept: Tensor

    @classmethod
    @torch.no_grad()
    def drawn(cls, job: Job, scheduler, retain_batch: int, draws: torch.Generator) -> Round:
        study, count = job.study, job.options["batch_size"]
        pool = torch.tensor([i for i in range(len(study.prompts)) if i != study.concept])
        others = pool[torch.randint(len(pool), (retain_batch,), generator=draws)]
        concept = job.text(torch.full((count,), study.concept))
        both_ = Text.cat([concept, job.text(others)])
        x, t = partly_drawn(job, scheduler, both_, draws)
        kept = job.predict(job.frozen, x[count:], t[count:], both_[count:]).float()
        x_c, t_c = x[:count], t[:count]
        called = job.predict(job.frozen, x_c, t_c, concept).float()
        empty = job.predict(job.frozen, x_c, t_c, study.empty.expand(count)).float()
        away = empty - job.options["guidance"] * (called - empty)
        return cls(x_c, t_c, called, away, others, x[count:], t[count:], kept)


def found_words(job: Job, round_: Round, draws: torch.Generator) -> Tensor:
    """Vectors (k, D) of words that call the concept in spite of the changed text model: from random
    ones of its table, `attack_steps` of Adam.
    """
    table = vocabulary(job.text_encoder).detach()
    rows = torch.randint(len(table), (job.options["prefix"],), generator=draws)
    words = table[rows.to(table.device)].clone().requires_grad_(True)
    optimizer = torch.optim.Adam([words], job.options["attack_lr"])
    for _ in range(job.options["attack_steps"]):
        value = mse_loss(predicted(job, round_, words), round_.called)
        (words.grad,) = torch.autograd.grad(value, [words])
        optimizer.step()
    return words.detach()


def loss(job: Job, round_: Round, words: Tensor | None) -> Tensor:
    erased = mse_loss(predicted(job, round_, words), round_.away)
    text = Text(torch.cat(list(_read_each(job, round_.others.tolist()))))
    now = job.predict(job.unet, round_.kept_x, round_.kept_t, text).float()
    return erased + job.options["retain_weight"] * mse_loss(now, round_.kept)


def predicted(job: Job, round_: Round, words: Tensor | None) -> Tensor:
    """The U-Net's answer to the concept's prompt, as the changed text model reads it behind these
    words.
    """
    prompt = job.study.prompts[job.study.concept]
    text = read(job.pipe, job.text_encoder, prompt, _none(job) if words is None else words)
    return job.predict(job.unet, round_.x, round_.t, Text(text).expand(len(round_.x))).float()


def _none(job: Job) -> Tensor:
    table: Any = vocabulary(job.text_encoder)
    return table.detach()[:0]


def _read_each(job: Job, classes: list[int]) -> Iterable[Tensor]:
    """Each prompt as the changed text model reads it, once a class."""
    found = {
        c: read(job.pipe, job.text_encoder, job.study.prompts[c], _none(job)) for c in set(classes)
    }
    return [found[c] for c in classes]
