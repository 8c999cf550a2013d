"""The conditional DDPM: its arithmetic, its training, and what erasing a class may and may not
change.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from salun_utils import generation
from salun_utils.data.images import Images
from salun_utils.errors import InputError, NothingChangedWarning
from salun_utils.generation.erasers.common import draw, substitutes
from salun_utils.generation.erasers.diffusion import selective_amnesia
from salun_utils.generation.erasers.diffusion.salun import saliency
from salun_utils.generation.erasers.diffusion.selective_amnesia import fisher_information
from salun_utils.generation.models.diffusion.ddpm import DDPM, DDPMConfig
from salun_utils.generation.models.diffusion.training import (
    PRESETS,
    TrainConfig,
    denoising_loss,
    train,
)
from salun_utils.masking import hold
from salun_utils.saliency import SaliencyMask
from salun_utils.seeds import generator

TINY = DDPMConfig(
    name="tiny",
    classes=("a", "b", "c"),
    image=(1, 8, 8),
    size=8,
    unshuffle=2,
    widths=(8, 16),
    groups=4,
    head=8,
)
QUICK = {"steps": 3, "lr": 1e-3, "batch": 4}


@pytest.fixture(scope="module")
def images() -> Images:
    draws = torch.Generator().manual_seed(0)
    return Images(
        torch.randint(0, 256, (30, 1, 8, 8), generator=draws, dtype=torch.uint8),
        torch.arange(30) % 3,
    )


@pytest.fixture
def model() -> DDPM:
    return DDPM(TINY, seed=1).eval()


def weights(model) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[n], b[n]) for n in a)


# -- the model -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image, size, unshuffle", [((1, 28, 28), 32, 4), ((3, 9, 7), 12, 2), ((1, 8, 8), 8, 1)]
)
def test_decode_inverts_encode(image, size, unshuffle):
    model = DDPM(replace(TINY, image=image, size=size, unshuffle=unshuffle))
    pixels = torch.randint(
        0, 256, (5, *image), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    z = model.encode(pixels / 255)
    assert tuple(z.shape[1:]) == model.latent_shape and z.min() >= -1 and z.max() <= 1
    assert torch.equal(model.decode(z), pixels)


def test_velocity_and_noise_give_back_the_picture():
    model = DDPM(TINY)
    z, noise, t = torch.randn(4, 4, 4, 4), torch.randn(4, 4, 4, 4), torch.tensor([0, 300, 700, 999])
    z_t, v = model.noised(z, noise, t), model.target(z, noise, t)
    a = model.alpha_bar[t].view(-1, 1, 1, 1)
    assert torch.allclose(a.sqrt() * z_t - (1 - a).sqrt() * v, z, atol=1e-5)
    assert torch.allclose(model.schedule.get_velocity(z, noise, t), v, atol=1e-6)
    assert torch.allclose(model.schedule.add_noise(z, noise, t), z_t, atol=1e-6)
    epsilon = DDPM(replace(TINY, prediction="epsilon"))
    assert torch.equal(epsilon.target(z, noise, t), noise)


def test_same_seed_same_bytes_and_either_half_of_a_batch(model):
    a = model.sample([0, 1, 2, 0, 1], seed=3, steps=3)
    assert a.dtype == torch.uint8 and a.shape == (5, 1, 8, 8)
    assert torch.equal(a, model.sample([0, 1, 2, 0, 1], seed=3, steps=3))
    assert not torch.equal(a, model.sample([0, 1, 2, 0, 1], seed=4, steps=3))
    split = model.sample([0, 1, 2, 0, 1], seed=3, steps=3, batch_size=2)
    assert (a.int() - split.int()).abs().max() <= 1  # rounding of another batch shape


def test_sampling_leaves_mode_and_global_random_state(model):
    model.train()
    before = torch.get_rng_state()
    model.sample([0], steps=2)
    assert model.training and torch.equal(before, torch.get_rng_state())


def test_guidance_is_the_papers(model, monkeypatch):
    """(1 + w) conditional - w unconditional: with outputs c and 0.5 the sampler must see (1 + w) c
    - w / 2.
    """
    seen = []
    monkeypatch.setattr(
        DDPM,
        "forward",
        lambda self, z, t, labels: torch.where(labels.view(-1, 1, 1, 1) == 3, 0.5, 2.0).expand_as(
            z
        ),
    )

    class Recorder:
        timesteps = torch.tensor([10])

        def set_timesteps(self, *args, **kwargs):
            pass

        def step(self, out, t, z, return_dict):
            seen.append(out)
            return (z,)

    monkeypatch.setattr(DDPM, "scheduler", lambda self, name: Recorder())
    model.sample([0, 1], guidance=2, steps=1)
    model.sample([0, 1], guidance=0, steps=1)
    assert torch.allclose(seen[0], torch.full_like(seen[0], 3 * 2.0 - 2 * 0.5))
    assert torch.allclose(seen[1], torch.full_like(seen[1], 2.0))


@pytest.mark.parametrize("name", ["dpm", "ddim"])
def test_both_samplers_recover_a_point_mass(name, monkeypatch):
    """When the network knows that every picture is z*, the exact posterior mean leads any sampler
    there.
    """
    model = DDPM(TINY)
    star = torch.linspace(-0.9, 0.9, 64).view(1, 4, 4, 4)

    def oracle(self, z_t, t, labels):
        a = self.alpha_bar[t].view(-1, 1, 1, 1)
        return self.target(star, (z_t - a.sqrt() * star) / (1 - a).sqrt(), t)

    monkeypatch.setattr(DDPM, "forward", oracle)
    out = model.sample([0, 1], guidance=0, steps=12, scheduler=name)
    assert (out.int() - model.decode(star).int()).abs().max() <= 2


def test_save_and_load_give_the_same_pictures(model, tmp_path):
    again = generation.load(model.save(tmp_path / "m"))
    assert same(weights(model), weights(again)) and again.config == model.config
    half = DDPM.load(model.save(tmp_path / "half", half=True))
    assert max((a - b).abs().max() for a, b in zip(model.parameters(), half.parameters())) < 1e-3
    assert (tmp_path / "half/weights.safetensors").stat().st_size < 0.7 * (
        tmp_path / "m/weights.safetensors"
    ).stat().st_size


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda m: m.sample([]), "0 samples"),
        (lambda m: m.sample([3]), r"0\.\.2"),
        (lambda m: m.sample([-1]), "-1"),
        (lambda m: m.sample([0.5]), "whole"),
        (lambda m: m.sample([0], guidance=-1), "guidance"),
        (lambda m: m.sample([0], guidance=float("nan")), "guidance"),
        (lambda m: m.sample([0], steps=0), "steps"),
        (lambda m: m.sample([0], scheduler="dpmm"), "did you mean 'dpm'"),
        (lambda m: m.sample([0], noise=torch.zeros(2, 4, 4, 4)), "shape"),
        (lambda m: m.label("d"), "unknown class"),
        (lambda m: generation.erase("salun", m, concept="z"), "unknown class"),
        (lambda m: generation.erase("salum", m, concept="a"), "did you mean 'salun'"),
        (lambda m: generation.erase("uce", m, concept="a"), "doesn't work on a ddpm"),
        (lambda m: generation.erase("salun", m, concept="a"), "pass its training pictures"),
        (lambda m: generation.load("ddpm-fashon"), "unknown generator"),
        (lambda m: generation.judge("fashion"), "did you mean 'fashion-mnist'"),
    ],
)
def test_bad_input_is_one_line(model, call, says):
    with pytest.raises(InputError, match=says) as error:
        call(model)
    assert "\n" not in str(error.value)


def test_missing_damaged_or_foreign_files_are_errors_never_a_fallback(model, tmp_path):
    folder = model.save(tmp_path / "m")
    other = DDPM(replace(TINY, widths=(8, 8))).save(tmp_path / "other")
    (folder / "weights.safetensors").write_bytes((other / "weights.safetensors").read_bytes())
    with pytest.raises(InputError, match="another architecture"):
        DDPM.load(folder)
    (folder / "weights.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(InputError, match="cannot be read"):
        DDPM.load(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        DDPM.load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json is missing"):
        DDPM.load(folder)


def test_presets_have_the_papers_shape():
    config, _ = PRESETS["ddpm-cifar10"]
    assert (
        config.widths == (128, 256, 256, 256)
        and config.layers == 2
        and config.attention == (1,)
        and config.dropout == 0.1
    )
    assert (
        config.beta_schedule == "linear"
        and config.timesteps == 1000
        and config.prediction == "epsilon"
    )
    with torch.device("meta"):
        from salun_utils.generation.models.diffusion.ddpm import build_unet

        count = sum(p.numel() for p in build_unet(config).parameters())
    assert 34e6 < count < 38e6


# -- training --------------------------------------------------------------------------


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_resumed_training_equals_uninterrupted(images, tmp_path, dropout):
    config, network = TrainConfig(steps=6, batch=7, warmup=2), replace(TINY, dropout=dropout)
    whole, _ = train(DDPM(network), images, config, seed=5)
    path = tmp_path / "checkpoint.pt"
    train(DDPM(network), images, config, seed=5, stop=4, every=2, checkpoint=path)
    resumed, info = train(DDPM(network, seed=9), images, config, seed=5, every=2, checkpoint=path)
    assert same(weights(whole), weights(resumed)) and info["steps"] == 6
    other, _ = train(DDPM(network), images, config, seed=6)
    assert not same(weights(whole), weights(other))
    with pytest.raises(InputError, match="another run"):
        train(DDPM(network), images, config, seed=6, checkpoint=path)


def test_training_lowers_the_loss(images):
    grey = (images.labels * 100).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    images, model = Images(grey.contiguous(), images.labels), DDPM(TINY)
    z = model.encode(images.pixels / 255)
    before = denoising_loss(model, z, images.labels, rng=generator(0)).detach()
    trained, _ = train(
        model,
        images,
        TrainConfig(steps=60, batch=16, lr=3e-3, warmup=5, ema=0.9),
        precision="float32",
    )
    assert denoising_loss(trained, z, images.labels, rng=generator(0)) < 0.8 * before


# -- erasing ---------------------------------------------------------------------------

METHODS = {
    "salun": QUICK,
    "rl": QUICK,
    "ga": QUICK,
    "selective-amnesia": QUICK | {"fisher_samples": 2, "fisher_steps": 2, "replay": 4},
    "erasediff": QUICK,
}


@pytest.mark.parametrize("name", METHODS)
def test_the_model_passed_in_is_unchanged_and_the_seed_decides(model, images, name):
    before, mode = weights(model), model.training
    first = generation.erase(name, model, concept="b", seed=2, data=images, **METHODS[name])
    again = generation.erase(name, model, concept="B", seed=2, data=images, **METHODS[name])
    other = generation.erase(name, model, concept=1, seed=3, data=images, **METHODS[name])
    assert same(before, weights(model)) and model.training == mode
    assert same(weights(first.model), weights(again.model)) and not same(
        weights(first.model), weights(other.model)
    )
    assert not same(before, weights(first.model))
    assert first.seconds > 0 and len(first.losses["forget"]) == 3


@pytest.mark.parametrize("name", ["salun", "erasediff"])
@pytest.mark.parametrize("rule", ["saliency", "random", "inverted", "magnitude"])
def test_weights_outside_the_mask_are_bit_identical(model, images, rule, name):
    erased = generation.erase(name, model, concept="a", data=images, mask=rule, keep=0.3, **QUICK)
    assert erased.mask.kept == int(0.3 * erased.mask.numel) or rule == "inverted"
    assert abs(erased.mask.density - 0.3) < 1e-3
    changed = 0
    for name, p in erased.model.named_parameters():
        moved = p != dict(model.named_parameters())[name]
        assert not (moved & ~erased.mask[name]).any()
        changed += int(moved.sum())
    assert changed > 0


def test_no_mask_is_salun_with_everything_kept(model, images):
    rl = generation.erase("rl", model, concept="a", data=images, **QUICK)
    full = generation.erase("salun", model, concept="a", data=images, keep=1.0, **QUICK)
    assert (
        rl.mask is None and full.mask.density == 1 and same(weights(rl.model), weights(full.model))
    )


def test_a_given_mask_is_used(model, images):
    mask = SaliencyMask.from_bools(
        {n: torch.full(p.shape, "mid_block" in n) for n, p in model.named_parameters()}
    )
    erased = generation.erase("salun", model, concept="a", data=images, mask=mask, **QUICK)
    moved = [
        n
        for n, p in erased.model.named_parameters()
        if not torch.equal(p, dict(model.named_parameters())[n])
    ]
    assert moved and all("mid_block" in n for n in moved)


def test_retrain_never_sees_the_class(images, retrained_on, monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", (TINY, TrainConfig(steps=2, batch=4)))
    erased = generation.erase("retrain", DDPM(TINY), concept="b", data=images)
    assert set(retrained_on[0].tolist()) == {0, 2} and erased.mask is None


def test_substitute_is_the_next_class_and_never_the_forgotten_one():
    classes = ["a", "b", "c"]
    assert substitutes(None, 2, classes).tolist() == [0]
    assert substitutes("A", 2, classes).tolist() == [0] and substitutes(
        ["a", 1], 2, classes
    ).tolist() == [0, 1]
    for wrong in ("c", ["a", "c"], []):
        with pytest.raises(InputError, match="another class"):
            substitutes(wrong, 2, classes)


# -- what goes wrong in published implementations --------------------------------------


def test_item_12_target_comes_from_the_frozen_original_without_dropout(images):
    """Published code takes the target from the moving model with dropout on. Here the first step's
    loss has a fixed value.
    """
    model = DDPM(replace(TINY, dropout=0.5), seed=1).train()
    settings = {"data": images, "concept": "a", "lr": 0.0, "batch": 4, "steps": 2}
    first = generation.erase("rl", model, **settings)
    torch.manual_seed(1)
    again = generation.erase("rl", model, **settings)
    assert first.losses == again.losses
    # a target that moved with the model would be fitted trivially: with c' = c its loss is 0, with
    # c' ≠ c it is not
    assert min(first.losses["forget"]) > 0


def test_item_12_saliency_is_one_unclipped_gradient_over_the_whole_set(images, model):
    """Published code clips each batch's gradient before summing. Scaling the loss must scale the
    scores; batch size must not matter.
    """
    forget = images.subset((images.labels == 0).nonzero().flatten())
    z, rng = model.encode(forget.pixels / 255), generator(0, "erasing: saliency")
    one = saliency(model, forget, seed=0, batch_size=len(forget))
    model.zero_grad()
    denoising_loss(model, z, forget.labels, rng=rng).backward()
    for name, p in model.named_parameters():
        expected = torch.zeros_like(p) if p.grad is None else p.grad.abs()
        assert torch.allclose(one[name], expected, rtol=1e-4, atol=1e-7), name
    model.zero_grad()


def test_item_13_every_step_draws_new_pictures(images):
    """Published code took next(iter(loader)) in the loop and trained on one batch for ever."""
    batches = draw(images, 10, generator(0))
    seen = torch.cat([next(batches)[0].flatten(1) for _ in range(3)])
    assert len(seen.unique(dim=0)) == len(images)
    assert all(len(next(batches)[0]) == 10 for _ in range(5))


class OneWeight(torch.nn.Module):
    """A "network" of one weight: its prediction of the noise is w z_t, so that by hand the gradient
    of a picture's loss is sum 2 z_t (w z_t - noise).
    """

    config = replace(TINY, timesteps=7, prediction="epsilon")

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(0.3))

    encode = staticmethod(lambda x: x * 2 - 1)
    noised = staticmethod(lambda z, noise, t: z + (t.view(-1, 1, 1, 1) + 1) * noise)
    target = staticmethod(lambda z, noise, t: noise)

    def forward(self, z, t, labels):
        return self.w * z


@pytest.mark.parametrize("steps", [7, 3])
def test_fisher_squares_the_gradient_summed_over_all_steps_and_values(images, steps, monkeypatch):
    """As the authors' code has it; from a part of the steps, their sum is scaled up to all."""
    monkeypatch.setattr(selective_amnesia, "CHUNK", 2)  # chunks must not matter
    found = fisher_information(OneWeight(), images.subset([0]), samples=1, steps=steps)["w"]
    rng, z = generator(0, "erasing: fisher"), images.subset([0]).pixels / 255 * 2 - 1
    t = ((torch.arange(steps) + torch.rand(steps, generator=rng)) * 7 / steps).long()
    noise = torch.cat([torch.randn(len(p), 1, 8, 8, generator=rng) for p in t.split(2)])
    z_t = OneWeight.noised(z, noise, t)
    gradient = (2 * z_t * (0.3 * z_t - noise)).sum() * 7 / steps
    assert found.item() == pytest.approx(gradient.item() ** 2, rel=1e-4)
    assert steps < 7 or t.tolist() == list(range(7))


