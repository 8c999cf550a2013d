"""Most against least salient, on records made up so that the answer is known."""

from __future__ import annotations

from made_records import made_run

from salun_utils.studies.claims import claims_table
from salun_utils.studies.masks import opposite
from salun_utils.studies.masks.opposite import LEAST, MOST, MOVED, RANDOM, REDRAWN


def of(method, gap, seed, *, mask="none", which=None):
    record = made_run(method, gap, seed, mask)
    params = {} if which is None else {"which": which}
    return record.model_copy(update={"spec": {**record.spec, "params": params}})


def records(seeds=10):
    for seed in range(seeds):
        shift = 0.01 * seed
        yield of("salun", 2.0 + shift, seed, mask="inverted")
        yield of("salun", 1.0, seed, mask="saliency")
        yield of("salun", 1.5, seed, mask="random")
        yield of("msg", 3.0, seed)
        yield of("msg", 2.5 - shift, seed, which="largest")
        yield of("msg", 2.7, seed, which="random")
        yield of("ft", 0.1, seed)


def test_each_run_is_put_where_it_belongs():
    found = opposite.ways(records(2))
    assert set(found) == {MOVED, REDRAWN}
    assert found[MOVED][MOST] == {0: 1.0, 1: 1.0} and found[MOVED][LEAST] == {0: 2.0, 1: 2.01}
    assert found[REDRAWN][LEAST] == {0: 3.0, 1: 3.0} and found[REDRAWN][MOST][1] == 2.49
    assert set(found[REDRAWN]) == {MOST, LEAST, RANDOM}


def test_the_table_says_which_half_is_nearer():
    said = str(opposite.opposite_table(opposite.ways(records())))
    lines = {line.split("  ")[0]: line.rstrip() for line in said.splitlines()}
    assert "1.00" in lines[MOVED] and lines[MOVED].endswith(MOST)
    assert "3.00" in lines[REDRAWN] and lines[REDRAWN].endswith(MOST) and "10 seeds" in said


def test_the_claim_fails_where_the_largest_are_nearer_and_asks_for_enough_seeds():
    assert "FAILS" in str(claims_table(opposite.claims(opposite.ways(records()))))
    assert "too few" in str(claims_table(opposite.claims(opposite.ways(records(4)))))


def test_without_records_nothing_is_said():
    assert "no" in str(opposite.opposite_table({})).lower()
    assert "open" in str(claims_table(opposite.claims({})))
