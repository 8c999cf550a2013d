"""The study of masks: its grids hold every rule, and their learning rates are those around the
tuned one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import salun_utils as su
from salun_utils.runner.grid import grid
from salun_utils.runs import expand
from salun_utils.runs.tuning import read_tuned
from salun_utils.unlearning.masks.knee import DECIDES

ROOT = Path(__file__).parents[3]
# those whose density can be set
EQUAL = [rule for rule in su.unlearning.RULES if rule not in DECIDES]


def runs_of(name: str):
    return grid.read(ROOT / "benchmark" / "grids" / f"{name}.yaml").runs


def specs_of(run):
    given = dict(run.parameters)
    sweep, _ = given.pop("sweep"), given.pop("study")
    own = {k: v for k in ("epochs", "lr") if (v := given.pop(k, None)) is not None}
    return expand(sweep, **{**given, "params": {**json.loads(given.get("params", "{}")), **own}})


@pytest.mark.parametrize("name", ["ablation-masks", "ablation-masks-paper"])
def test_every_method_meets_every_rule_on_ten_seeds(name):
    seeds: dict[tuple, set[int]] = {}
    for run in runs_of(name):
        for spec in specs_of(run):
            assert spec.keep == 0.5 and run.parameters["study"] == "masks"
            seeds.setdefault((spec.scenario, spec.method, spec.mask), set()).add(spec.seed)
    wanted = [("random", m) for m in ("salun", "ga", "ft", "iu")] + [
        ("class", m) for m in ("salun", "ga")
    ]
    assert {(*pair, rule) for pair in wanted for rule in EQUAL} == set(seeds)
    assert all(found == set(range(1, 11)) for found in seeds.values())


def test_the_learning_rates_are_half_once_and_twice_the_tuned_one():
    tuned = read_tuned(ROOT / "benchmark" / "tuned" / "fashion-mini_small-cnn_random-10.yaml")[
        "salun"
    ]["params"]
    swept = [
        s
        for r in runs_of("ablation-masks")
        for s in specs_of(r)
        if s.method == "salun" and s.scenario == "random"
    ]
    assert sorted({s.params["lr"] for s in swept}) == pytest.approx(
        [f * tuned["lr"] for f in (0.5, 1, 2)]
    )
    assert tuned["lr"] in {s.params["lr"] for s in swept} and {
        s.params["epochs"] for s in swept
    } == {tuned["epochs"]}
    assert len(swept) == 10 * 3 * len(EQUAL)
