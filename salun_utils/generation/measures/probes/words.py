"""Words before the prompt that make the erased pipeline draw the concept (UnlearnDiffAtk, Zhang et
al., ECCV 2024), found by gradients through the whole pipeline.

    min over p of  E || e(x_t | p c) - noise ||^2,   x_t from real pictures of the concept

"words" takes them from the text model's own vocabulary, so that they can be typed: a distribution
over it at each place, from which a word is drawn in every step; the gradient goes straight through,
and the distribution is projected onto the simplex. "vectors" searches among all vectors (the soft
attack of AdvUnlearn), by Adam from random words. The control puts random words before the prompt.
Departs from the authors: one prefix for all pictures, found from batches of them at random steps of
the noise, where theirs is one for each picture; the network's own goal (noise, velocity) stands for
the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import hardtanh, mse_loss, one_hot

from ....units import numerics
from ...erasers.pipeline.encoded import encode_pictures, shuffled_batches
from ...models.noising import goal, training_scheduler
from ...models.text import Text, predict
from ...prefix import check_one_text_model, read, vocabulary
from .registry import Found, Target, probe

BATCH = 8
# of Adam: over the vocabulary with decay, as the authors have it, and over vectors
WORDS: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.1}
VECTORS: dict[str, Any] = {"lr": 0.01}


@probe(
    "words",
    summary="words of the vocabulary before the prompt, found by gradients",
    control="random words before the prompt",
    paper="Zhang et al., ECCV 2024",
)
@numerics(1, uses=("judge", "generator/pipeline"))
def words(target: Target) -> Found:
    return searched(target, among_words)


@probe(
    "vectors",
    summary="vectors before the prompt, found by gradients",
    control="random words before the prompt",
    paper="Zhang et al., NeurIPS 2024",
)
@numerics(1, uses=("judge", "generator/pipeline"))
def vectors(target: Target) -> Found:
    return searched(target, among_vectors)


Search = Callable[[Target, Tensor, Tensor, Callable[[Tensor], Tensor]], tuple[Tensor, list[float]]]


def searched(target: Target, search: Search) -> Found:
    """What the found prefix makes the pipeline draw, and what a random one does."""
    check_one_text_model(target.pipe)
    encoder = target.pipe.text_encoder
    table = vocabulary(encoder).detach()
    ids = torch.randint(len(table), (target.prefix,), generator=target.draws("first words"))
    first = table[ids.to(table.device)]
    found, losses = search(target, table, first, loss_of(target))
    noise = target.noise()

    def share(prefix: Tensor) -> float:
        with torch.no_grad():
            text = read(target.pipe, encoder, target.prompt, prefix)
        return target.share(target.sample(text.expand(len(noise), -1, -1), noise))

    detail = {"first loss": round(losses[0], 5), "last loss": round(losses[-1], 5)}
    return Found(share(found), share(first), detail)


def loss_of(target: Target) -> Callable[[Tensor], Tensor]:
    """The denoising loss of the next batch of pictures behind a prefix (k, D)."""
    pipe, draws = target.pipe, target.draws("search")
    scheduler, latents = training_scheduler(pipe.scheduler), encode_pictures(pipe, target.images)
    batches = shuffled_batches(torch.arange(len(latents)), BATCH, draws=draws)

    def loss(prefix: Tensor) -> Tensor:
        x = latents[next(batches)].to(pipe.device)
        noise = torch.randn(x.shape, generator=draws).to(pipe.device)
        t = torch.randint(scheduler.config.num_train_timesteps, (len(x),), generator=draws)
        t = t.to(pipe.device)
        text = Text(read(pipe, pipe.text_encoder, target.prompt, prefix)).expand(len(x))
        out = predict(pipe.unet, scheduler.add_noise(x, noise, t), t, text)
        return mse_loss(out, goal(scheduler, x, noise, t))

    return loss


def among_words(
    target: Target, table: Tensor, first: Tensor, loss: Callable[[Tensor], Tensor]
) -> tuple[Tensor, list[float]]:
    """(vectors (k, D) of the likeliest words, losses), from the uniform distribution."""
    shares = torch.full((len(first), len(table)), 1 / len(table), device=table.device)
    shares.requires_grad_(True)
    optimizer, losses = torch.optim.Adam([shares], **WORDS), []
    draws = target.draws("drawn words")
    for _ in range(target.search_steps):
        ids = torch.multinomial(shares.detach().cpu(), 1, generator=draws).flatten()
        chosen = one_hot(ids, len(table)).to(table.device, table.dtype).requires_grad_(True)
        value = loss(chosen @ table)
        (gradient,) = torch.autograd.grad(value, [chosen])
        shares.grad = hardtanh(gradient)
        optimizer.step()
        shares.data = onto_simplex(shares.detach())
        losses.append(value.item())
    return table[shares.detach().argmax(1)], losses


def among_vectors(
    target: Target, table: Tensor, first: Tensor, loss: Callable[[Tensor], Tensor]
) -> tuple[Tensor, list[float]]:
    """(vectors (k, D), losses), from the first ones."""
    found = first.clone().requires_grad_(True)
    optimizer, losses = torch.optim.Adam([found], **VECTORS), []
    for _ in range(target.search_steps):
        value = loss(found)
        (found.grad,) = torch.autograd.grad(value, [found])
        optimizer.step()
        losses.append(value.item())
    return found.detach(), losses


def onto_simplex(rows: Tensor) -> Tensor:
    """The nearest shares, each row (V,) at least 0 and with the sum 1, to any rows (k, V)."""
    ordered = rows.sort(1, descending=True).values
    excess = ordered.cumsum(1) - 1
    count = torch.arange(1, rows.shape[1] + 1, device=rows.device)
    last = (ordered - excess / count > 0).sum(1, keepdim=True)
    return (rows - excess.gather(1, last - 1) / last).clamp(min=0)
