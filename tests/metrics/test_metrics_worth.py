"""What an attack is worth: sure of what is plain, a coin where there is nothing to see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import salun_utils.metrics as metrics
from salun_utils.errors import InputError


def features(mean: float, count: int, seed: int) -> torch.Tensor:
    return mean + torch.randn(count, generator=torch.Generator().manual_seed(seed))


def test_known_shares_by_hand():
    """Members lie at 1 and non-members at 0; of the others a quarter and a fifth lie wrong."""
    member, nonmember = torch.ones(20), torch.zeros(20)
    worth = metrics.attack_worth(
        member,
        nonmember,
        other_members=torch.tensor([1.0] * 30 + [0.0] * 10),
        other_nonmembers=torch.tensor([0.0] * 40 + [1.0] * 10),
    )
    assert worth.balanced_accuracy == pytest.approx(100 * (0.75 + 0.8) / 2)
    assert (worth.members, worth.nonmembers) == (40, 50) and worth.can_tell
    half_width = 196 * ((0.75 * 0.25 / 40 + 0.8 * 0.2 / 50) / 4) ** 0.5
    assert worth.high - worth.low == pytest.approx(2 * half_width, rel=0.1)


@pytest.mark.parametrize("apart", [False, True])
def test_nothing_to_see_is_a_coin(apart):
    parts = [features(0, 60, k) for k in range(4)]
    others = dict(zip(("other_members", "other_nonmembers"), parts[2:])) if apart else {}
    worth = metrics.attack_worth(*parts[:2], **others)
    assert worth.low < 50 < worth.high and not worth.can_tell
    blank = metrics.attack_worth(torch.ones(10), torch.ones(10))
    assert (blank.low, blank.balanced_accuracy, blank.high, blank.can_tell) == (50, 50, 50, False)


def test_what_is_plain_is_told_on_pictures_it_was_not_fitted_on():
    worth = metrics.attack_worth(features(6, 50, 0), features(0, 40, 1))
    assert worth.balanced_accuracy > 95 and worth.can_tell
    assert (worth.members, worth.nonmembers) == (50, 40)
    assert worth == metrics.attack_worth(features(6, 50, 0), features(0, 40, 1))
    assert metrics.AttackWorth.model_validate_json(worth.model_dump_json()) == worth


def never_wrong(members: int, nonmembers: int) -> metrics.AttackWorth:
    """An attack that is right about all of these, fitted on others that are as far apart."""
    sides = torch.linspace(5, 6, 20), torch.linspace(-6, -5, 20)
    asked = {
        "other_members": torch.linspace(5, 6, members),
        "other_nonmembers": torch.linspace(-6, -5, nonmembers),
    }
    return metrics.attack_worth(*sides, **asked)


def test_two_pictures_a_side_prove_nothing():
    """A coin is right about all four once in sixteen times, about all six once in sixty-four."""
    two, three = never_wrong(2, 2), never_wrong(3, 3)
    assert two.balanced_accuracy == three.balanced_accuracy == two.high == 100
    assert two.low == pytest.approx(100 * 0.025 ** (1 / 4)) and not two.can_tell
    assert three.low == pytest.approx(100 * 0.025 ** (1 / 6)) and three.can_tell


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (5, 9), (40, 50), (3, 400), (400, 3)])
def test_no_attack_worth_less_is_as_seldom_never_wrong(sizes):
    """Over a fine grid of the two shares that are rare by at most 1 in 40, none has less."""
    first = np.linspace(1e-4, 1, 20_000)
    second = np.exp(np.minimum((np.log(0.025) - sizes[0] * np.log(first)) / sizes[1], 1))
    least = ((first + second) / 2)[second <= 1].min()
    assert never_wrong(*sizes).low == pytest.approx(100 * least, abs=0.01)


def test_a_fitted_attack_is_no_judge_of_itself():
    """An attack that can remember is right about what it was fitted on, and a coin elsewhere."""
    a, b = features(0, 40, 3), features(0, 40, 4)
    sharp = {"gamma": 1e6, "C": 1e3}
    itself = metrics.attack_worth(a, b, other_members=a, other_nonmembers=b, **sharp)
    assert itself.balanced_accuracy > 95
    assert not metrics.attack_worth(a, b, **sharp).can_tell


@pytest.mark.parametrize(
    ("options", "message"),
    [({"other_members": torch.ones(3)}, "or neither"), ({"level": 1.0}, "level")],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        metrics.attack_worth(torch.ones(4), torch.zeros(4), **options)
    with pytest.raises(InputError, match="at least 2 members"):
        metrics.attack_worth(torch.ones(1), torch.zeros(4))


def test_attacks_are_judged_together():
    """One that is a coin is enough for a comparison to say nothing."""
    sure = metrics.attack_worth(features(6, 50, 0), features(0, 40, 1))
    coin = metrics.attack_worth(torch.ones(10), torch.ones(10))
    assert metrics.tells(sure) is metrics.tells(sure, sure.model_dump()) is True
    assert metrics.tells(sure, coin) is metrics.tells(None, coin.model_dump()) is False
    assert metrics.tells() is metrics.tells(None) is metrics.tells(sure, {}) is None
    assert coin.in_words() == "50.0 % [50.0, 50.0]"
