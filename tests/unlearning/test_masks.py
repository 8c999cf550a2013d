"""Every rule for a mask: exact density, the same each time, unchanged on disk; and each rule
against a hand calculation.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.data.images import Images
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.unlearning import RULES, build_mask
from salun_utils.unlearning.masks import SEEDLESS, importance
from salun_utils.unlearning.masks.importance import weight_times_activation
from salun_utils.unlearning.masks.knee import DECIDES
from salun_utils.unlearning.masks.location import rank_within

every_rule = pytest.mark.parametrize("rule", [r for r in RULES if r != "none"])


@every_rule
@pytest.mark.parametrize("keep", [0.0, 0.013, 0.5, 1.0])
def test_the_contract_of_a_mask(rule, keep, tiny_model, digits_split, tmp_path):
    before = copy.deepcopy(tiny_model.state_dict())
    modes = [m.training for m in tiny_model.train().modules()]
    mask = build_mask(rule, tiny_model, digits_split, keep=keep, seed=4)
    kept, limit = mask.kept, int(keep * mask.numel)
    assert (kept <= limit if rule in DECIDES else kept == limit) and mask.numel == sum(
        p.numel() for p in tiny_model.parameters()
    )
    assert mask.density == kept / mask.numel == sum(int(mask[n].sum()) for n in mask) / mask.numel
    mask.save(tmp_path / "m.safetensors")
    assert (
        SaliencyMask.load(tmp_path / "m.safetensors")
        == mask
        == build_mask(rule, tiny_model, digits_split, keep=keep, seed=4)
    )
    assert [m.training for m in tiny_model.modules()] == modes
    assert all(torch.equal(before[n], t) for n, t in tiny_model.state_dict().items())
    assert all(p.grad is None for p in tiny_model.parameters())


def test_rules_that_look_at_no_seed_give_one_mask_and_the_others_do_not(
    tiny_model, digits_split, monkeypatch
):
    monkeypatch.setattr(importance, "SAMPLES", 20)
    for rule in [r for r in RULES if r != "none"]:
        one, other = (
            build_mask(rule, tiny_model, digits_split, keep=0.2, seed=seed) for seed in (0, 1)
        )
        assert (one == other) == (rule in SEEDLESS), rule


@every_rule
def test_held_weights_stay_under_every_rule(rule, tiny_model, digits_split):
    result = su.unlearning.unlearn(
        "rl", tiny_model, digits_split, mask=rule, keep=0.2, epochs=1, lr=0.05
    )
    before = dict(tiny_model.named_parameters())
    assert all(
        torch.equal(p[~result.mask[n]], before[n][~result.mask[n]])
        for n, p in result.model.named_parameters()
    )


@pytest.mark.parametrize("arch", ["mobilenetv3_small", "vit_tiny"])
def test_wanda_fits_grouped_convolutions_and_attention(arch):
    pytest.importorskip("timm")
    model = su.models.create(arch, num_classes=3, channels=1, image_size=16)
    images = Images(torch.randint(0, 256, (6, 1, 16, 16), dtype=torch.uint8), torch.arange(6) % 3)
    found = weight_times_activation(model, images)
    assert all(
        found[n].shape == p.shape and found[n].isfinite().all() for n, p in model.named_parameters()
    )


class Two(nn.Module):
    """A convolution of one pixel, a normalisation and a linear layer, small enough for a
    calculation by hand.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.bn = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).mean((2, 3)))


def test_wanda_is_the_weight_times_the_root_mean_square_of_what_it_reads():
    torch.manual_seed(0)
    model = Two().eval()
    model.bn.running_mean.copy_(torch.tensor([0.1, -0.2]))
    model.bn.running_var.copy_(torch.tensor([2.0, 0.5]))
    images = Images(
        torch.randint(0, 256, (5, 1, 3, 3), dtype=torch.uint8), torch.zeros(5, dtype=torch.int64)
    )
    x, _ = next(images.batches(5))
    found = weight_times_activation(model, images, batch_size=2)
    with torch.no_grad():
        convolved = model.conv(x)
        mean, var = (b.view(1, 2, 1, 1) for b in (model.bn.running_mean, model.bn.running_var))
        normalised = (convolved - mean) / (var + model.bn.eps).sqrt()
        read = model.bn(convolved).mean((2, 3))
    assert torch.allclose(found["conv.weight"], model.conv.weight.abs() * x.square().mean().sqrt())
    assert torch.allclose(
        found["bn.weight"],
        model.bn.weight.abs() * normalised.square().mean((0, 2, 3)).sqrt(),
        atol=1e-6,
    )
    assert torch.allclose(
        found["fc.weight"], model.fc.weight.abs() * read.square().mean(0).sqrt(), atol=1e-6
    )
    assert torch.equal(found["fc.bias"], model.fc.bias.abs())


def test_each_layer_gives_the_same_share(tiny_model, digits_split):
    shares = build_mask("per-layer", tiny_model, digits_split, keep=0.25, seed=0).per_layer()
    big = shares[shares.weights >= 100]
    assert len(big) > 2 and ((big.share - 0.25).abs() < 0.01).all()
    ranks = rank_within({"w": torch.tensor([[3.0, 1.0], [3.0, 2.0]])})["w"]
    assert ranks.tolist() == [[1.0, 0.25], [0.75, 0.5]]


def test_the_last_layers_are_filled_from_the_output_backwards(tiny_model, digits_split):
    sizes = {n: p.numel() for n, p in tiny_model.named_parameters()}
    names, total = list(sizes), sum(sizes.values())
    wanted = sizes[names[-1]] + sizes[names[-2]]
    mask = build_mask("last-layers", tiny_model, digits_split, keep=(wanted + 0.5) / total, seed=0)
    assert (
        [n for n in mask if mask[n].any()] == names[-2:]
        and mask[names[-1]].all()
        and mask[names[-2]].all()
    )


def test_the_ratio_prefers_weights_that_the_retain_set_does_not_pull_at(tiny_model, digits_split):
    forget, retain = (
        saliency_scores(tiny_model, part) for part in (digits_split.forget, digits_split.retain)
    )
    mask = build_mask("gradient-ratio", tiny_model, digits_split, keep=0.2, seed=0)
    quotient = torch.cat([(forget[n] / (retain[n] + 1e-12)).flatten() for n in mask])
    chosen = torch.cat([mask[n].flatten() for n in mask])
    pulled = torch.cat([forget[n].flatten() for n in mask]) > 0
    assert quotient[chosen & pulled].median() > 3 * quotient[~chosen & pulled].median()
