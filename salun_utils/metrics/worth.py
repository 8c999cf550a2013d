"""The attack's own worth: before anybody asks what a membership attack says of forgotten pictures,
does it tell those that were trained on from those that were not?
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..errors import InputError, check_count
from ..seeds import derive, generator
from ..shown import amount
from ..units import numerics
from .membership import membership_attack
from .reading import features, share

Array = Tensor | np.ndarray
CANT_TELL = "can't tell"  # stands where the answer of an attack that is a coin would
COIN = 50.0  # balanced accuracy of an attack that knows nothing, per cent


class AttackWorth(BaseModel):
    """How well a membership attack does on pictures whose membership is known, in per cent.

    Attributes
    ----------
    balanced_accuracy : mean of the shares of members and of non-members that it calls so; 50 is a
        coin. low, high : its bootstrap 95 % interval. members, nonmembers : how many were asked,
        none of which the attack was fitted on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    balanced_accuracy: float = Field(ge=0, le=100)
    low: float = Field(ge=0, le=100)
    high: float = Field(ge=0, le=100)
    members: int
    nonmembers: int

    @property
    def can_tell(self) -> bool:
        """Whether the interval lies above 50. Where it doesn't, what the attack says of anything is
        no evidence.
        """
        return self.low > COIN

    def in_words(self, digits: int = 1) -> str:
        """The balanced accuracy with its interval."""
        figures = (amount(v, digits) for v in (self.balanced_accuracy, self.low, self.high))
        return "{} % [{}, {}]".format(*figures)


def tells(*attacks: AttackWorth | Mapping[str, Any] | None) -> bool | None:
    """Whether all of these attacks tell members from non-members: False where one of them can't,
    else None where one was not measured.

    Parameters
    ----------
    attacks : of `Scores.attack`, or as a record holds it.
    """
    known = [a.model_dump() if isinstance(a, AttackWorth) else a for a in attacks]
    if any(a and a["low"] <= COIN for a in known):
        return False
    return True if known and all(known) else None


@numerics(1, "metric/worth", uses=("metric/membership",))
def attack_worth(
    member: Array,
    nonmember: Array,
    *,
    other_members: Array | None = None,
    other_nonmembers: Array | None = None,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 10_000,
    **options: Any,
) -> AttackWorth:
    """Balanced accuracy of `membership_attack`, fitted on members and non-members and asked about
    others.

    Parameters
    ----------
    member, nonmember : features (N,) or (N, F), as `membership_attack` takes them.
    other_members, other_nonmembers : features of further ones, to be asked about; give both or
        neither. Without them each side is cut into two random halves, and the attack fitted on one
        half is asked about the other, both ways.
    seed : of the halves and the interval. options : of `membership_attack`, such as C and gamma.

    Notes
    -----
    The interval draws the answers on members, and those on non-members, anew; the attack is taken
    as it was fitted. An attack that calls everything a member has exactly 50, and can't tell.
    One that was never wrong has no answers to draw that differ: its interval begins at the least
    balanced accuracy by which so many right answers are not rarer than (1 - level) / 2, so that two
    pictures a side can't tell, and three can.
    """
    sides = features("member", member), features("nonmember", nonmember)
    if (other_members is None) != (other_nonmembers is None):
        raise InputError("give other_members and other_nonmembers, or neither")
    share("level", level)
    check_count("resamples", resamples)
    if other_members is not None and other_nonmembers is not None:
        others = features("other_members", other_members)
        asked = others, features("other_nonmembers", other_nonmembers)
        rounds = [(sides, asked)]
    else:
        rounds = _both_ways(sides, seed)
    right, total = np.zeros(2), np.zeros(2, dtype=int)
    for fitted, asked in rounds:
        for i, part in enumerate(asked):
            called = membership_attack(fitted[0], fitted[1], part, seed=seed, **options)
            right[i] += len(part) * (called if i else 1 - called)
            total[i] += len(part)
    shares = right / total
    rng = np.random.default_rng(derive(seed, "attack worth"))
    drawn = [rng.binomial(n, min(1.0, p), resamples) / n for n, p in zip(total, shares)]
    low, high = np.quantile((drawn[0] + drawn[1]) / 2, [(1 - level) / 2, (1 + level) / 2])
    if right.tolist() == total.tolist():
        low = _never_wrong(total, (1 - level) / 2)
    return AttackWorth(
        balanced_accuracy=100 * float(shares.mean()),
        low=100 * float(low),
        high=100 * float(high),
        members=int(total[0]),
        nonmembers=int(total[1]),
    )


def _never_wrong(total: np.ndarray, rare: float) -> float:
    """The smallest mean of two shares p with p_0^n_0 p_1^n_1 = rare, each at most 1: where p is
    proportional to n, or 1 for the larger n.
    """
    few, many = sorted(map(int, total))
    scale = np.exp((np.log(rare) - few * np.log(few) - many * np.log(many)) / (few + many))
    if scale * many > 1:
        return float((1 + rare ** (1 / few)) / 2)
    return float(scale * (few + many) / 2)


def _both_ways(sides: tuple[np.ndarray, np.ndarray], seed: int) -> list[tuple]:
    """Two rounds, (fitted on, asked about) each, from two halves of members and of non-members."""
    if min(map(len, sides)) < 2:
        raise InputError("an attack's worth needs at least 2 members and 2 non-members")
    halves = []
    for name, side in zip(("members", "nonmembers"), sides, strict=True):
        order = torch.randperm(len(side), generator=generator(seed, f"worth {name}")).numpy()
        halves.append((side[order[0::2]], side[order[1::2]]))
    first, second = zip(*halves, strict=True)
    return [(first, second), (second, first)]
