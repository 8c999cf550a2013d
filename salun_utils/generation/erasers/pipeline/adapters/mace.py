"""MACE (Lu et al., CVPR 2024): keys and values of cross-attention in three steps, the first and the
last in closed form.

First the words around the concept are made to act as they do around a substitute, so that none of
them carries it:

    Wr = ( W [ sum_i s_i r_i^T + k P + l I ] ) ( sum_i r_i r_i^T + k P + l I )^-1

r_i and s_i are the vectors of the same word beside the concept and beside the substitute, P = sum_j
p_j p_j^T of the prompts to keep. Then an adapter D of low rank takes away the attention that the
concept's own tokens get in the concept's region R:

    min over D of  sum over layers || A[R, concept tokens] ||,   x_t from pictures of the concept

most at steps t from 200 to 400 of a thousand (``importance``), where a picture of the concept has
parted from those of others that share its words. Last, the adapters of all concepts go into one
weight, which answers each concept's vectors e as its own adapter would and the kept ones as the
original did:

    W' = ( sum_c (Wr + D_c) E_c + k W P + l Wr ) ( sum_c E_c + k P + l I )^-1,   E_c = sum e e^T

Departs from the authors: one concept a run, as all erasers here, though `fused` takes many. Without
a segmenter the region is where the original's own attention to the concept is above its mean over
the picture (``region="all"``: the whole picture). The words are read in ten sentences where theirs
are thirty, and what is steered to is the book's substitute. The start token, the same in every
prompt, counts as kept in the last step, where theirs counts as the concept's.

By default `ridge` is that of their objects, and `keep_scale` the weight of their kept names beside
one celebrity; theirs has no run with both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .....errors import InputError
from .....seeds import generator
from .....units import numerics
from ....models.precision import in_float32
from ....models.text import Text, encode_text
from ...registry import eraser
from ..encoded import prompt_of, shuffled_batches
from ..forget_me_not import concept_tokens, recorded_attention
from ..loop import Job
from ..settings import DATA, WEIGHTS, both
from ..uce import all_places, closed_form
from . import lowrank

SENTENCES = (
    "a drawing of {}",
    "a picture that shows {}",
    "a close view of {}",
    "{} seen from afar",
    "{} in the middle of a picture",
    "a painting with {} in it",
    "an old photograph of {}",
    "a poster with {} on it",
    "{} before a plain wall",
)
"""Read beside the job's own template."""

_PAPER = DATA | {
    "pictures": 8,
    "sentences": 10,
    "keep_scale": 0.8,
    "ridge": 1e3,
    "rank": 1,
    "steps": 50,
    "lr": 1e-5,
    "batch_size": 1,
    "clip": 1.0,
    "importance": True,
    "region": "attention",
    "precision": "auto",
}
# ours: the small tokenizer knows the words of one template only, and sixteen places
_SMALL = {"pictures": 128, "sentences": 1, "ridge": 0.5, "lr": 3e-3, "batch_size": 16}


@eraser(
    "mace",
    kinds=("pipeline",),
    summary="closed forms around one low-rank adapter that takes the concept's attention away",
    paper="Lu et al., CVPR 2024",
    defaults=both(_PAPER, _SMALL),
    search={"lr": (1e-6, 1e-1), "keep_scale": (0.01, 10.0), "ridge": (0.001, 1e4)},
)
@numerics(1, uses=("eraser/pipeline", "eraser/pipeline/uce", "erasing/low-rank"))
def mace(
    job: Job, *, sentences: int, keep_scale: float, ridge: float, **options: Any
) -> tuple[None, list[float]]:
    read = Sentences.read(job, sentences)
    preserve = all_places(job)[2]
    for _, weight in projections(job.unet):
        count = max(1, len(job.study.substitutes))
        new = closed_form(
            weight.double(), read.around, read.steered, preserve, 1 / count, keep_scale, ridge
        )
        weight.copy_(new.to(weight.dtype))
    added, losses = suppressed(job, read, **options)
    vectors = read.text.words[:, 1:].flatten(0, 1).double()
    before = dict(projections(job.frozen))
    for name, weight in projections(job.unet):
        refined, original = weight.double(), before[name].double()
        own = (vectors, refined + added[name.removesuffix(".weight")].delta())
        weight.copy_(fused(refined, original, [own], preserve, keep_scale, ridge))
    return None, losses


def projections(unet) -> Iterable[tuple[str, Tensor]]:
    """(name, weight (out, in)) of every key and value of cross-attention, without gradients."""
    for name, weight in unet.named_parameters():
        if WEIGHTS["cross-attention-kv"](name) and name.endswith(".weight"):
            yield name, weight.detach()


@dataclass(frozen=True)
class Sentences:
    """The concept in S sentences.

    Attributes
    ----------
    text : the S sentences as the U-Net reads them. places : of each, those of the concept's tokens
        and of the end token, which gathers the sentence.
    around, steered : (n, D) in double precision, vectors of the same word beside the concept and
        beside a substitute.
    """

    text: Text
    places: list[list[int]]
    around: Tensor
    steered: Tensor

    @classmethod
    def read(cls, job: Job, count: int) -> Sentences:
        if count > 1 + len(SENTENCES):
            raise InputError(f"sentences must be at most {1 + len(SENTENCES)}, not {count}")
        study = job.study
        templates = (job.options["template"], *SENTENCES)[:count]
        # without a class to steer to, the sentence without the concept
        names = [study.classes[c] for c in study.substitutes] or [""]
        concept = study.classes[study.concept]
        told = [prompt_of(concept, t) for t in templates]
        places = [_places(job.pipe.tokenizer, prompt, concept) for prompt in told]
        reading = in_float32(job.pipe, "text_encoder", "text_encoder_2")
        text = encode_text(reading, told)
        pairs = []
        for name in names:
            others = [" ".join(t.format(name.lower()).split()) for t in templates]
            words = encode_text(reading, others).words
            ids = zip(_ids(job.pipe.tokenizer, told), _ids(job.pipe.tokenizer, others), strict=True)
            for i, (old, new) in enumerate(ids):
                rows, matching = around(old, new, words.shape[1])
                pairs.append((text.words[i, rows].double(), words[i, matching].double()))
        return cls(text, places, *(torch.cat(side) for side in zip(*pairs, strict=True)))


