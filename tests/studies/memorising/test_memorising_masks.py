"""Masks and densities on the network that remembers: rows, pairs and the sentence, by hand."""

from __future__ import annotations

import pytest
from made_records import made_run

from salun_utils.runs.readings import ATTACKS
from salun_utils.studies.common import NONE_RECORDED
from salun_utils.studies.memorising import masks

SEEDS = range(1, 11)


def run(mask: str, keep: float, seed: int, gap: float):
    """UA alone is off, by four times the gap; every attack says the same."""
    made = made_run("salun", gap, seed, mask)
    alike = {"mia_variants": dict.fromkeys(ATTACKS.values(), made.scores["mia"])}
    same = {"mia_variants": dict.fromkeys(ATTACKS.values(), made.reference["mia"])}
    changed = {
        "id": f"{made.id}-{keep}",
        "spec": {**made.spec, "keep": keep},
        "scores": {**made.scores, **alike},
        "reference": {**made.reference, **same},
    }
    return made.model_copy(update=changed)


@pytest.fixture
def runs():
    found = []
    for seed in SEEDS:
        found += [
            run("saliency", 0.5, seed, 3.0 + 0.01 * seed),
            run("random", 0.5, seed, 3.0 + 0.01 * seed + 0.5),
            run("inverted", 0.5, seed, 6.0),
            run("magnitude", 0.5, seed, 4.0),
            run("saliency", 0.1, seed, 5.0),
            run("saliency", 1.0, seed, 2.0),
        ]
    return found


def test_full_density_is_no_mask_and_other_densities_are_no_masks(runs):
    by_mask = masks.by_mask(runs)
    assert list(by_mask) == ["none", "saliency", "random", "magnitude", "inverted"]
    assert {name: len(of) for name, of in by_mask.items()} == dict.fromkeys(by_mask, 10)
    assert masks.means(by_mask)["none"] == pytest.approx(2.0)
    assert masks.means(by_mask)["random"] == pytest.approx(3.555)


def test_densities_rise_and_are_of_the_saliency_mask_alone(runs):
    by_density = masks.by_density(runs)
    assert list(by_density) == ["10 %", "50 %", "100 %"]
    assert masks.means(by_density)["50 %"] == pytest.approx(3.055)


def test_the_table_compares_within_each_seed(runs):
    by_mask = masks.by_mask(runs)
    found = masks.verdicts(by_mask, "saliency")
    assert found["random"].test.difference == pytest.approx(-0.5)
    assert found["random"].answer == "yes" and found["none"].answer == "no"
    # without the attack the gap is four thirds of it: UA's alone, over three measures
    bare = masks.verdicts(by_mask, "saliency", "without MIA")
    assert bare["random"].test.difference == pytest.approx(-2 / 3)
    told = str(masks.shown(by_mask, "saliency", "free to move"))
    line = next(part for part in told.splitlines() if part.startswith("random"))
    assert "−0.50" in line and "holds" in line
    assert "10 seeds" in told


def test_the_sentence_gives_the_means_and_needs_all_four(runs):
    said = masks.sentence(masks.by_mask(runs))
    assert "the salient half 3.0" in said and "no mask 2.00" in said
    assert masks.sentence(masks.by_mask(r for r in runs if r.spec["mask"] != "random")) is None


def test_without_records_the_table_says_so():
    assert NONE_RECORDED in str(masks.shown({}, "saliency", "free to move"))