def test_fisher_is_a_mean_over_pictures_and_steps_are_checked(model, images):
    one = fisher_information(model, images.subset([0]), samples=3, steps=2, seed=1)
    assert all((f >= 0).all() for f in one.values()) and any(f.any() for f in one.values())
    for bad in (0, 1001, 2.5, True):
        with pytest.raises(InputError, match="fisher_steps"):
            fisher_information(model, images, samples=1, steps=bad)


def test_the_whole_loss_of_selective_amnesia_is_that_of_its_authors(model, images, monkeypatch):
    """Times D, the values of a picture, it is the sum over pixels and lambda sum F (d theta)^2."""
    seen = {}
    monkeypatch.setattr(
        selective_amnesia, "descend", lambda model, losses, **_: seen.update(losses=losses) or {}
    )
    erased = generation.erase(
        "selective-amnesia",
        model,
        concept=1,
        data=images,
        fisher_weight=10.0,
        steps=1,
        batch=4,
        fisher_samples=2,
        fisher_steps=2,
        replay=4,
    )
    job_model = erased.model
    replayed = selective_amnesia.replay_of(model, 1, 4, 0)
    fisher = fisher_information(model, replayed, samples=2, steps=2, seed=0)
    with torch.no_grad():
        for p in job_model.parameters():
            p.add_(0.01)
    weight, tie = seen["losses"](0)["fisher"]
    values = 1 * 8 * 8
    by_hand = 10.0 * sum(f.sum() for f in fisher.values()) * 0.01**2
    assert float(weight * tie) * values == pytest.approx(float(by_hand), rel=1e-3)


