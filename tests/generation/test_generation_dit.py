"""The transformer that draws: the straight path from picture to noise, and erasing from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from salun_utils import generation
from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.generation.models.diffusion.dit import DiT, DiTConfig
from salun_utils.generation.models.diffusion.training import (
    PRESETS,
    TrainConfig,
    build,
    denoising_loss,
    preset,
    train,
)
from salun_utils.seeds import generator

TINY = DiTConfig(
    name="tiny", classes=("a", "b", "c"), image=(1, 7, 7), size=8, width=16, heads=2, layers=2
)
QUICK = {"steps": 3, "lr": 1e-3, "batch": 4}
ERASERS = {
    "salun": QUICK,
    "rl": QUICK,
    "ga": QUICK,
    "selective-amnesia": QUICK | {"fisher_samples": 2, "fisher_steps": 2, "replay": 4},
    "erasediff": QUICK,
}


@pytest.fixture(scope="module")
def images() -> Images:
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (30, 1, 7, 7), generator=draws, dtype=torch.uint8)
    return Images(pixels, torch.arange(30) % 3)


@pytest.fixture(scope="module")
def model(images) -> DiT:
    """A few steps old: as it is made, it answers 0 to everything."""
    config = TrainConfig(steps=30, batch=16, lr=3e-3, warmup=5, ema=0.5)
    return train(DiT(TINY, seed=1), images, config, precision="float32")[0].requires_grad_(True)


def weights(model) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[n], b[n]) for n in a)


# -- the path --------------------------------------------------------------------------


def test_the_path_is_straight_and_its_velocity_leads_back():
    model = DiT(TINY)
    z, noise = torch.randn(3, 1, 8, 8), torch.randn(3, 1, 8, 8)
    t = torch.tensor([0, 499, 999])
    z_t, v = model.noised(z, noise, t), model.target(z, noise, t)
    assert torch.allclose(z_t[2], noise[2]) and torch.allclose(z_t[1], (z[1] + noise[1]) / 2)
    share = torch.tensor([0.001, 0.5, 1.0]).view(-1, 1, 1, 1)
    assert torch.allclose(z_t - share * v, z, atol=1e-6)
    schedule = model.scheduler()
    theirs = schedule.scale_noise(z[1:], torch.tensor([500.0, 1000.0]), noise[1:])
    assert torch.allclose(theirs, z_t[1:], atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_point_mass_is_drawn_exactly_in_any_number_of_steps(steps, monkeypatch):
    """Where every picture is z*, the velocity at z_σ is (z_σ - z*) / σ: a straight line to it."""
    model, star = DiT(TINY), torch.linspace(-0.9, 0.9, 64).view(1, 1, 8, 8)
    monkeypatch.setattr(
        DiT, "answer", lambda self, z, t, c: (z - star) / (t / 1000).view(-1, 1, 1, 1)
    )
    out = model.sample([0, 1], guidance=0, steps=steps)
    assert (out.int() - model.decode(star).int()).abs().max() <= 1


def test_steps_of_training_and_times_of_sampling_agree(model):
    z = torch.randn(2, 1, 8, 8)
    at_step = model(z, torch.tensor([499, 999]), torch.tensor([0, 3]))
    at_time = model.answer(z, torch.tensor([500, 1000]), torch.tensor([0, 3]))
    assert torch.equal(at_step, at_time) and at_step.shape == z.shape


def test_an_untrained_one_answers_nothing_and_a_trained_one_less_wrongly(images, model):
    fresh, z = DiT(TINY, seed=1), torch.randn(4, 1, 8, 8)
    assert not fresh(z, torch.arange(4), torch.arange(4) % 3).any()
    z = model.encode(images.pixels / 255)
    losses = [denoising_loss(m, z, images.labels, rng=generator(0)) for m in (fresh, model)]
    assert losses[1] < 0.9 * losses[0]


def test_labels_are_never_dropped_from_the_global_stream(model):
    model.train()
    torch.manual_seed(0)
    z, c = torch.randn(64, 1, 8, 8), torch.zeros(64, dtype=torch.long)
    state = torch.get_rng_state()
    out = model(z, torch.arange(64), c)
    again = model(z, torch.arange(64), c)
    model.eval()
    assert torch.equal(out, again) and torch.equal(state, torch.get_rng_state())


# -- files and names -------------------------------------------------------------------


def test_save_and_load_give_the_same_pictures(model, tmp_path):
    again = generation.load(model.save(tmp_path / "m"))
    assert isinstance(again, DiT) and generation.kind_of(again) == "dit"
    assert torch.equal(again.sample([0, 1], seed=2), model.sample([0, 1], seed=2))
    assert generation.kind_named(tmp_path / "m") == "dit" == generation.kind_named("out/dit-mine")


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda m: replace(TINY, width=15), "width must be a multiple of heads"),
        (lambda m: replace(TINY, size=9), "size must be a multiple of 4"),
        (lambda m: m.sample([0], scheduler="dpm"), "unknown scheduler 'dpm'"),
        (lambda m: m.sample([0], steps=0), "steps"),
        (lambda m: generation.erase("uce", m, concept="a"), "doesn't work on a dit"),
        (lambda m: generation.erase("salun", m, concept="d"), "unknown class"),
        (lambda m: preset("dit-fashon"), "did you mean 'dit-fashion'"),
    ],
)
def test_bad_input_is_one_line(model, call, says):
    with pytest.raises(InputError, match=says) as error:
        call(model)
    assert "\n" not in str(error.value)


def test_its_preset_is_small_enough_to_ship():
    config, _ = preset("dit-fashion")
    count = sum(p.numel() for p in build(config).parameters())
    assert 2 * count < 6_000_000  # bytes in half precision


# -- erasing ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ERASERS)
def test_the_model_passed_in_is_unchanged_and_the_seed_decides(model, images, name):
    before = weights(model)
    first, again, other = (
        generation.erase(name, model, concept="b", seed=seed, data=images, **ERASERS[name])
        for seed in (2, 2, 3)
    )
    assert same(before, weights(model)) and same(weights(first.model), weights(again.model))
    assert not same(weights(first.model), weights(other.model))
    assert not same(before, weights(first.model))


@pytest.mark.parametrize("rule", ["saliency", "random", "inverted", "magnitude"])
def test_weights_outside_the_mask_are_bit_identical(model, images, rule):
    erased = generation.erase(
        "salun", model, concept="a", data=images, mask=rule, keep=0.3, **QUICK
    )
    assert erased.mask is not None and abs(erased.mask.density - 0.3) < 1e-3
    old, changed = weights(model), 0
    for name, p in erased.model.named_parameters():
        moved = p != old[name]
        assert not (moved & ~erased.mask[name]).any()
        changed += int(moved.sum())
    assert changed > 0


def test_no_gradient_reaches_another_class_of_its_own_weights(model, images):
    """Each block looks the class up: the rows of other classes have no say in this one's loss."""
    from salun_utils.generation.erasers.diffusion.salun import saliency

    found = saliency(model, images.subset((images.labels == 1).nonzero().flatten()))
    tables = {n: s for n, s in found.items() if "embedding_table" in n}
    assert tables
    for scores in tables.values():
        assert scores[1].any() and not scores[[0, 2, 3]].any()


def test_retrain_is_of_the_same_kind_and_never_sees_the_class(images, retrained_on, monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", (TINY, TrainConfig(steps=2, batch=4)))
    erased = generation.erase("retrain", DiT(TINY), concept="b", data=images)
    assert set(retrained_on[0].tolist()) == {0, 2} and isinstance(erased.model, DiT)
