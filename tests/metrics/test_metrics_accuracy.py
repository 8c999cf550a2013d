"""Predictions: in order, in float32, and the model left as found."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import salun_utils.metrics as metrics
from salun_utils.data.images import Images
from salun_utils.errors import InputError


@pytest.fixture
def pictures():
    draws = torch.Generator().manual_seed(0)
    return Images(
        torch.randint(0, 256, (37, 1, 8, 8), generator=draws, dtype=torch.uint8),
        torch.arange(37) % 4,
    )


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Flatten(), nn.Dropout(0.5), nn.Linear(216, 4)
    )


def test_logits_are_those_of_the_model_in_evaluation_mode_and_in_order(network, pictures):
    logits = metrics.predict_logits(network, pictures, batch_size=10)
    with torch.no_grad():
        expected = network.eval()(pictures.pixels.float() / 255)
    assert logits.shape == (37, 4) and logits.dtype == torch.float32 and logits.device.type == "cpu"
    assert torch.allclose(logits, expected, atol=1e-5)
    assert torch.allclose(
        logits, metrics.predict_logits(network, pictures, batch_size=1000), atol=1e-5
    )


def test_model_is_left_as_found_with_every_training_flag(network, pictures):
    network.train()
    network[1].eval()  # a frozen BatchNorm inside a model in training
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flags = [module.training for module in network.modules()]
    metrics.predict_logits(network, pictures)
    assert [module.training for module in network.modules()] == flags
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_training_flags_come_back_after_an_error(pictures):
    broken = nn.Sequential(nn.Flatten(), nn.Linear(3, 4)).train()
    with pytest.raises(InputError, match="can't take pictures"):
        metrics.predict_logits(broken, pictures)
    assert broken.training and broken[1].training


def test_autocast_around_the_call_does_not_reach_the_scores(network, pictures):
    plain = metrics.predict_logits(network, pictures)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(metrics.predict_logits(network, pictures), plain)


def test_a_bfloat16_model_gives_float32_logits(network, pictures):
    assert metrics.predict_logits(network.bfloat16(), pictures).dtype == torch.float32


def test_accuracy_is_a_percentage():
    logits = torch.tensor([[2.0, 1, 0], [0, 1, 2], [0, 3, 1], [1, 0, 0]])
    assert metrics.accuracy(logits, torch.tensor([0, 2, 0, 0])) == 100 * 3 / 4


@pytest.mark.parametrize(
    ("logits", "labels", "word"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), "empty"),
        (torch.zeros(2, 3), torch.tensor([0]), "shapes"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), "0 to 2"),
        (torch.zeros(2, 3), torch.tensor([0.0, 1.0]), "whole numbers"),
        (torch.full((2, 3), float("nan")), torch.tensor([0, 0]), "NaN"),
        (torch.tensor([[0.0, float("inf")]]), torch.tensor([1]), "infinity"),
        ("abc", torch.tensor([0]), "scores must be numbers"),
        ([[1.0, 2.0], [3.0]], torch.tensor([0, 0]), "scores must be numbers"),
    ],
)
def test_bad_input_is_named(logits, labels, word):
    with pytest.raises(InputError, match=word):
        metrics.accuracy(logits, labels)


def test_no_pictures_is_an_input_error(network, pictures):
    with pytest.raises(InputError, match="empty"):
        metrics.predict_logits(network, pictures.subset([]))