def test_the_tie_of_selective_amnesia_holds_the_weights(model, images):
    """Its length of the move shrinks with lambda; at the authors' 10 it is a fraction of that
    without.
    """

    def moved(weight: float) -> float:
        given = QUICK | {"steps": 12, "fisher_samples": 4, "fisher_steps": 5, "replay": 4}
        erased = generation.erase(
            "selective-amnesia", model, concept=1, data=images, fisher_weight=weight, **given
        )
        pairs = zip(erased.model.parameters(), model.parameters(), strict=True)
        return sum(float((p - q).detach().square().sum()) for p, q in pairs) ** 0.5

    free, some, authors = moved(0.0), moved(0.1), moved(10.0)
    assert free > 1.05 * some > 1.05 * authors and authors < 0.6 * free


def test_an_eraser_that_moves_nothing_says_so(model, images):
    with pytest.warns(NothingChangedWarning, match="no weight has left its value"):
        generation.erase("ga", model, concept="b", data=images, **(QUICK | {"lr": 0.0}))


def test_held_weights_survive_adam_with_decay(model, images):
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5, seed=0)
    changed = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(changed.parameters(), lr=1e-2, weight_decay=0.5)
    with hold(changed, optimizer, mask):
        for step in range(3):
            optimizer.zero_grad()
            denoising_loss(
                changed,
                changed.encode(images.pixels[:4] / 255),
                images.labels[:4],
                rng=generator(step),
            ).backward()
            optimizer.step()
    before = weights(model)
    assert all(torch.equal(p[~mask[n]], before[n][~mask[n]]) for n, p in changed.named_parameters())
