"""Means are over seeds and nothing else: what else differs is an error that names both."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from salun_utils.errors import InputError
from salun_utils.runs import Record, frame, over_seeds
from salun_utils.runs.records.alike import check_alike, check_rows, threads
from salun_utils.runs.records.provenance import device_facts
from salun_utils.runs.summary import gap_by_seed, one_a_seed, summarise
from salun_utils.studies.benchmark.leaderboard import leaderboard


def record(seed: int = 1, gap: float = 2.0, **changes) -> Record:
    spec = {"method": "salun", "mask": "saliency", "keep": 0.5, "scenario": "class", "seed": seed}
    gaps = {"ua": -gap, "ra": gap, "ta": -gap, "mia": gap, "average": gap}
    own = {
        "id": f"run{seed}",
        "spec": spec | changes.pop("spec", {}),
        "seeds": {"unlearning": seed},
        "scores": {"ua": 90.0, "ra": 97.0, "ta": 88.0, "mia": 95.0},
        "gap": gaps,
        "data": {"scenario": "class-3", "fingerprint": "a" * 64},
        "device": {"name": "cpu x1", "type": "cpu", "threads": 1},
        "numerics": {"training": 1, "method/salun": 1},
    }
    return Record(**{**own, **changes})


OTHERS = {
    "data": {"data": {"scenario": "class-3", "fingerprint": "b" * 64}},
    "numerics": {"numerics": {"training": 2, "method/salun": 1}},
    "threads": {"device": {"name": "cpu x2", "type": "cpu", "threads": 2}},
}
SAID = {
    "data": "data: aaaaaaaaaaaa… and bbbbbbbbbbbb…",
    "numerics": "numerics: training 1 and training 2",
    "threads": "threads: 1 and 2",
}


@pytest.mark.parametrize("what", OTHERS)
def test_runs_of_one_mean_are_of_one_kind(what):
    runs = [record(1), record(2), record(3, **OTHERS[what])]
    for mean in (
        summarise,
        one_a_seed,
        gap_by_seed,
        lambda r: over_seeds(frame(r), ["method"], ["avg_gap"]),
    ):
        with pytest.raises(InputError) as error:
            mean(runs)
        assert SAID[what] in str(error.value)
    assert summarise(runs[:2]).seeds.item() == 2


@pytest.mark.parametrize("what", OTHERS)
def test_a_reader_may_mix_and_the_table_says_so(what):
    runs = [record(1), record(2), record(3, **OTHERS[what])]
    mixed = summarise(runs, mixing=[what])
    assert mixed.seeds.item() == 3
    assert f"different {what}" in mixed.attrs["note"]
    alike = summarise(runs[:2], mixing=[what])
    assert "note" not in alike.attrs
    rows = frame(runs)
    assert over_seeds(rows, ["method"], ["avg_gap"], mixing=[what]).seeds.item() == 3
    assert (
        set(gap_by_seed(runs, mixing=[what])) == set(one_a_seed(runs, mixing=[what])) == {1, 2, 3}
    )


def test_the_error_names_both_runs():
    with pytest.raises(InputError, match="run1 and run2"):
        check_alike([record(1), record(2, **OTHERS["threads"])])


def test_rows_of_one_line_have_the_same_settings_but_for_their_seeds():
    runs = [record(1), record(2, spec={"params": {"lr": 0.1}})]
    with pytest.raises(InputError, match="params"):
        over_seeds(frame(runs), ["method"], ["avg_gap"])
    rates = [record(n, spec={"params": {"lr": lr}}) for n, lr in ((1, 0.1), (1, 0.2), (2, 0.2))]
    assert over_seeds(frame(rates), ["method", "lr"], ["avg_gap"]).seeds.tolist() == [1, 2]
    seeds = frame([record(1), record(2, spec={"split_seed": 5, "device": "cpu"})])
    assert over_seeds(seeds, ["method"], ["avg_gap"]).seeds.item() == 2
    assert over_seeds(frame(runs), ["method"], ["avg_gap"], mixing=["params"]).seeds.item() == 2


def test_a_unit_that_one_run_alone_touched_has_no_say():
    check_alike([record(1), record(2, numerics={"training": 1, "mask/saliency": 3})])


def test_tables_that_say_nothing_of_their_rows_pass():
    rows = pd.DataFrame({"name": ["a", "a"], "value": [1.0, 3.0], "seed": [1, 2]})
    check_rows(rows, ["name"])
    assert over_seeds(rows, ["name"], ["value"]).value.item() == 2


def test_the_leaderboard_gives_runs_of_another_kind_a_row_of_their_own():
    for changes in OTHERS.values():
        board = leaderboard([record(1), record(2), record(3, **changes)], with_published=False)
        assert sorted(len(row.seeds) for row in board.rows) == [1, 2]


def test_the_number_of_threads_is_a_fact_of_its_own():
    torch_threads = torch.get_num_threads()
    facts = device_facts(torch.device("cpu"))
    assert facts["threads"] == torch_threads and facts["name"] == f"cpu x{torch_threads}"
    assert threads(record(device=facts)) == torch_threads
    assert threads(record(device={"name": "cpu x4", "type": "cpu"})) == 4  # of an older record
    assert threads(record(device={"name": "H100", "type": "cuda", "threads": 8})) is None
    assert threads(record(device={})) is None


def test_an_older_record_and_a_newer_one_of_the_same_number_of_threads_are_alike():
    check_alike([record(1), record(2, device={"name": "cpu x1", "type": "cpu"})])
