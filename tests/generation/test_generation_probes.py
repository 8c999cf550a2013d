"""Probes of an erased pipeline: the way from noise to a picture, what each one is about and what
its control leaves out, and what stays as it was.
"""

from __future__ import annotations

import pytest
import torch
from tiny_pipelines import CLASSES, TINY

pytest.importorskip("diffusers")

from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.generation import prefix
from salun_utils.generation.erasers.pipeline.encoded import encode_pictures
from salun_utils.generation.measures import probes
from salun_utils.generation.measures.probes import completion, inpainting, trajectory, words
from salun_utils.generation.models import mini_sd, pipelines

FEW = {"count": 3, "steps": 3, "guidance": 2.0, "search_steps": 2, "prefix": 2}


class Judge:
    """Sees one class in every picture, or what `answer` makes of the pictures."""

    classes = CLASSES

    def __init__(self, answer=0):
        self.answer = answer

    def label(self, concept):
        return CLASSES.index(concept)

    def fit(self, pixels):
        assert pixels.dtype == torch.uint8
        return pixels

    def __call__(self, pixels):
        if callable(self.answer):
            return self.answer(pixels)
        return torch.full((len(pixels),), self.answer)


@pytest.fixture(scope="module")
def pipe():
    made = mini_sd.build(CLASSES, **TINY)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def images():
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (4, 1, 28, 28), dtype=torch.uint8, generator=draws)
    return Images(pixels, torch.zeros(4, dtype=torch.int64))


def target(pipe, images, judge=None, original=None, **changes):
    about = {"concept": "Circle", "template": "a photo of a {}", **FEW, **changes}
    return probes.Target.of(pipe, original or pipe, images, judge or Judge(), **about)


# -- the way


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_without_noise_it_is_the_pipelines_own_way(pipe, guidance):
    noise = pipelines.fixed_noise(pipe, 2, seed=1)
    prompt = "a photo of a square"
    own = pipelines.sample(pipe, [prompt] * 2, noise=noise, steps=4, guidance=guidance)
    x = trajectory.denoise(pipe, prompt, noise, steps=4, guidance=guidance)
    assert (own.int() - trajectory.decode(pipe, x).int()).abs().max() <= 1


def test_a_way_can_be_broken_off_and_gone_on_with(pipe):
    noise = pipelines.fixed_noise(pipe, 2, seed=1)
    way = {"steps": 4, "guidance": 2.0}
    begun = trajectory.denoise(pipe, "a circle", noise, last=2, **way)
    ended = trajectory.denoise(pipe, "a circle", begun, first=2, **way)
    assert torch.allclose(ended, trajectory.denoise(pipe, "a circle", noise, **way), atol=1e-5)


def test_the_noise_of_a_step_by_hand(pipe):
    """One step of two, from signal share a to a', with the network's answer put in by hand."""
    noise = pipelines.fixed_noise(pipe, 1, seed=2)
    draws, same = (torch.Generator().manual_seed(5) for _ in range(2))
    x = trajectory.denoise(
        pipe, "a circle", noise, steps=2, guidance=1.0, last=1, eta=1.5, draws=draws
    )
    scheduler = trajectory.training_scheduler(pipe.scheduler)
    scheduler.set_timesteps(2)
    a, b = (scheduler.alphas_cumprod[t] for t in scheduler.timesteps)
    with torch.no_grad():
        text = pipelines.encode(pipe, ["a circle"])
        v = pipe.unet(noise, scheduler.timesteps[0], text).sample
    clean, e = a.sqrt() * noise - (1 - a).sqrt() * v, a.sqrt() * v + (1 - a).sqrt() * noise
    s = 1.5 * ((1 - b) / (1 - a) * (1 - a / b)).sqrt()
    by_hand = b.sqrt() * clean + (1 - b - s**2).abs().sqrt() * e
    by_hand = by_hand + s * torch.randn(noise.shape, generator=same)
    assert torch.allclose(x, by_hand, atol=1e-4)


# -- what all of them do


@pytest.mark.parametrize("name", probes.PROBES)
def test_each_counts_what_the_judge_sees_and_leaves_the_pipelines(pipe, images, name):
    before = {
        (part, n): p.detach().clone()
        for part in ("unet", "text_encoder", "vae")
        for n, p in getattr(pipe, part).named_parameters()
    }
    always = probes.run(name, target(pipe, images))
    never = probes.run(name, target(pipe, images, Judge(1)))
    assert always.recognised == always.control == 100 and never.recognised == never.control == 0
    again = probes.run(name, target(pipe, images))
    assert again == always and all(isinstance(v, float) for v in always.detail.values())
    for (part, n), value in before.items():
        now = getattr(pipe, part).get_parameter(n)
        assert torch.equal(value, now) and now.requires_grad and now.grad is None
    described = probes.PROBES[name]
    assert described.summary and described.control


