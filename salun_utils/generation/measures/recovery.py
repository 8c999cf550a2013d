"""Is the concept gone, or only its name? Two attacks on an erased pipeline, and none changes its
weights. `attack` runs both.

`invert_text` looks for a new word that makes the pipeline draw the concept again (textual
inversion, Gal et al., ICLR 2023). `invert_noise` uses no text at all: it runs a picture backwards
into noise and draws it again from there (after TINA).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import mse_loss

from ...data.images import Images
from ...errors import InputError
from ...seeds import generator
from ...units import numerics
from ..erasers.pipeline.encoded import encode_pictures, shuffled_batches
from ..models import pipelines
from ..models.families import text_encoders
from ..models.noising import goal, split, training_scheduler
from ..models.precision import in_float32
from ..models.text import encode_text, predict


@dataclass(frozen=True)
class Recovered:
    """Share of pictures in which the judge recognises the concept, in per cent.

    word : drawn with the learned word, from `pictures` noises. noise : drawn without text from
        inverted noises of as many real pictures.
    real : of those real pictures themselves, before they were inverted. steps : that the word was
        learned for.
    """

    word: float
    noise: float
    real: float
    pictures: int
    steps: int


@numerics(1, "metric/recovery", uses=("judge", "generator/pipeline"))
def attack(
    pipe,
    images: Images,
    judge,
    *,
    concept: str | int,
    steps: int = 150,
    count: int = 50,
    seed: int = 0,
    template: str = "a photo of a {}",
    sampling_steps: int | None = None,
    guidance: float | None = None,
) -> Recovered:
    """Run both attacks with real pictures of the concept, and let a judge say what came back.

    Parameters
    ----------
    images : pictures of the concept, best ones that nobody trained on; the word is learned from all
        of them, the first `count` are inverted.
    sampling_steps, guidance : as in `pipelines.sample`; what is drawn without text has no guidance.
    """
    label, some = judge.label(concept), images.subset(range(min(count, len(images))))

    def share(pixels: Tensor) -> float:
        return round(100 * float((judge(judge.fit(pixels)) == label).double().mean()), 2)

    word, _ = invert_text(pipe, images, template=template, steps=steps, seed=seed)
    by_word = pipelines.sample(
        pipe, word.expand(count, -1, -1), seed=seed, steps=sampling_steps, guidance=guidance
    )
    noise = invert_noise(pipe, some, steps=sampling_steps or 50)
    by_noise = pipelines.sample(
        pipe, [""] * len(some), noise=noise, steps=sampling_steps or 50, guidance=1
    )
    return Recovered(share(by_word), share(by_noise), share(some.pixels.cpu()), count, steps)


def invert_text(
    pipe,
    images: Images,
    *,
    template: str = "a photo of a {}",
    steps: int = 150,
    lr: float = 0.05,
    batch_size: int = 8,
    start: str = "",
    seed: int = 0,
) -> tuple[Tensor, list[float]]:
    """Learn one new word from pictures of a concept; the pipeline stays as it is.

    Only the word's vector at the entrance of the text model is trained, on the denoising loss of
    `images`.

    Parameters
    ----------
    images : pictures of the concept. start : a word whose first token's vector the search starts
        from; the mean of all vectors by default.

    Returns
    -------
    (embedding, losses) : text embedding (1, L, D) of the prompt with the new word, ready for
        `pipelines.sample`; the loss of each step.
    """
    if not len(images):
        raise InputError("there is no picture to learn the word from")
    if steps < 1 or not math.isfinite(lr) or lr <= 0:
        raise InputError(f"steps must be at least 1 and lr above 0, not {steps} and {lr}")
    pipe = in_float32(pipe)
    if len(text_encoders(pipe)) > 1:
        raise InputError(
            "a new word is learned for one text model; an SDXL pipeline has two, so it can't be"
            " attacked this way"
        )
    scheduler = training_scheduler(pipe.scheduler)
    word, embed = _new_word(pipe, template, start)
    latents = encode_pictures(pipe, images)
    draws = generator(seed, "invert text")
    batches = shuffled_batches(torch.arange(len(latents)), batch_size, draws=draws)
    optimizer, losses = torch.optim.Adam([word], lr), []
    with _frozen(pipe.unet, pipe.text_encoder):
        for _ in range(steps):
            x = latents[next(batches)].to(pipe.device)
            noise = torch.randn(x.shape, generator=draws).to(pipe.device)
            t = torch.randint(scheduler.config.num_train_timesteps, (len(x),), generator=draws).to(
                pipe.device
            )
            noisy, words = scheduler.add_noise(x, noise, t), embed().expand(len(x), -1, -1)
            out = pipe.unet(noisy, t, words).sample
            value = mse_loss(out, goal(scheduler, x, noise, t))
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            losses.append(value.item())
    return embed().detach(), losses


def _new_word(pipe: Any, template: str, start: str) -> tuple[Tensor, Callable[[], Tensor]]:
    """A vector to be trained, (D,), and the embedding (1, L, D) of the prompt in which it stands
    for a word, anew at each call.
    """
    text_encoder = pipe.text_encoder
    weight = text_encoder.get_input_embeddings().weight
    table = weight.detach()
    name = next(n for n, p in text_encoder.named_parameters() if p is weight)
    if start:
        vector = table[pipe.tokenizer(start, add_special_tokens=False).input_ids[0]]
    else:
        vector = table.mean(0)
    word = vector.clone().requires_grad_(True)
    ids = _ids_with_new_word(pipe.tokenizer, template, new=len(table)).to(pipe.device)

    def embed() -> Tensor:
        return functional_call(text_encoder, {name: torch.cat([table, word[None]])}, (ids,))[0]

    return word, embed


@contextlib.contextmanager
def _frozen(*modules: torch.nn.Module) -> Iterator[None]:
    """Inside, no parameter of these modules asks for a gradient; afterwards those do that did."""
    held = [p for module in modules for p in module.parameters() if p.requires_grad]
    for p in held:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in held:
            p.requires_grad_(True)


@torch.no_grad()
def invert_noise(pipe, images: Images, *, steps: int = 50) -> Tensor:
    """Start noise (N, C, h, w) from which the pipeline, given no text, draws these pictures again.

    The deterministic DDIM equation is run backwards without guidance, under the empty prompt.
    Sample from the result with
    ``pipelines.sample(pipe, [""] * N, noise=…, guidance=1, steps=steps)``. That a picture comes
    back shows that its latent is still within the model's reach; compare with a model that never
    learned the concept before calling it memory.
    """
    if steps < 1:
        raise InputError(f"steps must be at least 1, not {steps}")
    pipe = in_float32(pipe)
    scheduler = training_scheduler(pipe.scheduler)
    scheduler.set_timesteps(steps)
    bars = scheduler.alphas_cumprod.to(pipe.device)
    times = scheduler.timesteps.flip(0).to(pipe.device)  # from the picture to the noise
    x = encode_pictures(pipe, images).to(pipe.device)
    text = encode_text(pipe, [""]).expand(len(x))
    now = bars.new_tensor(1.0) if scheduler.config.set_alpha_to_one else bars[0]
    for t in times:
        clean, noise = split(scheduler, predict(pipe.unet, x, t, text), x, now)
        now = bars[t]
        x = now.sqrt() * clean + (1 - now).sqrt() * noise
    return x.cpu()


def _ids_with_new_word(tokenizer, template: str, *, new: int) -> Tensor:
    """Token ids (1, L) of the template with the new word's id in its gap."""
    before, _, after = template.partition("{}")
    ids = [*tokenizer(before.strip()).input_ids[:-1], new, *tokenizer(after.strip()).input_ids[1:]]
    return torch.tensor([ids + [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(ids))])
