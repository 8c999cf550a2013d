"""Adapters: their weights alone are scored, counted and moved; what they stand beside stays."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.models import count_weights
from salun_utils.models.lora import LoRALinear, adapters, add_lora, anew, merged, without


class Net(nn.Module):
    """Two linear layers and a last one, on pictures of 8 x 8."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Linear(64, 16), nn.Linear(16, 12), nn.Linear(12, 10)

    def forward(self, x):
        return self.head(torch.relu(self.two(torch.relu(self.one(x.flatten(1))))))


@pytest.fixture(scope="module")
def base(digits_split) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Net()
    su.training.fit(model, digits_split.train, epochs=5, lr=0.05, precision="float32")
    return model


@pytest.fixture(scope="module")
def trained(base, digits_split) -> nn.Module:
    model = add_lora(base, rank=3, targets=("one", "two"), also=("head",), seed=1)
    su.training.fit(model, digits_split.train, epochs=2, lr=0.05, precision="float32")
    return model


def frozen(model) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}


def pictures(count=5):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def test_a_new_adapter_changes_nothing_and_only_its_weights_can_be_trained(base):
    model = add_lora(base, rank=3, targets=("one", "two"))
    x = pictures()
    assert torch.equal(model(x), base(x))
    assert count_weights(model) == 3 * (64 + 16) + 3 * (16 + 12)
    assert list(adapters(model)) == ["one", "two"]
    assert all(p.requires_grad for p in base.parameters()), "the network passed in is as it was"
    with_head = add_lora(base, rank=3, targets=("one", "two"), also=("head",))
    assert count_weights(with_head) == count_weights(model) + 130


def test_the_product_has_the_rank_and_the_scale_that_were_asked_for(base):
    (layer,) = adapters(add_lora(base, rank=2, alpha=6.0, targets=("two",))).values()
    with torch.no_grad():
        layer.lora_B.copy_(torch.randn(12, 2))
    assert torch.linalg.matrix_rank(layer.delta()) == 2
    assert torch.equal(layer.delta(), 3 * layer.lora_B @ layer.lora_A)


def test_merged_weights_give_the_same_logits_and_without_the_adapter_those_of_the_base(
    base, trained
):
    x, one = pictures(), merged(trained)
    assert not any(isinstance(m, LoRALinear) for m in one.modules())
    assert torch.allclose(one(x), trained(x), atol=1e-5)
    assert all(p.requires_grad for p in one.parameters())
    headless = add_lora(base, rank=3, targets=("one", "two"))
    with torch.no_grad():
        for layer in adapters(headless).values():
            layer.lora_B.fill_(0.1)
    assert not torch.equal(headless(x), base(x))
    assert torch.equal(without(headless)(x), base(x))


def test_the_seed_draws_the_adapter_and_nothing_else(base):
    def drawn(seed):
        return add_lora(base, rank=3, targets=("one",), seed=seed).one.lora_A

    before = torch.random.get_rng_state()
    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_saliency_and_masks_count_weights_of_the_adapter_alone(trained, digits_split):
    scores = su.saliency.saliency_scores(trained, digits_split.forget)
    assert set(scores) == {
        *(f"{layer}.lora_{matrix}" for layer in ("one", "two") for matrix in "AB"),
        "head.weight",
        "head.bias",
    }
    mask = su.saliency.SaliencyMask.top(scores, keep=0.5)
    assert mask.numel == count_weights(trained) and mask.kept == count_weights(trained) // 2
    assert mask.fitted({n: p for n, p in trained.named_parameters() if p.requires_grad})


@pytest.mark.parametrize("rule", ["saliency", "random", "magnitude", "inverted", "per-layer"])
def test_salun_leaves_the_frozen_weights_and_those_outside_the_mask_bit_identical(
    trained, digits_split, rule
):
    done = su.unlearning.unlearn(
        "salun", trained, digits_split, mask=rule, keep=0.3, epochs=1, lr=0.05, seed=0
    )
    assert done.mask.kept == int(0.3 * count_weights(trained))
    moved = dict(done.model.named_parameters())
    for name, value in frozen(trained).items():
        assert torch.equal(moved[name], value)
    for name, p in trained.named_parameters():
        if p.requires_grad:
            assert torch.equal(moved[name][~done.mask[name]], p[~done.mask[name]])
    assert any(not torch.equal(moved[n], p) for n, p in trained.named_parameters())


@pytest.mark.parametrize("name", sorted(su.unlearning.METHODS))
def test_every_method_leaves_the_frozen_weights_bit_identical(trained, digits_split, name):
    small = {"epochs": 1} if "epochs" in su.unlearning.METHODS[name].defaults else {}
    try:
        done = su.unlearning.unlearn(name, trained, digits_split, seed=0, **small)
    except InputError as error:
        pytest.skip(f"{name} says that it can't: {error}")
    for path, value in frozen(trained).items():  # in sisa once a shard
        found = [p for n, p in done.model.named_parameters() if f".{n}".endswith(f".{path}")]
        assert found and all(torch.equal(p, value) for p in found), path


def test_retrain_is_a_new_adapter_on_the_same_network(trained, digits_split):
    done = su.unlearning.unlearn("retrain", trained, digits_split, seed=0)
    after = dict(done.model.named_parameters())
    assert all(torch.equal(after[n], p) for n, p in frozen(trained).items())
    for name, p in trained.named_parameters():
        assert not p.requires_grad or not torch.equal(after[name], p)
    start = anew(trained, 5)
    assert all(not layer.lora_B.any() for layer in adapters(start).values())
    assert not torch.equal(start.head.weight, trained.head.weight)
    assert trained.fitted_with["epochs"] == 2, "its own training, not that of the base"


def test_the_whole_network_can_be_set_free(trained, digits_split):
    whole = copy.deepcopy(trained).requires_grad_(True)
    done = su.unlearning.unlearn("salun", whole, digits_split, keep=0.5, epochs=1, seed=0)
    assert done.mask.numel == count_weights(whole) > count_weights(trained)
    assert not torch.equal(done.model.one.base.weight, trained.one.base.weight)


def test_a_vision_transformer_takes_adapters_beside_the_layers_of_its_blocks():
    pytest.importorskip("timm")
    vit = su.models.create("vit_tiny", num_classes=5, channels=1, image_size=28, width=0.125)
    model = add_lora(vit, rank=2, also=("head",))
    assert len(adapters(model)) == 4 * len(vit.blocks)
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(x), vit(x))


@pytest.mark.parametrize(
    "given, said",
    [
        ({"rank": 0}, "rank must be a whole number from 1 to 12, not 0"),
        ({"rank": 13}, "rank must be a whole number from 1 to 12, not 13"),
        ({"rank": True}, "rank must be a whole number from 1 to 12, not True"),
        ({"rank": 2.0}, "rank must be a whole number from 1 to 12, not 2.0"),
        ({"alpha": 0}, "alpha must be a number above 0, not 0"),
        ({"targets": ("qkv",)}, "no linear layer called 'qkv'; it has head, one, two"),
        ({"targets": "two"}, r"must be given as a list, such as \['two'\]"),
        ({"targets": ()}, "targets is empty"),
        ({"also": ("fc",)}, "no module called 'fc'; it has head, one, two"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(base, given, said):
    with pytest.raises(InputError, match=said) as error:
        add_lora(base, **{"targets": ("one", "two"), **given})
    assert "\n" not in str(error.value)


def test_a_network_without_adapters_is_told(base):
    with pytest.raises(InputError, match="the model has no adapter"):
        merged(base)
