"""Every architecture builds and answers, on the three sizes of picture that the book uses."""

from __future__ import annotations

import copy

import pytest
import torch

from salun_utils.errors import InputError
from salun_utils.models import FROM_TIMM, NAMES, OWN, count_weights, create

SIZES = [(1, 28), (3, 32), (3, 64)]
BIG = {"resnet50", "swin_t", "vgg16_bn", "mixer_s", "convnext_atto"}


def pictures(channels, size, count=2, seed=0):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("arch", [pytest.param(a, marks=pytest.mark.slow) if a in BIG else a for a in NAMES])
def test_every_name_answers_at_every_size(arch):
    if arch in FROM_TIMM:
        pytest.importorskip("timm")
    for channels, size in SIZES:
        model = create(arch, num_classes=7, channels=channels, image_size=size)
        assert not model.training
        with torch.no_grad():
            logits = model(pictures(channels, size))
        assert logits.shape == (2, 7)
        assert logits.isfinite().all()
        if arch != "mixer_s":  # which starts with a last layer of zeros
            assert (logits[0] != logits[1]).any(), "the answer depends on the picture"


@pytest.mark.parametrize("arch", ["small-cnn", "resnet18", "resnet20", "vgg16_bn"])
def test_every_weight_gets_a_gradient(arch):
    model = create(arch, num_classes=5, channels=1, image_size=28, width=0.25).train()
    model(pictures(1, 28, count=4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    # A bias in front of a batch normalisation is without effect; all other parameters have one.
    assert all(p.grad.any() for n, p in model.named_parameters() if not n.endswith("bias"))


@pytest.mark.parametrize("arch", ["small-cnn", "resnet20", "vgg16_bn", "efficientnet_b0", "vit_tiny"])
def test_normalisation_is_the_first_layer(arch):
    """Moving and scaling the pictures, and the mean and deviation with them, changes nothing."""
    if arch in FROM_TIMM:
        pytest.importorskip("timm")
    x = pictures(3, 32).double()
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    plain = create(arch, num_classes=4, mean=(0.0,) * 3, std=(1.0,) * 3).double()
    other = create(arch, num_classes=4, mean=mean, std=std).double()
    moved = x * torch.tensor(std).view(1, 3, 1, 1) + torch.tensor(mean).view(1, 3, 1, 1)
    with torch.no_grad():
        want = plain(x)
        assert 100 * (other(moved) - want).abs().max() < (other(x) - want).abs().max()


def test_normalisation_holds_no_weights_and_survives_a_copy_and_a_move():
    model = create("small-cnn", num_classes=4, channels=1, image_size=28, mean=(0.3,), std=(0.2,))
    assert not list(model.normalize.parameters())
    twin = copy.deepcopy(model)
    twin.normalize.mean.fill_(9.0)
    x = pictures(1, 28)
    with torch.no_grad():
        assert not torch.allclose(model(x), twin(x)), "the copy has a normalisation of its own"
        assert model.double()(x.double()).dtype == torch.float64


def test_names_are_bare():
    names = [n for n, _ in create("resnet18", num_classes=10).named_parameters()]
    assert names[:3] == ["conv1.weight", "bn1.weight", "bn1.bias"]
    assert names[-2:] == ["fc.weight", "fc.bias"]
    assert "layer2.0.downsample.0.weight" in names
    assert not [n for n in names if n.startswith(("model.", "net.", "0."))]
    assert next(iter(create("small-cnn", num_classes=10).state_dict())) == "conv1.weight"


def test_resnet18_has_the_stem_for_small_pictures():
    model = create("resnet18", num_classes=10)
    assert (model.conv1.kernel_size, model.conv1.stride) == ((3, 3), (1, 1))
    assert count_weights(model) == 11_173_962  # as He et al.'s ResNet-18 with a 3x3 stem, on ten classes
    seen = []
    model.layer1.register_forward_hook(lambda m, a, out: seen.append(out.shape[-1]))
    with torch.no_grad():
        model(pictures(3, 32))
    assert seen == [32], "no pooling in front of the first stage"


@pytest.mark.parametrize("channels", [1, 3])
def test_small_cnn_is_small(channels):
    assert 300_000 <= count_weights(create("small-cnn", num_classes=10, channels=channels)) <= 600_000


@pytest.mark.parametrize("arch", ["small-cnn", "resnet20", "vit_tiny"])
def test_the_same_seed_gives_the_same_weights(arch):
    if arch in FROM_TIMM:
        pytest.importorskip("timm")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = create(arch, num_classes=10, seed=1)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    torch.manual_seed(6)
    again, other = create(arch, num_classes=10, seed=1), create(arch, num_classes=10, seed=2)
    pairs = list(zip(one.parameters(), again.parameters(), other.parameters()))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


def test_the_recipe_builds_the_network_again():
    model = create("small-cnn", num_classes=3, channels=1, image_size=28, mean=(0.1,), std=(0.7,), seed=8, width=0.5)
    twin = create(**model.recipe)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values()))


@pytest.mark.parametrize("arch", OWN)
def test_width_scales_the_networks_of_the_project(arch):
    narrow, wide = (create(arch, num_classes=10, width=w) for w in (0.25, 0.5))
    assert 2 < count_weights(wide) / count_weights(narrow) < 4.5


def test_any_name_that_timm_knows():
    pytest.importorskip("timm")
    model = create("resnet10t", num_classes=6, channels=1, image_size=28)
    with torch.no_grad():
        assert model(pictures(1, 28)).shape == (2, 6)


@pytest.mark.parametrize(
    ("given", "nearest"), [("resnet81", "resnet18"), ("small_cnn", "small-cnn"), ("vgg16bn", "vgg16_bn"), ("swin-t", "swin_t")]
)
def test_an_unknown_name_is_answered_with_the_nearest(given, nearest):
    with pytest.raises(InputError, match=f"unknown architecture '{given}'; did you mean '{nearest}'"):
        create(given, num_classes=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.5,), "std": (0.5,)}, "mean and std need 3 numbers each"),
        ({"mean": (0.5,) * 3, "std": (0.5,) * 2}, "mean and std need 3 numbers each"),
        ({"width": 0}, "width must be above 0"),
        ({"width": -1.0}, "width must be above 0"),
        ({"width": float("nan")}, "width must be above 0"),
        ({"seed": -3}, "seed must be a whole number"),
        ({"num_classes": 0}, "num_classes must be a whole number, at least 2"),
        ({"num_classes": 2.5}, "num_classes must be a whole number"),
        ({"channels": 0}, "channels must be a whole number, at least 1"),
        ({"image_size": 0}, "image_size must be a whole number, at least 1"),
        ({"std": (0.5, 0.0, 0.5), "mean": (0.5,) * 3}, "std must be above 0"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        create("small-cnn", **{"num_classes": 10} | options)


def test_width_does_not_apply_to_networks_from_timm():
    pytest.importorskip("timm")
    with pytest.raises(InputError, match="width applies to"):
        create("vit_tiny", num_classes=10, width=0.5)
