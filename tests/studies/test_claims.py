"""Claims of a page: how verdicts of one table are judged at once."""

from __future__ import annotations

import pytest

from salun_utils.metrics import compare_pairs
from salun_utils.studies.claims import difference, paired, together


@pytest.mark.parametrize("pairs, answer", [(6, "too few"), (8, "yes")])
def test_verdicts_of_one_table_say_too_few_as_one_comparison_of_them_all_would(pairs, answer):
    """Six pairs give p = 1/32 at best, four times which is over 0.05; eight give 1/128."""
    ours = {seed: 1.0 + 0.01 * seed for seed in range(pairs)}
    rivals = {name: {s: v + 1 for s, v in ours.items()} for name in "abcd"}
    alone = {name: compare_pairs({name: (ours, r)})[name] for name, r in rivals.items()}
    at_once = compare_pairs({name: (ours, r) for name, r in rivals.items()})
    found = together(alone)
    assert {v.answer for v in alone.values()} == {"yes"}
    assert [v.answer for v in found.values()] == [v.answer for v in at_once.values()]
    assert {v.answer for v in found.values()} == {answer}
    assert [v.p for v in found.values()] == [v.p for v in at_once.values()]


def test_verdicts_of_one_table_can_have_different_numbers_of_pairs():
    """Six pairs beside ten could have decided, had the ten come first."""
    ours = {seed: 0.01 * seed**2 for seed in range(10)}
    near = {seed: value + 0.001 * (-1) ** seed for seed, value in ours.items()}
    pairs = {"few": (ours, dict.fromkeys(range(6), 1.0)), "near": (ours, near)}
    alone = {name: compare_pairs({name: pair})[name] for name, pair in pairs.items()}
    at_once = compare_pairs(pairs)
    assert {n: v.answer for n, v in together(alone).items()} == dict.fromkeys(pairs, "undecided")
    assert {n: v.answer for n, v in at_once.items()} == dict.fromkeys(pairs, "undecided")


def test_a_pair_with_too_few_seeds_in_common_is_not_compared():
    ours = {seed: 1.0 + 0.01 * seed for seed in range(8)}
    values = {
        "ours": ours,
        "worse": {s: v + 1 for s, v in ours.items()},
        "two": {0: 5.0, 7: 5.0, 8: 5.0, 9: 5.0},
    }
    (name,) = found = paired(values, "ours", least=3)
    assert name == "worse" and found[name].answer == "yes", "two isn't corrected for, either"
    assert str(difference(found[name])).startswith("\N{MINUS SIGN}1.00 [\N{MINUS SIGN}1.00")
    assert set(paired(values, "ours", least=2)) == {"worse", "two"}
    assert paired(values, "nobody", least=2) == paired({"ours": ours}, "ours", least=2) == {}
