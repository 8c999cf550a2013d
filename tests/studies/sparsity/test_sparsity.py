"""Choices of the density on sweeps made by hand: what each picks, on what it may look, and the
verdicts.
"""

from __future__ import annotations

import numpy as np
import pytest

from salun_utils.errors import InputError
from salun_utils.runs import Record
from salun_utils.studies.sparsity.recorded import (
    AUTOMATIC,
    CHOICES,
    against_half,
    best_on_others,
    by_density,
    choose,
    densities,
    guessed_gap,
    judge,
    paired,
    sweep_rows,
)

KEEPS = (0.1, 0.3, 0.5)


def made(
    seed,
    keep,
    gap,
    *,
    mask="saliency",
    density=None,
    scenario="random",
    dataset="clothes",
    guess=None,
    created="2026-01-01",
    **own,
) -> Record:
    """A record of which the average gap is `gap` and the guessed gap `guess`."""
    validation = (
        {} if guess is None else {"validation": {"unlearned": 90.0 - 3 * guess, "original": 90.0}}
    )
    name = scenario if scenario == "class" else f"{scenario}-10"
    return Record(
        id=f"{dataset} {name} {mask} {keep} {seed}",
        created=created,
        spec={"mask": mask, "keep": keep, "scenario": scenario, "params": {}},
        seeds={"unlearning": seed},
        data={"name": dataset, "scenario": name},
        scores={"ua": 10.0, "ra": 99.0, "ta": 89.0, "mia": 12.0},
        original={"ra": 99.0},
        gap={"ua": -gap, "ra": gap, "ta": 0.0, "mia": 2 * gap, "average": gap},
        cpu_seconds=1.0,
        reference_cpu_seconds=4.0,
        mask={"density": keep if density is None else density},
        measurements=validation,
        **own,
    )


GAPS = {1: (3.0, 1.0, 2.0), 2: (3.0, 2.5, 1.5), 3: (0.6, 4.0, 2.0)}
GUESSES = {1: (1.0, 2.0, 3.0), 2: (2.0, 1.0, 1.0), 3: (9.0, 9.0, 0.0)}


@pytest.fixture
def rows():
    """Three seeds, three densities, a knee at a fifth of the weights, and a few runs of another
    mask.
    """
    records = [
        made(s, k, g, guess=w)
        for s in GAPS
        for k, g, w in zip(KEEPS, GAPS[s], GUESSES[s], strict=True)
    ]
    records += [made(s, 1.0, 0.25 * s, mask="knee", density=0.2 + 0.01 * s) for s in GAPS]
    records += [made(s, 0.3, GAPS[s][1] + 1, mask="per-layer") for s in (1, 2)]
    return sweep_rows(records)


def test_a_run_made_twice_counts_once_and_a_diverged_one_not_at_all():
    old, new = made(1, 0.5, 9.0), made(1, 0.5, 1.0, created="2026-02-01")
    lost = made(2, 0.5, 1.0).model_copy(
        update={"gap": {}, "scores": {}, "measurements": {"diverged": "NaN"}}
    )
    table = sweep_rows([new, old, lost])
    assert (
        table.avg_gap.tolist() == [1.0]
        and table.task.tolist() == ["clothes, random-10"]
        and sweep_rows([]).empty
    )


def test_the_guess_of_retrain_is_the_original_that_has_not_seen_the_forgotten_pictures():
    assert guessed_gap(made(1, 0.5, 0.0, guess=0.0)) == 0, (
        "UA 10 where the original gets 90 % of new pictures right"
    )
    assert guessed_gap(made(1, 0.5, 0.0, guess=2.0)) == pytest.approx(2.0)
    assert guessed_gap(made(1, 0.5, 0.0, guess=0.0, scenario="class")) == pytest.approx(30.0), (
        "UA should be 100"
    )
    assert np.isnan(guessed_gap(made(1, 0.5, 0.0)))


def test_the_guess_does_not_look_at_test_pictures_at_retrain_or_at_the_attack():
    record = made(1, 0.5, 1.0, guess=1.5)
    other = record.model_copy(
        update={
            "gap": {**record.gap, "average": 50.0},
            "scores": {**record.scores, "ta": 1.0, "mia": 99.0},
            "reference": {"ua": 77.0},
        }
    )
    assert guessed_gap(other) == guessed_gap(record)


