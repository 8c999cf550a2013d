"""Jensen-Shannon divergence and the scores made of it, by hand."""

from __future__ import annotations

import math

import pytest
import torch

import salun_utils.metrics as metrics
from salun_utils.errors import InputError


def test_jensen_shannon_by_hand():
    p, q = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]]), torch.tensor([[0, 1.0, 0], [0.5, 0.5, 0]])
    assert metrics.jensen_shannon(p, q).tolist() == pytest.approx([math.log(2), 0])
    half = metrics.jensen_shannon(torch.tensor([[1.0, 0]]), torch.tensor([[0.5, 0.5]]))
    by_hand = 0.5 * math.log(4 / 3) + 0.5 * (0.5 * math.log(2 / 3) + 0.5 * math.log(2))
    assert half.item() == pytest.approx(by_hand)
    assert half.item() == metrics.jensen_shannon([[0.5, 0.5]], [[1.0, 0]]).item()


def test_the_swapped_divergence_is_another_and_has_no_bound():
    p, q = torch.tensor([[0.99999999, 1e-8]]).double(), torch.tensor([[1e-8, 0.99999999]]).double()
    m = (p + q) / 2
    swapped = sum(0.5 * (m * (m / part).log()).sum().item() for part in (p, q))
    assert metrics.jensen_shannon(p, q).item() < math.log(2) < 8 < swapped


def test_zrf_is_one_minus_the_mean():
    p = torch.tensor([[1.0, 0], [0.5, 0.5]])
    assert metrics.zero_retrain_forgetting(p, p) == 1
    other = torch.tensor([[0, 1.0], [0.5, 0.5]])
    assert metrics.zero_retrain_forgetting(p, other) == pytest.approx(1 - math.log(2) / 2)


def test_retrain_free_divergence_compares_class_by_class():
    forgotten = torch.tensor([[0.8, 0.2], [0.4, 0.6], [0.0, 1.0]])  # means (0.6, 0.4) and (0, 1)
    unseen = torch.tensor([[0.6, 0.4], [1.0, 0.0], [0.5, 0.5]])
    found = metrics.retrain_free_divergence(
        forgotten, torch.tensor([0, 0, 1]), unseen, torch.tensor([0, 1, 2])
    )
    assert found == pytest.approx(math.log(2) / 2)
    with pytest.raises(InputError, match="class 1 has forgotten pictures but no unseen"):
        metrics.retrain_free_divergence(
            forgotten, torch.tensor([0, 0, 1]), unseen, torch.tensor([0, 0, 2])
        )


@pytest.mark.parametrize("q", [[[1.0, 0]] * 2, [[0.5, 0.2]], [[0.2, 0.2, 0.6]]])
def test_other_pictures_or_no_probabilities_are_refused(q):
    with pytest.raises(InputError):
        metrics.jensen_shannon([[0.5, 0.5]], q)
