"""How far figures spread: on made-up records with known means, spreads and distances."""

from __future__ import annotations

import pytest

from salun_utils.runs import Record
from salun_utils.studies.benchmark import stability
from salun_utils.studies.benchmark import stability_tables as said
from salun_utils.studies.claims import claims_table
from salun_utils.unlearning import METHODS


def record(method: str, seed: int, gap: float, *, scenario="random-10", lr=0.1, ua=5.0) -> Record:
    """A run whose four gaps are all `gap`."""
    kind, amount = scenario.split("-")
    retrain = {"ua": ua, "ra": 99.0, "ta": 90.0, "mia": 10.0}
    return Record(
        id=f"{method}_{scenario}_{seed}_{lr}",
        tier="cpu",
        created="2026-01-01T00:00:00+00:00",
        seeds={"split": seed, "training": seed, "unlearning": seed},
        spec={
            "dataset": "fashion-mini",
            "arch": "small-cnn",
            "scenario": kind,
            "forget_fraction": float(amount) / 100,
            "method": method,
            "mask": METHODS[method].mask,
            "params": {} if method == "retrain" else {"lr": lr},
            "seed": seed,
        },
        data={"name": "fashion-mini", "scenario": scenario},
        scores={m: v + gap for m, v in retrain.items()},
        reference=retrain,
        gap={**dict.fromkeys(retrain, gap), "average": gap},
    )


@pytest.fixture
def found() -> stability.Stability:
    records = []
    for seed in (1, 2, 3):
        records += [
            record("salun", seed, 2.0 + 0.1 * seed),
            record("ft", seed, 3.0 + 0.1 * seed),
            record("ga", seed, 1.0 + seed),
            record("iu", seed, 4.0),
            record("original", seed, 6.0),
            record("retrain", seed, 0.0, ua=4.0 * seed),
            record("salun", seed, 2.5, scenario="random-40"),
            record("ft", seed, 1.0, scenario="random-40"),
            record("salun", seed, 6.0 + seed, scenario="random-50", lr=0.3),
        ]
    return stability.Stability.of(records)


def test_spreads_are_standard_deviations_over_the_seeds(found):
    part = found.spread().loc["random-10"]
    assert part.loc["SalUn", "mean"] == pytest.approx(2.2)
    assert part.loc["SalUn", "std"] == pytest.approx(0.1) and part.loc["GA", "std"] == 1
    assert found.nothing() == {"random-10": pytest.approx(6)}
    assert "original" not in set(found.dots().name) and found.scenes[0] == "random-10"
    line = next(x for x in str(said.spread_table(found, "random-10")).splitlines() if "SalUn" in x)
    assert "2.20 ± 0.10" in line and "2.10" in line and "2.30" in line


def test_retrains_are_held_against_each_other(found):
    row = found.floors().loc["random-10"]
    assert (row.Retrains, row["mean"], row.largest) == (3, pytest.approx(4 / 3), 2)
    assert row.ua == pytest.approx(4) and row.mia == 0
    assert "1.33" in str(said.floor_table(found))


def test_runs_with_other_values_than_those_of_ten_per_cent_are_not_carried(found):
    amounts = found.amounts()
    salun = amounts[amounts.name == "SalUn"].groupby("amount").carried.all().to_dict()
    assert salun == {10.0: True, 40.0: True, 50.0: False}
    shown = str(said.amount_table(amounts))
    assert "SalUn, tuned there" in shown and "8.00 (3)" in shown
    told = str(said.carried_answer(amounts))
    assert "2.50 at 40 %" in told and "8.00 at 50 %, with a spread of 1.0" in told


def test_seeds_needed_grow_with_the_spread_of_the_differences(found):
    needed = found.needed().set_index("name")
    assert needed.loc["FT", "difference"] == pytest.approx(-1)
    assert needed.loc["FT", "spread"] == pytest.approx(0, abs=1e-9)
    assert needed.loc["GA", "seeds"] > needed.loc["FT", "seeds"]
    assert "n = 50" in str(said.needed_table(found.needed()))
    assert "comparisons" in str(said.answer(found)) and "0.250" in str(said.answer(found))


def test_claims_say_how_far_settings_carry(found):
    marks = {c.text.split(":")[0]: c.mark for c in said.claims(found)}
    assert marks["settings tuned at 10 % carry"] == "holds"
    with_ft = next(c for c in said.claims(found) if "than FT" in c.text)
    assert (with_ft.mark, with_ft.figure) == ("FAILS", "at 1 of 2 amounts")
    assert with_ft.text.startswith("with settings tuned at 10 %, SalUn")
    claims_table(said.claims(found))


def test_without_records_every_table_says_so():
    none = stability.Stability({})
    shown = [
        said.answer(none),
        said.spread_table(none, "random-10"),
        said.carried_answer(none.amounts()),
    ]
    assert all("no recorded runs" in str(one) for one in shown)
    assert "Fewer than two" in str(said.floor_table(none))
    assert {c.mark for c in said.claims(none)} == {"open"}
