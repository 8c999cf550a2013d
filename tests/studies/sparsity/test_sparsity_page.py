"""Chapter 13: recorded sweeps over densities as sentences, tables and claims."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_records import made_run

from salun_utils.studies.claims import claims_table
from salun_utils.studies.sparsity import pictures, tables
from salun_utils.studies.yardstick import NAME, of_records

SEEDS = range(1, 13)


def row(task: str, seed: int, mask: str, keep: float, gap: float, density: float | None = None):
    gaps = {f"gap_{m}": gap for m in ("ua", "ra", "ta", "mia")}
    return {
        "task": task,
        "dataset": task.split(", ")[0],
        "scenario": task.split(", ")[1],
        "seed": seed,
        "mask": mask,
        "keep": keep,
        "density": keep if density is None else density,
        "avg_gap": gap + 0.01 * seed * (1 + keep),
        "guessed_gap": 5 * abs(keep - 0.5),
        "cost": 0.2,
        **gaps,
    }


def rows(seeds=SEEDS) -> pd.DataFrame:
    """Half is best on the tenth, all weights on the half; saliency leads at 1 %, trails at half."""
    found = []
    for seed in seeds:
        for keep, gap in {0.01: 4.0, 0.5: 3.0, 1.0: 3.5}.items():
            found.append(row(tables.TENTH, seed, "saliency", keep, gap))
        for keep, gap in {0.01: 5.0, 0.5: 2.0}.items():
            found.append(row(tables.TENTH, seed, "random", keep, gap))
        found.append(row(tables.TENTH, seed, "per-layer", 0.5, 2.5))
        found.append(row(tables.TENTH, seed, "knee", 1.0, 2.0, density=0.3))
        for keep, gap in {0.01: 9.0, 0.5: 7.0, 1.0: 6.0}.items():
            found.append(row(tables.TASKS[2], seed, "saliency", keep, gap))
        found.append(row(tables.TASKS[2], seed, "knee", 1.0, 6.5, density=0.4))
    return pd.DataFrame(found)


@pytest.fixture
def found() -> tables.Sweeps:
    return tables.Sweeps.from_rows(rows())


def test_the_answer_says_where_saliency_pays_and_from_where_nothing_changes(found):
    said = str(tables.answer(found))
    assert "1 % 4.07 against 5.07" in said and "50 % 3.10 against 2.10" in said
    assert (
        "the salient ones end nearer at 1 %, farther at 50 % of the weights, by the means" in said
    )
    assert "the tests decide 2 of 2" in said
    assert said.endswith("from task to task: random-10 50 %; random-50 100 %.")
    few = str(tables.answer(tables.Sweeps.from_rows(rows(range(1, 5)))))
    assert "with 4 seeds no test can decide it" in few


def test_densities_and_masks_stand_in_tables(found):
    text = str(tables.density_table(found, tables.TENTH))
    assert "50 %" in text and "+3.0" in text and "20" in text
    beside = str(tables.beside_table(found, "random"))
    assert "−1.00" in beside and "+1.00" in beside and "holds" in beside and "FAILS" in beside
    assert "fashion-mini, random-50" not in beside
    assert found.knees() == pytest.approx({tables.TENTH: 0.3, tables.TASKS[2]: 0.4})


def test_choices_and_fixed_densities_are_held_against_one_half(found):
    text = str(tables.choice_table(found))
    line = next(part for part in text.splitlines() if part.startswith("knee"))
    assert "35 (30 to 40)" in line and line.count("*") == 2
    assert "hindsight (a bound)" in text
    line = next(part for part in text.splitlines() if part.startswith("hindsight"))
    assert "*" not in line, "nobody can choose so, and no test stands behind it"
    fixed = found.fixed
    assert {t: set(one) for t, one in fixed.items()} == {t: {0.01, 1.0} for t in found.of}
    assert fixed[tables.TENTH][0.01].answer == "yes"
    assert [fixed[t][1.0].answer for t in found.of] == ["yes", "no"], "no mean over both"
    shown = str(tables.fixed_table(found))
    assert "+0.53 *" in shown and "−0.97 *" in shown and "The tests decide 4 of 4." in shown
    assert set(tables.choice_ends(found)) == set(found.of)


def test_claims_follow_the_paired_tests(found):
    marks = {c.text: c.mark for c in tables.claims(found)}
    text = "random-10: with {} saliency is nearer to Retrain than a random choice"
    assert marks[text.format("1 % of the weights")] == "holds"
    assert marks["random-10: with half of them it is, too"] == "FAILS"
    assert marks["50 % has the smallest average gap in every task (means)"] == "FAILS"
    assert marks["random-50: half of the weights is nearer than all"] == "FAILS"
    assert marks["the density at the knee beats 50 % in every task (means)"] == "holds"
    claims_table(tables.claims(found))
    few = tables.Sweeps.from_rows(rows(range(1, 5)))
    assert "too few" in {c.mark for c in tables.claims(few)}


def test_lines_are_of_the_seeds_that_all_masks_have(found):
    drawn = found.lines()
    assert list(drawn) == [tables.TENTH]
    assert list(drawn[tables.TENTH]) == ["global", "per layer", "random"]
    means = {task: found.means(task) for task in found.of}
    two = {"gap_ua": "UA gap", "avg_gap": "average gap"}
    figure, alt = pictures.against_density(means, knees=found.knees(), measures=two)
    assert len(figure.axes) == 4 and "UA gap, average gap" in alt


def test_without_records_every_table_says_so():
    none = tables.Sweeps.from_rows(pd.DataFrame())
    shown = [
        tables.answer(none),
        tables.density_table(none, tables.TENTH),
        tables.beside_table(none, "random"),
        tables.choice_table(none),
        tables.fixed_table(none),
    ]
    assert all("no recorded runs" in str(one) for one in shown)
    assert {c.mark for c in tables.claims(none)} == {"open"}


@pytest.fixture
def again():
    """Another Retrain that is half a point away, in UA alone."""
    runs = [made_run("retrain", 0.5, seed) for seed in range(1, 6)]
    return of_records(
        r.model_copy(update={"spec": {**r.spec, "params": {"epochs": 10}}}) for r in runs
    )


def test_another_retrain_stands_last_and_changes_no_verdict(found, again):
    told = tables.Sweeps.from_rows(rows(), {tables.TENTH: again})
    assert told.floors == {tables.TENTH: 0.5} and found.floors == {}
    assert f"{NAME} 0.50" in str(tables.answer(told)) and NAME not in str(tables.answer(found))
    last = tables.density_table(told, tables.TENTH).text.splitlines()[-1]
    assert last.startswith(NAME) and "0.50" in last
    assert NAME not in str(tables.density_table(told, tables.TASKS[2]))
    fixed = str(tables.fixed_table(told))
    assert "0.50 (random-10). No difference here is smaller." in fixed
    assert "0.50 (random-10)" in str(tables.choice_table(told))
    assert "No difference here is smaller." in str(tables.beside_table(told, "random"))
    said, plain = tables.claims(told), tables.claims(found)
    assert [(c.text, c.mark) for c in said] == [(c.text, c.mark) for c in plain]


def test_the_pictures_have_the_line_of_another_retrain(again):
    told = tables.Sweeps.from_rows(rows(), {tables.TENTH: again})
    figure, _ = pictures.lines_by_mask(told.lines(), again=told.floors)
    (line,) = (one for one in figure.axes[0].lines if one.get_label() == NAME)
    assert line.get_ydata()[0] == 0.5
    plt.close(figure)
    figure, _ = pictures.against_density(
        {t: told.means(t) for t in told.of}, again=told.floors, measures={"avg_gap": "gap"}
    )
    level = [one for one in figure.axes[0].lines if list(one.get_ydata()) == [0.5, 0.5]]
    assert len(level) == 1 and NAME in figure.get_supxlabel()
    plt.close(figure)
    figure, _ = pictures.differences(tables.choice_ends(told), again=told.floors)
    ends = [c for c in figure.axes[0].collections if len(c.get_segments()) == 2]
    assert [segment[0][0] for segment in ends[0].get_segments()] == [-0.5, 0.5]
    plt.close(figure)
