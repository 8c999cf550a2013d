"""speednet: whitens by the right pictures, and once; its filters are not trained; it remembers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.models.speednet import ShiftNorm, Whitening
from salun_utils.saliency import SaliencyMask
from salun_utils.training import RECIPES, fit


@pytest.fixture(scope="module")
def clothes(fashion):
    """240 pictures of clothes to train on, 100 to test."""
    train, test = fashion.train.subset(range(240)), fashion.test.subset(range(100))
    return su.data.from_tensors(
        train=(train.pixels, train.labels), test=(test.pixels, test.labels), classes=fashion.classes
    )


@pytest.fixture(scope="module")
def split(clothes):
    return su.data.random_split(clothes, fraction=0.2, seed=0)


def net(data, seed=0, width=0.125):
    return su.models.create(
        "speednet",
        num_classes=10,
        channels=data.channels,
        image_size=data.image_size,
        mean=data.mean,
        std=data.std,
        seed=seed,
        width=width,
    )


def trained(data, images, **options):
    model = net(data)
    recipe = {**RECIPES["speednet"], "batch_size": 64, "lr": 0.1, "precision": "float32"}
    fit(model, images, **{"epochs": 2, **recipe, **options})
    return model


def filters_of(data, images):
    model = net(data)
    model.prepare(images)
    return model.whiten.filters


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


# -- whitening -----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_patches_are_uncorrelated_and_of_variance_one(channels):
    """The first half of the answers, over all patches of all pictures, has the identity as moments;
    the second half is its negative."""
    noise = torch.randn(40, channels, 12, 12, generator=torch.Generator().manual_seed(0))
    x = (
        noise + noise.roll(1, 3) + noise.mean(1, keepdim=True)
    )  # neighbours and channels go together
    layer = Whitening(channels)
    layer.look(x)
    answers = layer(x).transpose(0, 1).flatten(1).double()
    half = 4 * channels
    assert answers.shape[0] == 2 * half
    moments = answers[:half] @ answers[:half].T / answers.shape[1]
    torch.testing.assert_close(moments, torch.eye(half).double(), rtol=0, atol=0.02)
    torch.testing.assert_close(answers[half:], -answers[:half])


def test_each_filter_copies_a_pixel_until_there_are_pictures():
    x = torch.rand(2, 1, 5, 5)
    torch.testing.assert_close(Whitening(1)(x)[:, 0], x[:, 0, :4, :4])


def test_training_whitens_by_its_own_pictures_and_retrain_by_those_retained(clothes, split):
    original = trained(clothes, split.train)
    retrained = su.unlearning.unlearn("retrain", original, split, seed=1, epochs=1).model
    assert torch.equal(original.whiten.filters, filters_of(clothes, split.train))
    assert torch.equal(retrained.whiten.filters, filters_of(clothes, split.retain))
    assert not torch.equal(original.whiten.filters, retrained.whiten.filters)


@pytest.mark.parametrize("method", ["ft", "rl", "ga", "salun", "scrub"])
def test_unlearning_leaves_the_filters_as_they_are(clothes, split, method):
    original = trained(clothes, split.train)
    before = original.whiten.filters.clone()
    unlearned = su.unlearning.unlearn(method, original, split, seed=1, epochs=1, lr=0.01).model
    assert torch.equal(unlearned.whiten.filters, before)
    assert torch.equal(original.whiten.filters, before)
    assert not same(unlearned, original)


def test_a_loaded_network_knows_that_it_is_prepared(clothes, split):
    one, other = net(clothes), net(clothes)
    one.prepare(split.forget)
    other.load_state_dict(one.state_dict())
    other.prepare(split.retain)
    assert torch.equal(other.whiten.filters, one.whiten.filters)


def test_preparing_draws_nothing_and_goes_by_pictures_alone(clothes, split):
    state = torch.get_rng_state()
    relabelled = split.train.with_labels(split.train.labels.flip(0))
    assert torch.equal(filters_of(clothes, split.train), filters_of(clothes, relabelled))
    assert torch.equal(torch.get_rng_state(), state)


# -- what is trained -----------------------------------------------------------------------------


def test_filters_and_scales_are_no_parameters_and_get_no_score(clothes, split):
    model = trained(clothes, split.train)
    names = {n for n, _ in model.named_parameters()}
    convolutions = {f"group{i}.conv{j}.weight" for i in (1, 2, 3) for j in (1, 2)}
    shifts = {f"group{i}.norm{j}.bias" for i in (1, 2, 3) for j in (1, 2)}
    assert names == convolutions | shifts | {"fc.weight"}
    assert su.saliency.saliency_scores(model, split.forget).keys() == names


def test_a_norm_shifts_and_does_not_scale():
    norm, plain = ShiftNorm(3), nn.BatchNorm2d(3)
    norm.bias.data, plain.bias.data = (torch.tensor([1.0, -2.0, 0.5]) for _ in range(2))
    x = torch.rand(4, 3, 5, 5) * 7
    torch.testing.assert_close(norm(x), plain(x))
    assert torch.equal(norm.running_mean, plain.running_mean)


def test_convolutions_start_as_the_identity(clothes):
    conv = net(clothes).group3.conv2
    x = torch.rand(2, conv.in_channels, 4, 4)
    torch.testing.assert_close(conv(x), x)


def test_held_weights_stay_to_the_bit(clothes, split):
    """And so do the statistics of a norm whose shift is held."""
    before = trained(clothes, split.train)
    model = copy.deepcopy(before)
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5, 0)
    fit(model, split.forget, epochs=2, lr=0.05, batch_size=16, mask=mask, **_rest_of_the_recipe())
    for name, p in model.named_parameters():
        old = before.get_parameter(name)
        assert torch.equal(p[~mask[name]], old[~mask[name]]), name
        assert not torch.equal(p, old), name
    none = SaliencyMask.from_bools(
        {n: torch.zeros_like(p).bool() for n, p in model.named_parameters()}
    )
    still = copy.deepcopy(before)
    fit(still, split.forget, epochs=1, lr=0.05, batch_size=16, mask=none)
    held = {n: t for n, t in still.state_dict().items() if "running" in n}
    assert held
    assert all(torch.equal(t, before.state_dict()[n]) for n, t in held.items())


def _rest_of_the_recipe():
    return {k: v for k, v in RECIPES["speednet"].items() if k not in ("lr", "batch_size")}


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_recipe_gives_the_same_bytes_from_the_same_seed(clothes, split, precision):
    options = {"augment": "shift-flip", "label_smoothing": 0.2, "precision": precision}
    one, again, other = (trained(clothes, split.train, seed=s, **options) for s in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


def test_an_interrupted_training_goes_on_with_its_filters(clothes, split, tmp_path):
    class Interrupted(Exception):
        pass

    def stop(step, rate):
        if step == 5:
            raise Interrupted

    path = tmp_path / "fit.pt"
    with pytest.raises(Interrupted):
        trained(clothes, split.train, epochs=3, checkpoint=path, after_step=stop)
    assert same(
        trained(clothes, split.train, epochs=3, checkpoint=path),
        trained(clothes, split.train, epochs=3),
    )


def test_it_remembers_a_small_set_whole(clothes, split):
    model = net(clothes, width=0.25)
    fit(model, split.train, epochs=12, **{**RECIPES["speednet"], "lr": 0.1, "batch_size": 32})
    assert (
        su.metrics.accuracy(su.metrics.predict_logits(model, split.train), split.train.labels)
        == 100
    )


# -- what can go wrong ---------------------------------------------------------------------------


def test_pictures_that_are_too_small_are_refused():
    su.models.create("speednet", num_classes=2, image_size=9)
    with pytest.raises(InputError, match="at least 9 pixels, not 8") as caught:
        su.models.create("speednet", num_classes=2, image_size=8)
    assert "\n" not in str(caught.value)


def test_the_full_width_is_the_published_one():
    model = su.models.create("speednet", num_classes=10)
    assert su.models.count_weights(model) == pytest.approx(1.97e6, rel=0.01)
    assert model.whiten.filters.shape == (24, 3, 2, 2)