def _ids(tokenizer, prompts: list[str]) -> list[list[int]]:
    return tokenizer(prompts, truncation=True, max_length=tokenizer.model_max_length).input_ids


def _places(tokenizer, prompt: str, concept: str) -> list[int]:
    end = len(_ids(tokenizer, [prompt])[0]) - 1
    return [*concept_tokens(tokenizer, prompt, concept), end]


def around(old: list[int], new: list[int], length: int) -> tuple[list[int], list[int]]:
    """Places of the words that two sentences share, in each: what stands before the place where
    they differ, and from behind it on to the end of `length` places, padding included.
    """
    least = min(len(old), len(new))
    head = next((i for i in range(least) if old[i] != new[i]), least)
    tail = next((i for i in range(least - head) if old[-1 - i] != new[-1 - i]), least - head)
    a, b = len(old) - tail, len(new) - tail
    left = range(length - max(a, b))
    return [*range(head), *(a + i for i in left)], [*range(head), *(b + i for i in left)]


def suppressed(
    job: Job,
    read: Sentences,
    *,
    rank: int,
    steps: int,
    lr: float,
    batch_size: int,
    clip: float,
    importance: bool,
    region: str,
    precision: str,
) -> tuple[dict[str, lowrank.Adapter], list[float]]:
    """The adapter (layer -> its part) that takes the attention away, and the loss of each step."""
    draws = generator(job.seed, "erasing")
    names = {name.removesuffix(".weight") for name, _ in projections(job.unet)}
    added = lowrank.adapters(
        job.unet, names.__contains__, rank=rank, std=lambda _: 1 / rank, draws=draws
    )
    pictures = shuffled_batches(job.study.forget, batch_size, draws=generator(job.seed, "forget"))
    scheduler = job.pipe.scheduler
    total = scheduler.config.num_train_timesteps
    with recorded_attention(job.unet) as maps, recorded_attention(job.frozen) as whole:

        def loss() -> Tensor:
            x = job.latents(next(pictures))
            noise = torch.randn(x.shape, generator=draws).to(job.device)
            t = timesteps(len(x), total, draws, importance=importance).to(job.device)
            x = scheduler.add_noise(x, noise, t)
            one = int(torch.randint(len(read.text), (1,), generator=draws))
            text, places = read.text[one : one + 1].expand(len(x)), read.places[one]
            maps.clear()
            whole.clear()
            if region == "attention":
                with torch.no_grad():
                    job.predict(job.frozen, x, t, text)
            job.predict(job.unet, x, t, text)
            return attention(maps, places, len(x), whole if region == "attention" else None)

        losses = lowrank.train(job, added, loss, steps=steps, lr=lr, precision=precision, clip=clip)
    return added, losses


def timesteps(count: int, total: int, draws: torch.Generator, *, importance: bool = True) -> Tensor:
    """(count,) steps of the noise, of `total`: most from 200 to 400 in a thousand, or all alike.

    Source: the paper's concept-focal importance sampling, with the slope of the authors' code.
    """
    t = torch.arange(total) * 1000 / total
    weight = torch.sigmoid(0.05 * (t - 200)) - torch.sigmoid(0.05 * (t - 400))
    weight = weight if importance else torch.ones(total)
    return torch.multinomial(weight, count, replacement=True, generator=draws)


def attention(
    maps: Sequence[Tensor], places: list[int], count: int, whole: Sequence[Tensor] | None
) -> Tensor:
    """Sum over layers of the norm of what these places are paid, a mean over the `count` pictures.

    Parameters
    ----------
    maps : of each layer (count * heads, pixels, tokens). whole : those of the original, which say
        where the concept is; None for everywhere.
    """
    total: Tensor | float = 0.0
    for i, layer in enumerate(maps):
        paid = layer[:, :, places].float().unflatten(0, (count, -1))
        if whole is not None:
            paid = paid * where(whole[i][:, :, places].float().unflatten(0, (count, -1)))
        total = total + torch.linalg.vector_norm(paid, dim=(1, 2, 3)).mean()
    return torch.as_tensor(total)


def where(paid: Tensor) -> Tensor:
    """Where the attention of all heads to all places (B, heads, pixels, places) is at least its
    mean over the picture: (B, 1, pixels, 1) of 0 and 1.
    """
    mean = paid.mean((1, 3), keepdim=True)
    return (mean >= mean.mean(2, keepdim=True)).float()


def fused(
    refined: Tensor,
    original: Tensor,
    updates: Sequence[tuple[Tensor, Tensor]],
    preserve: Tensor,
    keep: float,
    ridge: float,
) -> Tensor:
    """One weight (out, in) for all concepts.

    Parameters
    ----------
    updates : of each concept its vectors (n, in) and the weight with its own adapter.
    preserve : (m, in), answered as by `original`; `ridge` holds the rest at `refined`.
    """
    hold = keep * preserve.T @ preserve
    still = ridge * torch.eye(refined.shape[1], dtype=refined.dtype, device=refined.device)
    left, right = original @ hold + refined @ still, hold + still
    for vectors, weight in updates:
        gram = vectors.T @ vectors
        left, right = left + weight @ gram, right + gram
    return torch.linalg.solve(right, left, left=False)
