"""Counting moves: exactly theta_o counts as unmoved, and looking on changes nothing."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.saliency import SaliencyMask
from salun_utils.studies.soft import moves
from salun_utils.unlearning import unlearn

PLAIN = {"batch_size": 128, "precision": "float32"}


@pytest.fixture(scope="module")
def split(digits):
    return su.data.random_split(digits, fraction=0.1, seed=0)


def two_models() -> tuple[nn.Module, nn.Module]:
    """A layer of 2 x 2 and a bias of 2, and one in which three weights are moved, one of them by
    the least that float32 can.
    """
    first = nn.Linear(2, 2)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        first.bias.zero_()
    second = copy.deepcopy(first)
    with torch.no_grad():
        second.weight[0, 0] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
        second.weight[1, 1] = 1.0
        second.bias[0] = -4.0
    return first, second


def test_moves_by_hand():
    moved = moves.moves(*two_models())
    assert moved["weight"].flatten().tolist() == [pytest.approx(2**-23), 0, 0, 3.0] and moved[
        "bias"
    ].tolist() == [4.0, 0]
    assert moves.share_moved(moved) == 3 / 6
    assert moves.by_layer({"a": moved}).a.to_dict() == {"weight": 0.5, "bias": 0.5}
    mask = moves.moved_mask(moved)
    assert mask["weight"].tolist() == [[True, False], [False, True]] and mask["bias"].tolist() == [
        True,
        False,
    ]


def test_concentration_by_hand():
    """Squares 16 and 9 of 25: one weight of six makes 64 %, two make all but a rounding."""
    moved = moves.moves(*two_models())
    assert moves.concentration(moved, 0.6) == 1 / 6 and moves.concentration(moved, 0.9) == 2 / 6
    assert moves.concentration(moved, 1.0) <= 3 / 6
    still = {n: torch.zeros_like(m) for n, m in moved.items()}
    assert moves.concentration(still) == 0 == moves.share_moved(still)
    with pytest.raises(InputError, match="part must be a number from 0 to 1"):
        moves.concentration(moved, 1.5)


def test_lift_by_hand():
    masks = {
        k: SaliencyMask.from_bools({"w": torch.tensor([i < k for i in range(8)])})
        for k in (0, 2, 4)
    }
    assert moves.lift(masks[2], masks[4]) == 2.0 and moves.lift(masks[4], masks[2]) == 2.0
    odd = SaliencyMask.from_bools({"w": torch.tensor([i % 2 == 0 for i in range(8)])})
    assert moves.lift(odd, masks[4]) == 1.0 and moves.lift(masks[2], masks[4].inverted()) == 0.0
    with pytest.raises(InputError, match="keeps no weight"):
        moves.lift(masks[0], masks[2])


def test_models_that_differ_are_refused():
    with pytest.raises(InputError, match="same parameters"):
        moves.moves(nn.Linear(2, 2), nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("rl", {}),
        ("salun", {"keep": 0.3}),
        ("salun-soft", {"beta": 0.02, "schedule": "rising"}),
        ("salun-annealed", {"final_keep": 0.2}),
    ],
)
def test_a_traced_method_gives_the_same_model_bit_for_bit(name, own, tiny_model, split):
    settings = {"epochs": 2, "lr": 0.02, "seed": 3, **own, **PLAIN}
    model, rows = moves.trace(name, tiny_model, split, **settings)
    plain = unlearn(name, tiny_model, split, **settings).model
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), plain.state_dict().values(), strict=True)
    )
    far = moves.moves(tiny_model, model)
    assert rows.step.tolist() == list(range(len(rows))) and len(rows) > 10
    assert (
        rows.moved.iloc[-1] == pytest.approx(moves.share_moved(far))
        and rows.moved.iloc[0] == 0 == rows.distance.iloc[0]
    )
    assert rows.distance.iloc[-1] == pytest.approx(
        float(sum(m.square().sum() for m in far.values()) ** 0.5), rel=1e-5
    )


def test_what_the_trace_sees_is_what_each_way_promises(tiny_model, split):
    settings = {"epochs": 2, "lr": 0.02, **PLAIN}
    asked = {"salun": {"keep": 0.25}, "salun-annealed": {"final_keep": 0.25}}
    seen = {
        name: moves.trace(name, tiny_model, split, every=2, **own, **settings)[1]
        for name, own in asked.items()
    }
    n = sum(p.numel() for p in tiny_model.parameters())
    assert (seen["salun"].moved <= int(0.25 * n) / n + 1e-12).all() and (
        seen["salun"].step % 2 == 0
    ).all()
    annealed = seen["salun-annealed"].moved.iloc[1:]
    assert (annealed.diff().dropna() <= 0).all() and annealed.iloc[0] > 0.6


def test_a_constant_penalty_leaves_more_weights_in_place_than_one_that_falls(tiny_model, split):
    """With the same beta: at the last step a falling penalty is beta / T."""
    settings = {"epochs": 3, "lr": 0.02, "beta": 0.05, **PLAIN}
    end = {
        s: moves.share_moved(
            moves.moves(
                tiny_model, unlearn("salun-soft", tiny_model, split, schedule=s, **settings).model
            )
        )
        for s in ("linear", "constant", "rising")
    }
    assert end["constant"] < 0.6 * end["linear"] and end["rising"] < 0.6 * end["linear"]
