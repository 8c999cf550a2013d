"""Claims of a page: how verdicts of one table are judged at once."""

from __future__ import annotations

import pytest

from salun_utils.metrics import compare_pairs
from salun_utils.studies.claims import together


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