def test_what_cannot_be_asked_is_refused(pipe, images, sdxl):
    with pytest.raises(InputError, match="did you mean 'prompt'"):
        probes.run("promt", target(pipe, images))
    with pytest.raises(InputError, match="no picture of the concept"):
        target(pipe, images.subset([]))
    for bad in ({"count": 0}, {"steps": 0}, {"guidance": -1.0}, {"search_steps": 0}, {"prefix": 0}):
        with pytest.raises(InputError, match="at least"):
            target(pipe, images, **bad)
    for name in ("words", "vectors", "word"):
        with pytest.raises(InputError, match="two"):
            probes.run(name, target(sdxl, images))
    with pytest.raises(InputError, match="shorter prefix"):
        probes.run("words", target(pipe, images, prefix=40))


# -- what each is about


def test_any_strength_counts_and_as_many_plain_tries(pipe, images):
    """A judge that knows one picture of the noisy way and none of the plain one."""
    calls = []

    def answer(pixels):
        calls.append(pixels)
        return torch.tensor([0 if len(calls) == 2 and i == 1 else 2 for i in range(len(pixels))])

    found = probes.run("noise", target(pipe, images, Judge(answer)))
    assert len(calls) == 6 and found.recognised == pytest.approx(33.33) and found.control == 0
    assert list(found.detail.values()) == [0, pytest.approx(33.33), 0]
    plain = calls[3:]
    assert not torch.equal(plain[0], plain[1]) and not torch.equal(calls[0], plain[0])


def test_the_original_begins_and_the_erased_completes(pipe, images, monkeypatch):
    other, seen = mini_sd.build(CLASSES, seed=9, **TINY), []
    real = completion.denoise

    def spy(model, prompt, x, **way):
        seen.append((model is other, prompt, way.get("first", 0), way.get("last")))
        return real(model, prompt, x, **way)

    monkeypatch.setattr(completion, "denoise", spy)
    probes.run("completion", target(pipe, images, original=other, steps=8))
    prompt = "a photo of a circle"
    assert seen == [
        (True, prompt, 0, 2),
        (False, prompt, 2, None),
        (False, "", 2, None),
        (True, prompt, 0, 4),
        (False, prompt, 4, None),
        (False, "", 4, None),
    ]


def test_the_rim_that_was_given_is_the_rim_that_comes_out(pipe, images, monkeypatch):
    latents, kept = encode_pictures(pipe, images.subset(range(3))), []
    monkeypatch.setattr(inpainting, "decode", lambda pipe, x: kept.append(x) or torch.zeros(1))
    inpainting._completed(target(pipe, images), latents, "a circle", 2.0)
    hidden = inpainting.middle(8, 8)
    assert hidden.sum() == 16 and hidden[2:6, 2:6].all()
    assert torch.allclose(kept[0][..., ~hidden], latents[..., ~hidden], atol=1e-5)
    assert not torch.allclose(kept[0][..., hidden], latents[..., hidden], atol=1e-2)


def test_the_blank_picture_has_a_black_square(pipe, images):
    seen = []
    judge = Judge(lambda pixels: seen.append(pixels) or torch.zeros(len(pixels)))
    probes.run("inpainting", target(pipe, images, judge))
    blank, real = seen[0], seen[1]
    if not torch.equal(real, images.subset(range(3)).pixels):
        blank, real = seen[-2], seen[-1]
    assert (blank[..., 7:21, 7:21] == 0).all()
    assert torch.equal(blank[..., :7, :], real[..., :7, :]) and len(seen) == 4


def test_the_nearest_shares_by_hand():
    rows = torch.tensor([[2.0, 0.0, 0.0], [0.2, 0.3, 0.5], [0.6, 0.6, -1.0], [1.0, 1.0, 1.0]])
    wanted = torch.tensor([[1.0, 0, 0], [0.2, 0.3, 0.5], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert torch.allclose(words.onto_simplex(rows), wanted, atol=1e-6)


def test_found_words_can_be_typed_and_the_search_finds_a_planted_one(pipe, images):
    """A loss that only one word lowers is found, and its vector is that word's."""
    about = target(pipe, images, search_steps=60, prefix=1)
    table = prefix.vocabulary(about.pipe.text_encoder).detach()
    goal = table[7]

    def loss(chosen):
        return 100 * (chosen - goal).square().sum()

    found, losses = words.among_words(about, table, table[:1], loss)
    assert any(torch.equal(found[0], row) for row in table) and len(losses) == 60
    free, losses = words.among_vectors(about, table, table[:1], loss)
    assert losses[-1] < losses[0] and not any(torch.equal(free[0], row) for row in table)
    assert torch.equal(found[0], goal)
