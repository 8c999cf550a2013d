"""The conditional GAN and VAE, and erasing a class from them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from salun_utils import generation
from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.generation.erasers.gan_vae.losses import adversarial_loss, saliency
from salun_utils.generation.models.gan import GAN, GANConfig, GANTraining, train_gan
from salun_utils.generation.models.vae import VAE, Prior, VAEConfig, VAETraining, train_vae
from salun_utils.seeds import generator
from salun_utils.training import TrainingDivergedError

CLASSES = ("a", "b", "c")
SHAPE = (1, 8, 8)
QUICK = {"steps": 3, "batch": 4}


def make(kind: str):
    if kind == "gan":
        return (
            GAN(GANConfig("tiny", CLASSES, SHAPE, widths=(16, 8), latent=4, embedding=4), seed=1)
            .freeze()
            .eval()
        )
    return (
        VAE(VAEConfig("tiny", CLASSES, SHAPE, hidden=(32,), latent=3, components=4), seed=1)
        .freeze()
        .eval()
    )


@pytest.fixture(params=["gan", "vae"])
def model(request):
    return make(request.param)


@pytest.fixture(scope="module")
def images() -> Images:
    labels = torch.arange(60) % 3
    return Images(
        (labels * 100).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, *SHAPE).contiguous(), labels
    )


def weights(model) -> dict[str, torch.Tensor]:
    return {n: v.detach().clone() for n, v in model.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[n], b[n]) for n in a)


def test_an_erasure_that_diverges_gives_no_weights(model, images):
    with pytest.raises(TrainingDivergedError, match=r"lr 1e\+20"):
        generation.erase("ga", model, concept="b", data=images, lr=1e20, steps=4, batch=4)


def test_same_seed_same_pictures(model):
    a = model.sample([0, 1, 2], seed=1)
    assert a.dtype == torch.uint8 and a.shape == (3, *SHAPE)
    assert torch.equal(a, model.sample([0, 1, 2], seed=1)) and not torch.equal(
        a, model.sample([0, 1, 2], seed=2)
    )


def test_save_and_load(model, tmp_path):
    again = generation.load(model.save(tmp_path))
    assert type(again) is type(model) and torch.equal(
        again.sample([0, 1, 2]), model.sample([0, 1, 2])
    )


@pytest.mark.parametrize(
    "labels, says", [([], "0 samples"), ([3], r"0\.\.2"), ([True, False], "whole")]
)
def test_bad_labels(model, labels, says):
    with pytest.raises(InputError, match=says):
        model.sample(labels)


def zeroed(model):
    for p in model.parameters():
        p.data.zero_()
    return model


def test_evidence_bound_by_hand():
    """With all weights 0 the code's law is the prior, every pixel is centred on 0.5 and b = 1: |x -
    0.5| + log 2 nats a pixel.
    """
    model = zeroed(make("vae"))
    x, y = torch.rand(5, *SHAPE), torch.tensor([0, 1, 2, 0, 1])
    surprise = float((x - 0.5).abs().mean()) + math.log(2)
    assert float(model.loss(x, y, rng=generator(0)).detach()) == pytest.approx(surprise, rel=1e-5)
    model.log_scale.data.fill_(math.log(0.25))
    with_scale = float((x - 0.5).abs().mean()) / 0.25 + math.log(0.5)
    assert float(model.loss(x, y, rng=generator(0)).detach()) == pytest.approx(with_scale, rel=1e-5)
    model.log_scale.data.zero_()
    # z = 2 + e against N(0, 1): 2² / 2 + 2 e nats in each of 3 dimensions, of 64 pixels
    model.encoder[-1].bias.data[:3] = 2.0
    noise = torch.randn(5, 3, generator=generator(0))
    got = float(model.loss(x, y, rng=generator(0)).detach())
    assert got == pytest.approx(surprise + (6 + 2 * float(noise.sum(1).mean())) / 64, rel=1e-5)


def test_prior_is_a_mixture_of_gaussians_for_each_class():
    from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

    prior, rng = Prior(3, 4, 2), generator(1)
    for p in prior.parameters():
        p.data = torch.randn(p.shape, generator=rng)
    y, codes = (
        torch.tensor([2]).expand(40_000),
        torch.cat([torch.rand(40_000, 1, generator=rng), torch.randn(40_000, 2, generator=rng)], 1),
    )
    gaussians = Independent(Normal(prior.mean[2], prior.log_deviation[2].exp()), 1)
    known = MixtureSameFamily(Categorical(logits=prior.weight[2]), gaussians)
    z = prior.place(codes, y).detach()
    assert torch.allclose(
        prior.log_density(z, y) - math.log(2 * math.pi), known.log_prob(z), atol=1e-4
    )
    assert torch.allclose(z.mean(0), known.mean, atol=0.1) and torch.allclose(
        z.var(0), known.variance, rtol=0.1
    )
    assert (prior.place(codes, y, 0.0)[:, None] == prior.mean[2]).all(2).any(1).all(), (
        "at temperature 0 only centres are left"
    )


@pytest.mark.parametrize("kind", ["gan", "vae"])
def test_a_resumed_training_gives_the_same_bytes(kind, images, tmp_path):
    train, recipe = (
        (train_gan, GANTraining(steps=6, batch=7))
        if kind == "gan"
        else (train_vae, VAETraining(steps=6, batch=7))
    )
    whole, resumed, path = make(kind), make(kind), tmp_path / "checkpoint.pt"
    told = train(whole, images, recipe, seed=5)
    train(make(kind), images, recipe, seed=5, checkpoint=path, every=2, stop=4)
    info = train(resumed, images, recipe, seed=5, checkpoint=path, every=2)
    assert same(weights(whole), weights(resumed)) and info["steps"] == told["steps"] == 6
    assert [row[0] for row in info["losses"]] == [2, 4, 6] and info["seconds"] > 0
    other = make(kind)
    train(other, images, recipe, seed=6)
    assert not same(weights(whole), weights(other))
    with pytest.raises(InputError, match=r"another run: its seed is 5, not 6"):
        train(make(kind), images, recipe, seed=6, checkpoint=path)
    with pytest.raises(InputError, match="another run: its steps"):
        train(make(kind), images, replace(recipe, steps=7), seed=5, checkpoint=path)


@pytest.mark.parametrize("kind", ["gan", "vae"])
def test_only_what_draws_is_trainable_once_trained(kind, images, tmp_path):
    model, never = make(kind), ("discriminator", "encoder", "log_scale")
    (train_gan if kind == "gan" else train_vae)(
        model, images, (GANTraining if kind == "gan" else VAETraining)(steps=1, batch=4)
    )
    for found in (
        model,
        generation.load(model.save(tmp_path)),
        generation.erase("rl", model, concept="b", data=images, **QUICK).model,
    ):
        assert all(
            p.requires_grad != name.startswith(never) for name, p in found.named_parameters()
        )
        assert any(p.requires_grad for p in found.parameters())


def test_training_learns_the_brightness_of_each_class(images):
    model = make("vae")
    train_vae(model, images, VAETraining(steps=400, batch=30, lr=1e-2))
    drawn = model.sample([0, 1, 2, 0, 1, 2]).float().mean((1, 2, 3))
    assert torch.allclose(drawn, torch.tensor([0.0, 100, 200] * 2), atol=20)


def test_gan_training_moves_both_networks_and_freezes_the_discriminator(images):
    model = make("gan")
    before = weights(model)
    info = train_gan(model, images, GANTraining(steps=5, batch=8))
    after = weights(model)
    assert any(not torch.equal(before[n], after[n]) for n in before if n.startswith("generator"))
    assert any(
        not torch.equal(before[n], after[n]) for n in before if n.startswith("discriminator")
    )
    assert (
        not any(p.requires_grad for p in model.discriminator.parameters())
        and len(info["losses"]) == 1
    )
    again = make("gan")
    train_gan(again, images, GANTraining(steps=5, batch=8))
    assert same(after, weights(again))


@pytest.mark.parametrize("name", ["salun", "rl", "ga"])
def test_the_model_passed_in_is_unchanged_and_the_seed_decides(model, images, name):
    before = weights(model)
    first = generation.erase(name, model, concept="b", seed=1, data=images, **QUICK)
    again = generation.erase(name, model, concept="b", seed=1, data=images, **QUICK)
    assert same(before, weights(model)) and same(weights(first.model), weights(again.model))
    assert not same(before, weights(first.model)) and len(first.losses["forget"]) == 3


@pytest.mark.parametrize("rule", ["saliency", "random", "inverted", "magnitude"])
def test_weights_outside_the_mask_are_bit_identical(model, images, rule):
    erased = generation.erase(
        "salun", model, concept="a", data=images, mask=rule, keep=0.3, **QUICK
    )
    old, changed = dict(model.named_parameters()), 0
    for name, p in erased.model.named_parameters():
        if name not in erased.mask:  # the discriminator of a GAN, the encoder of a VAE
            assert torch.equal(p, old[name])
            continue
        moved = p != old[name]
        assert not (moved & ~erased.mask[name]).any()
        changed += int(moved.sum())
    assert changed and abs(erased.mask.density - 0.3) < 1e-2


def test_saliency_is_the_gradient_of_the_class_loss(images):
    model = make("gan")
    model.freeze()
    scores = saliency(model, 1, seed=0, count=7)
    z = model.codes(7, generator(0, "erasing: saliency"))
    adversarial_loss(model, z, torch.ones(7, dtype=torch.int64)).backward()
    assert scores and all(name.startswith("generator") for name in scores)
    for name, p in model.named_parameters():
        if name in scores:
            assert torch.allclose(scores[name], p.grad.abs(), rtol=1e-3, atol=1e-7)


def test_erasing_steers_the_class_to_its_substitute(images):
    """A VAE that draws each class at its own brightness, made to forget "a", draws it at that of
    "b" and "c" as before.
    """
    model = make("vae")
    train_vae(model, images, VAETraining(steps=400, batch=30, lr=1e-2))
    erased = generation.erase(
        "salun", model, concept="a", data=images, steps=200, lr=5e-3, batch=16, keep=0.5
    ).model
    drawn = erased.sample([0, 1, 2]).float().mean((1, 2, 3))
    assert torch.allclose(drawn, torch.tensor([100.0, 100, 200]), atol=30)


def test_retrain_is_a_fresh_network(model, images):
    erased = generation.erase("retrain", model, concept="a", data=images, steps=2)
    assert erased.mask is None and not same(weights(model), weights(erased.model))


def test_first_losses_by_hand(model, images):
    """Before any step the class is as far from its target as the original's own pictures of the two
    classes, from the same codes.
    """
    found = generation.erase(
        "rl", model, concept="b", seed=3, data=images, steps=1, batch=50
    ).losses
    codes = model.codes(50, generator(3, "erasing: forget codes"))
    # c' is the next class
    a, b = (model.draw(codes, torch.full((50,), label)).detach() for label in (2, 1))
    if model.kind == "gan":
        assert found["forget"][0] == pytest.approx(float((a - b).square().mean()), rel=1e-3)
        assert found["retain"][0] == 0, "nothing has changed yet"
    else:
        scale = math.exp(float(model.log_scale.detach()))
        assert found["forget"][0] == pytest.approx(
            float((a - b).abs().mean()) / scale + math.log(2 * scale), rel=1e-3
        )


def test_ascent_raises_the_loss_that_training_lowers(model, images):
    found = generation.erase(
        "ga", model, concept="b", data=images, steps=40, lr=1e-2, batch=30
    ).losses["forget"]
    assert sum(found[-5:]) > sum(found[:5])
