"""Every architecture builds and answers, on the three sizes of picture that the book uses."""

from __future__ import annotations

import copy

import pytest
import torch

from salun_utils.errors import InputError
from salun_utils.models import FROM_TIMM, NAMES, count_weights, create
from salun_utils.seeds import derive

SIZES = [(1, 28), (3, 32), (3, 64)]
BIG = {"resnet50", "swin_t", "vgg16_bn", "mixer_s", "convnext_atto"}


def pictures(channels, size, count=2, seed=0):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "arch", [pytest.param(a, marks=pytest.mark.slow) if a in BIG else a for a in NAMES]
)
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


@pytest.mark.parametrize(
    "arch", ["small-cnn", "resnet20", "vgg16_bn", "efficientnet_b0", "vit_tiny"]
)
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
    # as He et al.'s ResNet-18 with a 3x3 stem, on ten classes
    assert count_weights(model) == 11_173_962
    seen = []
    model.layer1.register_forward_hook(lambda m, a, out: seen.append(out.shape[-1]))
    with torch.no_grad():
        model(pictures(3, 32))
    assert seen == [32], "no pooling in front of the first stage"


@pytest.mark.parametrize("channels", [1, 3])
def test_small_cnn_is_small(channels):
    assert (
        300_000 <= count_weights(create("small-cnn", num_classes=10, channels=channels)) <= 600_000
    )


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
    model = create(
        "small-cnn",
        num_classes=3,
        channels=1,
        image_size=28,
        mean=(0.1,),
        std=(0.7,),
        seed=8,
        width=0.5,
    )
    twin = create(**model.recipe)
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values())
    )


@pytest.mark.parametrize("arch", NAMES)
def test_width_scales_every_network(arch):
    if arch in FROM_TIMM:
        pytest.importorskip("timm")
    narrow, wide = (create(arch, num_classes=10, width=w) for w in (0.25, 0.5))
    assert 1.9 < count_weights(wide) / count_weights(narrow) < 4.5


@pytest.mark.parametrize("arch", FROM_TIMM)
def test_a_narrow_network_from_timm_has_the_layers_of_the_full_one(arch):
    pytest.importorskip("timm")
    narrow, full = (
        create(arch, num_classes=10, channels=1, image_size=28, width=w) for w in (0.25, 1.0)
    )
    shapes = [{n: tuple(p.shape) for n, p in model.named_parameters()} for model in (narrow, full)]
    missing = {n for n in shapes[1] if n not in shapes[0]}
    assert not shapes[0].keys() - shapes[1].keys()
    assert missing == (
        {n for n in shapes[1] if n.startswith(tuple(f"blocks.{i}." for i in range(6, 12)))}
        if arch == "vit_tiny"
        else set()
    )
    heads = [
        {m.num_heads for m in model.modules() if hasattr(m, "num_heads")}
        for model in (narrow, full)
    ]
    assert heads[0] == heads[1] and bool(heads[0]) == (arch in ("vit_tiny", "swin_t"))
    stem = "stem.0.weight"  # of ConvNeXt, which has larger patches
    assert all(
        s <= t
        for n in shapes[0]
        for s, t in zip(shapes[0][n], shapes[1][n], strict=True)
        if n != stem
    )


def test_a_narrow_convnext_cuts_patches_and_opens_its_blocks():
    pytest.importorskip("timm")
    narrow, full = (
        create("convnext_atto", num_classes=10, channels=1, image_size=28, width=w)
        for w in (0.25, 1.0)
    )
    assert (narrow.stem[0].kernel_size, narrow.stem[0].stride, full.stem[0].kernel_size) == (
        (2, 2),
        (2, 2),
        (1, 1),
    )
    scales = [
        torch.cat([p for n, p in model.named_parameters() if n.endswith("gamma")])
        for model in (narrow, full)
    ]
    assert (scales[0] == 1).all() and (scales[1] == torch.tensor(1e-6)).all()


