"""What attacks bring back, on rows made up so that the answer is known."""

from __future__ import annotations

import pandas as pd
import pytest

from salun_utils.studies.claims import claims_table
from salun_utils.studies.erasing import attacks, pictures

NAN = float("nan")
#                        ua    change  word by class       noise
PLAN = {
    "SalUn": (99.0, -2.0, {"Bag": 2.0, "Coat": 4.0}, 70.0),
    "SalUn, random mask": (98.0, -2.0, {}, NAN),
    "SalUn, inverted mask": (80.0, -3.0, {}, NAN),
    "UCE": (100.0, 0.0, {"Bag": 90.0, "Coat": 0.0}, 55.0),
}


def every() -> pd.DataFrame:
    columns = ("fid", "fid_change", "others", "recall", "precision", "seconds", "cpu_seconds")
    return pd.DataFrame(
        [
            dict.fromkeys(columns, 1.0)
            | {"name": name, "concept": concept, "seed": seed, "noise": noise, "real": 90.0}
            | {"ua": ua, "change": change + 0.1 * seed, "word": word.get(concept, NAN)}
            | {"original_word": 100.0, "original_noise": 60.0}
            for name, (ua, change, word, noise) in PLAN.items()
            for concept in ("Bag", "Coat")
            for seed in range(4)
        ]
    )


def test_the_answer_names_the_class_that_comes_back():
    (said,) = attacks.word_answer(every()).sentences
    assert "After UCE the prompt gives the concept in 0 % of pictures" in said
    assert "brings back bags in 90 % and coats in 0 %" in said
    assert "After SalUn it is coats in 4 % and bags in 2 %" in said and "model 100 %" in said


def test_words_and_noises_are_told_class_by_class():
    lines = attacks.word_table(every()).text.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["SalUn", "UCE", "original"]
    assert lines[2].split() == ["UCE", "8", "0.0", "90.0", "0.0", "45.0"]
    noise = attacks.noise_table(every()).text.splitlines()
    assert noise[-1].split() == ["original", "60.0", "60.0", "60.0"]


def test_masks_are_compared_in_both_measures():
    text = attacks.mask_table(every()).text
    inverted = next(line for line in text.splitlines() if line.startswith("inverted"))
    assert inverted.count("better") == 2 and "+19.0" in inverted
    random = next(line for line in text.splitlines() if line.startswith("random"))
    assert "open" in random


def test_at_most_eight_claims_and_those_that_fail_first():
    said = {one.text: one.mark for one in attacks.claims(every())}
    assert said["SalUn forgets more than its inverted mask"] == "holds"
    assert said["SalUn spares the other classes more than its random mask"] == "open"
    failing = [text for text, mark in said.items() if mark == "FAILS"]
    assert len(failing) == 3 and any("UCE erased stays" in text for text in failing)
    assert any("Inverted noise" in text for text in failing)
    assert "FAILS" in claims_table(attacks.claims(every())).text.splitlines()[1]


def test_a_measure_of_what_is_left_would_be_below_the_original():
    lower = every().assign(noise=lambda t: t.noise.where(t.noise.isna(), 20.0))
    (found,) = (one for one in attacks.claims(lower) if "Inverted noise" in one.text)
    assert found.mark == "holds" and "20.0 %" in found.behind


def test_the_picture_says_both_figures_of_each_class():
    figure, alt = pictures.by_name_and_word(every())
    assert len(figure.axes) == 2 and "UCE 0 and 90" in alt and "SalUn 1 and 4" in alt


@pytest.mark.parametrize("of", ["word_answer", "word_table", "noise_table", "mask_table"])
def test_nothing_recorded_is_said(of):
    assert "There are no recorded runs yet." in str(getattr(attacks, of)(every().iloc[:0]))


def test_no_attacked_run_is_no_claim_on_attacks():
    plain = every().assign(word=NAN)
    assert not [one for one in attacks.claims(plain) if "word" in one.text]
    assert attacks.claims(plain.iloc[:0])[0].mark == "open"
