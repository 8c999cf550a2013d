"""Chapters 1 and 2: the runs of the page, and what the records say of a class and of a tenth."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from made_records import made_run

from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.studies.benchmark import pictures
from salun_utils.studies.benchmark.first import measures, quick
from salun_utils.studies.benchmark.recorded import Benchmark
from salun_utils.studies.claims import claims_table
from salun_utils.unlearning import unlearn

matplotlib.use("Agg")
SHARED = {
    "tier": "quick",
    "dataset": "digits",
    "arch": "small-cnn",
    "width": 0.25,
    "train_images": 300,
    "train_epochs": 2,
    "seed": 0,
    "protocol": "disjoint",
    "forget_class": 3,
    "forget_fraction": 0.2,
    "epochs": 1,
}
ONE = SHARED | {"scenario": "class", "method": "salun", "keep": 0.5, "lr": 0.05}
RATES = {f"{s}_{m}_lr": 0.01 for s in measures.SCENARIOS for m in measures.SIMPLE}
RETRAIN = {
    "random-10": {"ua": 12.0, "ra": 97.0, "ta": 88.0, "mia": 16.0},
    "class-3": {"ua": 100.0, "ra": 97.0, "ta": 89.0, "mia": 100.0},
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def first(cache):
    return quick.First.of(ONE)


@pytest.fixture(scope="module")
def simple(cache):
    return measures.Simple.of(SHARED | RATES | {"ga_epochs": 1})


def bench(seeds: int = 5, saliency: float = 0.3) -> Benchmark:
    runs = []
    for seed in range(seeds):
        for scenario, reference in RETRAIN.items():
            runs += [
                made_run(method, gap, seed, mask, scenario=scenario, reference=reference)
                for method, gap, mask in (
                    ("retrain", 0.0, "none"),
                    ("original", 2.0, "none"),
                    ("ft", 1.0, "none"),
                    ("rl", 0.4, "none"),
                    ("ga", 0.9, "none"),
                    ("salun", saliency, "saliency"),
                    ("salun", 0.8, "random"),
                )
            ]
    return Benchmark(tuple(runs))


# -- chapter 1 -------------------------------------------------------------------------


def test_the_call_on_the_page_is_the_run_of_the_page(first):
    task = first.task
    scores = saliency_scores(task.original, task.split.forget)
    result = unlearn("salun", task.original, task.split, keep=0.5, epochs=1, lr=0.05, seed=0)
    assert result.mask == first.result.mask == SaliencyMask.top(scores, 0.5)
    pairs = zip(result.model.parameters(), first.result.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_nothing_outside_the_mask_moves_and_all_moves_without_one(first):
    inside, outside = first.moved
    assert 0 < inside <= first.result.mask.kept and outside == 0
    assert first.last_layer == "fc.weight"
    free = quick.First(first.spec.but(method="rl"), first.task, first.names)
    assert free.moved[0] > inside and free.moved[1] == 0 and free.last_layer is None


def test_passes_count_pictures_forward_and_backward(first):
    split = first.task.split
    assert first.passes == {
        "SalUn": len(split.train) + len(split.forget),
        "Retrain": 2 * len(split.retain),
    }
    said = quick.cost_table(first).text
    share = f"{100 * first.passes['SalUn'] / first.passes['Retrain']:.0f}"
    assert share in said.splitlines()[1]


def test_the_class_is_followed_through_three_networks(first):
    assert list(first.by_class) == list(first.shares.index) == ["original", "SalUn", "Retrain"]
    assert first.shares.sum(axis=1).tolist() == pytest.approx([100] * 3)
    assert first.shares.loc["Retrain", first.task.split.classes[3]] == 0
    assert "mean confidence" in quick.trace_table(first).text
    assert "retain" in quick.parts_table(first).text


def test_pictures_of_the_first_page(first):
    test, some = first.task.data.test, first.its_own.nonzero().flatten()[:3]
    classes = first.task.split.classes
    said = {name: p[some] for name, p in first.answers.items()}
    figure, alt = pictures.garments(test.pixels[some], 3, said, classes)
    texts = [t.get_text() for axis in figure.axes for t in axis.texts]
    assert len(texts) == 3 * 3 + 3 and "Retrain names 3 of 3 wrongly" in alt
    assert sum(t.startswith("✗") for t in texts) >= 3
    figure, alt = pictures.changes(first.by_class, "original", without=classes[3])
    assert classes[3] not in [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert "9 classes" in alt and classes[3] in figure.axes[0].get_title(loc="left")


def test_the_answer_on_one_class_and_its_claims(first):
    said = str(quick.answer(bench()))
    assert "98.8 % of the dresses wrong" in said and "at 25 % of its time" in said
    assert "from 2.0 to 0.30 points" in said and "without one the gap is 0.40" in said
    marks = {one.text: one.mark for one in quick.claims(bench(10), first)}
    assert marks["the saliency mask is nearer than a random one of its size"] == "holds"
    worse = {one.text: one.mark for one in quick.claims(bench(10, saliency=1.5), first)}
    assert worse["the saliency mask is nearer than a random one of its size"] == "FAILS"
    few = {one.text: one.mark for one in quick.claims(bench(), first)}
    assert few["SalUn is nearer to Retrain than doing nothing"] == "too few"
    assert claims_table(quick.claims(bench(), first))


def test_the_masks_that_a_first_reader_is_shown():
    _, alt = pictures.mask_gaps(pd.concat(quick.mask_rows(bench())))
    assert "saliency 0.30, no mask (RL) 0.40, random 0.80" in alt
    assert quick.mask_rows(Benchmark(())) == {}


def test_without_records_the_first_pages_say_so(first):
    none = Benchmark(())
    assert (
        str(quick.answer(none)) == str(measures.answer(none)) == "There are no recorded runs yet."
    )
    assert {one.mark for one in quick.claims(none, first)[:6]} == {"open"}
    assert measures.spread_table(none).text.endswith("There are no recorded runs yet.")


# -- chapter 2 -------------------------------------------------------------------------


def test_each_method_runs_on_both_tasks_at_its_own_rate(simple):
    assert len(simple.records) == 6
    record = simple.runs["class", "ga"][0]
    assert record.spec["params"]["lr"] == 0.01 and record.spec["scenario"] == "class"
    assert list(simple.scores("random")) == ["original", *measures.SIMPLE]
    gaps = simple.gaps.set_index(["scenario", "method", "measure"]).gap
    task = simple.tasks["class"]
    own = task.original_scores.ua - task.retrained_scores.ua
    assert gaps[task.split.name, "original", "UA"] == pytest.approx(own)


def test_confidences_and_attacks_are_of_the_same_networks(simple):
    found = simple.confidences("rl")
    assert list(found) == ["original", "RL", "Retrain"]
    assert len(found["RL"]["forget"]) == len(simple.tasks["random"].split.forget)
    text = measures.sure_table(simple, "rl").text
    share = 100 * float((found["RL"]["test"] > measures.SURE).double().mean())
    row = next(line for line in text.splitlines() if line.startswith("RL"))
    assert row.split()[-1] == f"{share:.1f}"
    assert list(simple.attacks.index)[-1] == "Retrain"
    retrain = simple.tasks["random"].retrained_scores
    assert simple.attacks.loc["Retrain", "confidence"] == pytest.approx(retrain.mia)


def test_tables_of_the_two_tasks(simple):
    assert len(measures.size_table(simple).text.splitlines()) == 3
    assert "class-3, Retrain" in measures.reference_table(simple).text
    rows = measures.protocol_table(simple).text.splitlines()
    assert len(rows) == 5 and rows[1].startswith("original, disjoint")
    assert "modified entropy" in measures.attack_table(simple).text


def test_the_answer_on_a_tenth_and_its_claims(simple):
    said = str(measures.answer(bench()))
    assert "errs on 12.0 % of the forgotten ones and on 12.0 % of new ones" in said
    assert "2.00 points away (FT 1.00, RL 0.40, GA 0.90, SalUn 0.30)" in said
    found = measures.claims(bench(), simple)
    assert len(found) == 8 and claims_table(found)
    marks = {one.text: one.mark for one in found}
    assert marks["random-10: SalUn is nearer to Retrain than FT"] == "too few"
    assert marks["class-3: Retrain gets every forgotten picture wrong (means)"] == "holds"
    assert {one.mark for one in measures.claims(Benchmark(()), simple)[:7]} == {"open"}


def test_the_spread_of_retrain_is_of_its_own_scores():
    row = measures.spread_table(bench()).text.splitlines()[1]
    assert row.startswith("random-10") and "12.0 12.0 to 12.0" in row