@pytest.mark.parametrize("arch", FROM_TIMM)
def test_a_narrow_network_from_timm_answers_and_learns(arch):
    pytest.importorskip("timm")
    for channels, size in SIZES:
        model = create(arch, num_classes=7, channels=channels, image_size=size, width=0.25)
        with torch.no_grad():
            assert model(pictures(channels, size)).isfinite().all()
    model = create(arch, num_classes=5, channels=1, image_size=28, width=0.25).train()
    if arch == "mixer_s":  # nothing passes a last layer of zeros
        torch.nn.init.normal_(model.head.weight)
    model(pictures(1, 28, count=4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all(p.grad.any() for n, p in model.named_parameters() if not n.endswith("bias"))


@pytest.mark.parametrize(
    ("arch", "name", "options"),
    [
        ("vit_tiny", "vit_tiny_patch16_224", {"patch_size": 4, "img_size": 28}),
        ("mobilenetv3_small", "mobilenetv3_small_100", {}),
        ("convnext_atto", "convnext_atto", {"patch_size": 1}),
    ],
)
def test_width_1_is_the_network_as_timm_builds_it(arch, name, options):
    timm = pytest.importorskip("timm")
    ours = create(arch, num_classes=10, channels=1, image_size=28, seed=4, width=1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(4, f"weights of {arch}"))
        theirs = timm.create_model(name, num_classes=10, in_chans=1, **options)
    named = dict(theirs.named_parameters())
    assert [n for n, _ in ours.named_parameters()] == list(named)
    assert all(torch.equal(p, named[n]) for n, p in ours.named_parameters())
    fused = [
        [m.fused_attn for m in model.modules() if hasattr(m, "fused_attn")]
        for model in (ours, theirs)
    ]
    assert fused[0] == fused[1]


@pytest.mark.parametrize("arch", ["vit_tiny", "swin_t"])
def test_plain_attention_gives_the_same_answers(arch):
    pytest.importorskip("timm")
    model, x = create(arch, num_classes=10, channels=1, image_size=28, width=0.25), pictures(1, 28)
    attention = [m for m in model.modules() if hasattr(m, "fused_attn")]
    assert attention and not any(m.fused_attn for m in attention)
    with torch.no_grad():
        plain = model(x)
        for m in attention:
            m.fused_attn = True
        assert torch.allclose(model(x), plain, atol=1e-5)


@pytest.mark.parametrize(
    ("arch", "width", "message"),
    [
        ("vit_tiny", 0.1, "width 0.1 leaves a head of 6 channels; at least 8 are needed"),
        ("swin_t", 0.2, "width 0.2 leaves a head of 6 channels"),
        ("convnext_atto", 0.1, "width 0.1 leaves a layer of 4 channels"),
        ("mixer_s", 0.01, "width 0.01 leaves a layer of 5 channels"),
    ],
)
def test_a_width_that_leaves_too_few_channels_is_refused(arch, width, message):
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=f"{arch}: {message}"):
        create(arch, num_classes=10, width=width)


def test_any_name_that_timm_knows():
    pytest.importorskip("timm")
    model = create("resnet10t", num_classes=6, channels=1, image_size=28)
    with torch.no_grad():
        assert model(pictures(1, 28)).shape == (2, 6)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("resnet81", "resnet18"),
        ("small_cnn", "small-cnn"),
        ("vgg16bn", "vgg16_bn"),
        ("swin-t", "swin_t"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(given, nearest):
    with pytest.raises(
        InputError, match=f"unknown architecture '{given}'; did you mean '{nearest}'"
    ):
        create(given, num_classes=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.5,), "std": (0.5,)}, "mean and std need 3 numbers each"),
        ({"mean": (0.5,) * 3, "std": (0.5,) * 2}, "mean and std need 3 numbers each"),
        ({"width": 0}, "width must be above 0"),
        ({"width": -1.0}, "width must be above 0"),
        ({"width": float("nan")}, "width must be above 0"),
        ({"width": float("inf")}, "width must be above 0 and finite"),
        ({"width": "wide"}, "width must be above 0 and finite"),
        ({"arch": None}, "arch must be the name of a network"),
        ({"mean": 3}, "mean must hold a finite number for each channel, not 3"),
        ({"mean": (float("nan"),) * 3}, "mean must hold a finite number"),
        ({"std": "abc"}, "std must hold a finite number"),
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
        create(**{"arch": "small-cnn", "num_classes": 10} | options)


def test_width_does_not_apply_to_other_networks_of_timm():
    pytest.importorskip("timm")
    with pytest.raises(
        InputError, match=r"width applies to .*vit_tiny.*; resnet10t comes in its own sizes"
    ):
        create("resnet10t", num_classes=10, width=0.5)
