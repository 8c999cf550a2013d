"""Tables, claims and pictures of probes, on made-up records."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from salun_utils.runs import Record
from salun_utils.studies.claims import claims_table
from salun_utils.studies.probes import claimed, pictures, recorded, tables

SHARES = {  # eraser -> per cent recognised: prompt, words, completion
    "uce": (0.0, 60.0, 90.0),
    "rece": (0.0, 20.0, 40.0),
    "salun": (4.0, 4.0, 30.0),
}
FID = {"uce": 0.1, "rece": 0.4, "salun": 2.0}


def made(eraser: str, concept: str, seed: int, **changes) -> Record:
    def answer(share: float, control: float = 5.0) -> dict:
        return {"recognised": share, "control": control, "detail": {}}

    asked = dict(zip(("prompt", "words", "completion"), SHARES[eraser]))
    erased = {p: answer(share + (seed if share > 4 else 0)) for p, share in asked.items()}
    return Record(
        id=f"probes {eraser} {concept} {seed}",
        tier="cpu",
        created=f"2026-01-0{seed}T00:00:00+00:00",
        seeds={"unlearning": seed, "sampling": 1000},
        spec={"method": "probes", "erased": eraser, "mask": "", "concept": concept}
        | {"model": "mini-sd", "search_steps": 40},
        cpu_seconds=3.0,
        measurements={
            "erased": erased,
            "original": {p: answer(100.0, 50.0) for p in asked},
            "interference": {
                "Bag": {"before": 100.0, "after": 90.0 - seed},
                "Dress": {"before": 90.0, "after": 92.0},
            },
            "distances": {"erased": {"fid": 3 + FID[eraser]}, "original": {"fid": 3.0}},
        },
        **changes,
    )


@pytest.fixture
def records():
    return [made(e, c, s) for e in SHARES for c in ("Coat", "Bag") for s in (1, 2, 3, 4, 5)]


def test_the_latest_of_a_run_counts(records):
    again = made("uce", "Coat", 1).model_copy(update={"created": "2026-02-01T00:00:00+00:00"})
    found = recorded.recorded(records=[again, *records])
    assert len(found) == len(records) and again in found


def test_one_row_a_run_and_probe(records):
    found = recorded.rows(records)
    assert len(found) == 3 * 2 * 5 * 3
    one = found[(found.name == "UCE") & (found.probe == "words") & (found.seed == 2)].iloc[0]
    assert (one.recognised, one.control, one.original, one.original_control) == (62, 5, 100, 50)


def test_costs_are_changes_of_what_is_kept(records):
    one = recorded.costs([made("salun", "Coat", 2)]).iloc[0]
    assert one.change == pytest.approx((-12 + 2) / 2) and one.worst == -12
    assert one.fid_change == pytest.approx(2.0) and one.fid == 5.0


def test_those_that_give_least_back_stand_first_and_the_original_last(records):
    mean = recorded.means(recorded.rows(records))
    assert list(mean.index) == ["SalUn", "RECE", "UCE", "original"]
    assert list(mean.columns) == ["prompt", "completion", "words"]
    assert mean.loc["RECE", "words"] == 23 and mean.loc["original", "words"] == 100
    assert "original" not in recorded.means(recorded.rows(records), "control").index


def test_the_tables_say_how_many_runs_how_long_was_searched_and_what_it_cost(records):
    found, cost = recorded.rows(records), recorded.costs(records)
    shares = tables.eraser_by_probe(found, "29 of them.")
    line = next(line for line in str(shares).splitlines() if line.startswith("RECE"))
    assert line.split()[1:5] == ["10", "0", "43", "23"] and "<table" in shares.html
    assert "in 40 steps. 29 of them." in str(shares)
    line = next(x for x in str(tables.cost_table(found, cost)).splitlines() if x.startswith("RECE"))
    assert "+0.4" in line
    assert "random words before the prompt" in str(tables.with_controls(found))


def test_no_table_is_wider_than_a_page(records):
    wide = pd.concat(
        recorded.rows(records).query("probe == 'prompt'").assign(probe=p) for p in recorded.TITLES
    )
    shares = str(tables.eraser_by_probe(wide.assign(name="concept ablation"))).splitlines()
    cost = recorded.costs(records).assign(name="concept ablation")
    costs = str(tables.cost_table(wide.assign(name="concept ablation"), cost)).splitlines()
    assert max(map(len, [*shares[:-1], *costs[:-1]])) <= 100


def test_how_many_of_a_grid_are_on_record(records):
    planned = [dict(eraser=e, concept="Coat", seed=s) for e in ("uce", "spm") for s in (1, 2, 9)]
    said = recorded.coverage(records, planned)
    assert said == "2 of the grid's 6 rounds are on record."
    assert recorded.coverage(records, []) == ""


def attack(eraser: str, concept: str, steps: int, word: float) -> Record:
    return Record(
        id=f"{eraser} {concept}",
        tier="cpu",
        created="2026-01-01T00:00:00+00:00",
        seeds={"unlearning": 1},
        spec={"eraser": eraser, "mask": "none", "concept": concept, "attack_steps": steps},
        scores={"recovered": {"word": word}},
    )


def test_a_longer_search_that_found_more_is_named(records):
    found, cost = recorded.rows(records), recorded.costs(records)
    found = found.assign(probe=found.probe.replace("words", "word"))
    strong = [attack("uce", "Coat", 150, 92.0), attack("rece", "Coat", 150, 50.0)]
    attacked = recorded.longer(records=[*strong, attack("uce", "Bag", 0, 99.0)])
    assert list(attacked.word) == [92.0, 50.0]
    more = "with chapter 9's 150 steps a learned word brings back 92 % from UCE (coat)"
    assert more in str(claimed.for_today(found, cost, attacked))
    assert any(
        more in c.behind and "in 40 steps" in c.text for c in claimed.claims(found, True, attacked)
    )
    for less in (attack("uce", "Coat", 40, 92.0), attack("uce", "Coat", 150, 3.0)):
        assert claimed.found_by_more(found, recorded.longer(records=[less])) == ""
    assert claimed.found_by_more(found, None) == ""


def test_a_probe_is_told_from_the_prompt_by_a_paired_test(records):
    verdicts = claimed.against_prompt(recorded.rows(records), "words")
    assert {n: v.answer for n, v in verdicts.items()} == {
        "UCE": "yes",
        "RECE": "yes",
        "SalUn": "undecided",
    }
    few = [r for r in records if r.seeds["unlearning"] == 1]
    assert {v.answer for v in claimed.against_prompt(recorded.rows(few), "words").values()} == {
        "too few"
    }


def test_erasers_are_compared_on_the_same_runs(records):
    found = recorded.rows(records)
    assert claimed.between_erasers(found, "RECE", ["UCE"], "words")["UCE"].answer == "yes"
    assert claimed.between_erasers(found, "UCE", ["RECE"], "words")["RECE"].answer == "no"
    assert claimed.between_erasers(found, "AdvUnlearn", ["UCE"], "words") == {}


def test_claims_hold_fail_or_stay_open(records):
    found = recorded.rows(records)
    made = claimed.claims(found, True)
    marks = {c.text.split(":")[0]: c.mark for c in made}
    assert marks["the prompt is silenced by every eraser"] == "holds"
    assert marks["in 40 steps neither a learned word nor found words undo an eraser"] == "FAILS"
    assert marks["completion brings more back than the prompt, from every eraser"] == "holds"
    assert marks["RECE gives less back than UCE under found vectors"] == "open"  # not asked here
    assert marks["the closed form by hand is the library's"] == "holds"
    assert "most 4.0 % (SalUn)" in made[0].behind and "(UCE)" in made[1].behind
    loud = found.copy()
    loud.loc[loud.probe == "prompt", "recognised"] = 95.0
    assert [c.mark for c in claimed.claims(loud, False)] == [
        *("FAILS", "FAILS", "FAILS", "open", "open", "FAILS"),
    ]
    assert [c.mark for c in claimed.claims(found[:0], True)] == ["holds"]
    claims_table(made)


def test_the_answer_tells_words_from_what_hands_it_a_picture(records):
    found, cost = recorded.rows(records), recorded.costs(records)
    words, pictures = claimed.for_today(found, cost).sentences
    assert "1 of 3 erasers" in words and "SalUn 4 % (FID +2.00)" in words
    assert "Found words bring back 63 % from UCE." in words and "23 % from RECE" in words
    assert "no eraser holds" in pictures and "33 to 93 %" in pictures
    quiet = found[found.probe == "prompt"]
    (only,) = claimed.for_today(quiet, cost).sentences
    assert "3 of 3 erasers" in only
    assert "no recorded" in str(claimed.for_today(found[:0], cost))


def test_pictures_say_what_they_show(records):
    found, cost = recorded.rows(records), recorded.costs(records)
    figure, said = pictures.eraser_by_probe(found)
    cells = [t.get_text() for t in figure.axes[0].texts]
    assert len(cells) == 4 * 3 and "93" in cells and "93" in said and "completion of UCE" in said
    figure, said = pictures.given_back_and_cost(found, cost)
    assert len(figure.axes[0].get_legend().get_texts()) == 3 and "SalUn 33 % at +2.00" in said
    plt.close("all")