def test_each_choice_picks_what_it_says(rows):
    picked = {choice: choose(rows, choice) for choice in ("half", *CHOICES)}
    assert picked["half"].density.tolist() == [0.5] * 3 and picked["half"].avg_gap.tolist() == [
        2.0,
        1.5,
        2.0,
    ]
    assert picked["knee"].density.tolist() == pytest.approx([0.21, 0.22, 0.23]) and picked[
        "knee"
    ].avg_gap.tolist() == [0.25, 0.5, 0.75]
    assert picked["guess"].density.tolist() == [
        0.1,
        0.3,
        0.5,
    ], "of equal guesses the lowest density"
    assert picked["guess"].avg_gap.tolist() == [3.0, 2.5, 2.0]
    assert picked["others"].density.tolist() == [0.5, 0.1, 0.3]
    assert picked["hindsight"].avg_gap.tolist() == [1.0, 1.5, 0.6]
    assert picked["ratio-knee"].empty and "hindsight" not in AUTOMATIC
    with pytest.raises(InputError, match="no choice 'kneee'; allowed: half, knee"):
        choose(rows, "kneee")


def test_the_best_on_the_other_seeds_does_not_look_at_its_own(rows):
    gaps = densities(rows)
    for seed in gaps.index:
        changed = gaps.copy()
        changed.loc[seed] = [0.0, 100.0, -50.0]
        assert (
            best_on_others(changed)[seed]
            == best_on_others(gaps)[seed]
            == gaps.drop(index=seed).mean().idxmin()
        )
    assert best_on_others(gaps.iloc[:1]).empty


def test_a_density_that_one_seed_lacks_is_no_candidate(rows):
    part = rows[~((rows.seed == 2) & (rows.keep == 0.3) & (rows["mask"] == "saliency"))]
    assert densities(part).columns.tolist() == [0.1, 0.5]
    assert choose(part, "hindsight").density.tolist() == [0.5, 0.5, 0.1]
    assert choose(part[part.keep != 0.5], "half").empty


def test_without_validation_there_is_no_guess_to_choose_by(rows):
    assert choose(rows.assign(guessed_gap=float("nan")), "guess").empty


def many(shift, *, seeds=8, tasks=2):
    """Tasks in which the knee is `shift` points from one half, and one tenth is 5 points worse."""
    draws = np.random.default_rng(0)
    noise = draws.normal(0, 0.05, (tasks, seeds))
    return sweep_rows(
        [
            r
            for t in range(tasks)
            for s in range(seeds)
            for r in (
                made(s, 0.5, 3.0, dataset=f"d{t}"),
                made(s, 0.1, 8.0 + noise[t, s], dataset=f"d{t}"),
                made(s, 1.0, 3.0 + shift + noise[t, s], mask="knee", density=0.3, dataset=f"d{t}"),
            )
        ]
    )


@pytest.mark.parametrize(("shift", "answer"), [(-1.0, "yes"), (1.0, "no")])
def test_a_clear_difference_is_found_in_every_task(shift, answer):
    verdicts = against_half(many(shift), "knee")
    assert {t: v.answer for t, v in verdicts.items()} == {
        "d0, random-10": answer,
        "d1, random-10": answer,
    }
    assert verdicts["d0, random-10"].p == pytest.approx(2.0**-7)
    assert against_half(many(shift), "ratio-knee") == {}


def test_means_and_pairs_by_density(rows):
    table = by_density(rows[rows["mask"] == "saliency"])
    assert table.loc[0.1, "avg_gap"] == pytest.approx(6.6 / 3) and table.loc[0.1, "seeds"] == 3
    assert (
        table.loc[0.1, "avg_gap_low"] <= table.loc[0.1, "avg_gap"] <= table.loc[0.1, "avg_gap_high"]
    )
    assert table.loc[0.1, "gap_mia"] == pytest.approx(13.2 / 3) and table.loc[
        0.1, "cost"
    ] == pytest.approx(0.25)
    test = paired(rows, "per-layer")
    assert test.index.tolist() == [0.3] and test.loc[
        0.3, ["seeds", "per-layer", "saliency", "difference"]
    ].tolist() == [2, 2.75, 1.75, 1.0]
    assert paired(rows, "random").empty


def test_choices_and_tasks_are_one_family_and_hindsight_is_no_contender():
    judged = judge(many(-1.0))
    assert set(judged) == {
        "knee",
        "others",
        "hindsight",
    }, "nothing was validated, and the other knee not recorded"
    first = judged["knee"]["d0, random-10"]
    assert first.p == pytest.approx(4 * 2.0**-7), "two choices on two tasks"
    assert first.answer == "yes"
    other = judged["others"]["d1, random-10"]
    assert other.test.difference == 0 and other.answer == "undecided"
    assert judged["hindsight"]["d0, random-10"].p == 1
    few = judge(many(-1.0, seeds=6))
    assert few["knee"]["d0, random-10"].answer == "too few"
