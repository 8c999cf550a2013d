"""The network on which the membership attack is a coin: its tables, and the network itself."""

from __future__ import annotations

import pytest
import torch

import salun_utils as su
from salun_utils.metrics import Scores
from salun_utils.studies.benchmark.first import coin


def scores(mia: float, low: float, ua: float = 100.0) -> Scores:
    sides = {"members": 900, "nonmembers": 900}
    attack = {"balanced_accuracy": low + 1, "low": low, "high": low + 2, **sides}
    figures = {"ua": ua, "ra": 84.0, "ta": 83.0, "mia": mia, "mia_variants": {}}
    return Scores(**figures, protocol="disjoint", counts={}, attack=attack)


@pytest.fixture
def tosses():
    """Two coins that fall alike, two that don't, and one attack that does tell."""
    return [
        coin.Toss(0, scores(0, 49.0, ua=99.4), scores(0, 49.0)),
        coin.Toss(1, scores(100, 49.0, ua=99.7), scores(0, 48.5)),
        coin.Toss(2, scores(40, 60.0), scores(20, 61.0)),
    ]


def test_the_gap_of_a_coin_is_a_quarter_of_its_fall(tosses):
    lines = {s[:6]: s.split() for s in str(coin.coin_table(tosses)).splitlines()}
    assert lines["seed 0"][-2:] == ["0.15", "0.20"]
    assert lines["seed 1"][-2:] == ["25.07", "0.10"]  # (0.3 + 100) / 4, and 0.3 / 3
    assert lines["seed 1"][2:4] == ["100", "0"]
    assert "at most 0.6 points apart" in str(coin.coin_table(tosses))
    assert [t.apart for t in tosses] == [False, True, False]


def test_the_right_way_leaves_a_coin_out_and_an_attack_that_tells_in(tosses):
    def as_published(mine, retrain):
        return mine.gap(retrain).average

    def as_far_as_told(mine, retrain):
        return mine.average_gap(retrain)

    found = coin.both_ways(tosses, right=as_far_as_told, faulty=as_published)
    lines = {s[:6]: s.split() for s in str(found).splitlines()}
    assert str(found).startswith("17 attack that is a coin")
    assert lines["seed 1"][-2:] == ["0.10", "25.07"]
    assert lines["seed 2"][-2:] == ["5.00", "5.00"]


def test_the_answer_counts_the_seeds_and_names_both_gaps(tosses):
    said = " ".join(str(coin.answer(tosses)).split())
    assert "On 2 of 3 seeds" in said and "0, 100, 40 for SalUn and 0, 0, 20 for Retrain" in said
    assert "falls apart the average gap is 25.07; without MIA it is 0.10 to 0.20" in said
    assert "falls apart" not in str(coin.answer(tosses[:1]))
    assert "Nothing was trained" in str(coin.answer([]))


def test_a_toss_is_the_same_again_and_its_networks_forget_the_class():
    data = su.data.load("digits")
    found = coin.toss(data, 3, 1)
    assert found == coin.toss(data, 3, 1)
    assert found.retrain.ua == 100 and found.retrain.ta > 60
    state = torch.get_rng_state()
    a, b, c = (coin.perceptron(data, seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    first = [next(iter(m.parameters())) for m in (a, b, c)]
    assert torch.equal(first[0], first[1]) and not torch.equal(first[0], first[2])
    assert first[0].shape == (coin.UNITS, data.train.pixels[0].numel())
