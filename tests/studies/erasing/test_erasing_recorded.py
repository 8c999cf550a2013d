"""Erasers side by side, on rows made up so that the answer is known."""

from __future__ import annotations

import pandas as pd
import pytest

from salun_utils.plots.methods import COLOUR_OF
from salun_utils.studies.claims import claims_table
from salun_utils.studies.erasing import pictures, recorded

NAN = float("nan")


def every(seeds: int = 5) -> pd.DataFrame:
    plan = {
        "SalUn": (99.0, -2.0, 3.0),
        "SalUn, random mask": (99.0, -1.0, NAN),
        "SalUn, inverted mask": (95.0, -3.0, NAN),
        "UCE": (100.0, 0.0, 35.0),
    }
    return pd.DataFrame(
        [
            {
                "name": name,
                "concept": concept,
                "seed": seed,
                "ua": ua,
                "change": change - 0.1 * seed,
                "fid": 2.0,
                "fid_change": 0.5,
                "others": 95.0,
                "noise": word,
                "recall": 0.5,
                "precision": 0.5,
                "original": 96.0,
                "seconds": 1.0,
                "cpu_seconds": 12.0,
                "word": word,
                "original_word": 60.0,
                "real": 90.0,
            }
            for name, (ua, change, word) in plan.items()
            for concept in ("Bag", "Coat")
            for seed in range(seeds)
        ]
    )


def test_the_answer_compares_with_the_controls():
    first, second = recorded.answer(every(1)).sentences
    assert "in 99.0 % of pictures" in first and "\N{MINUS SIGN}2.0 points" in first
    assert second.startswith("One of two controls spares the others more on average: ")
    assert "random mask \N{MINUS SIGN}1.0, inverted mask \N{MINUS SIGN}3.0" in second


def test_the_tables_are_best_first():
    lines = recorded.eraser_table(every()).text.splitlines()
    assert lines[1].startswith("UCE") and "100.0 [100.0, 100.0]" in lines[1]
    assert lines[1].split()[-1] == "12"
    head = recorded.class_table(every()).text.splitlines()[0].split("  ")
    assert [h.strip() for h in head if h.strip()] == [
        "name",
        "UA, Bag",
        "UA, Coat",
        "others, Bag",
        "others, Coat",
    ]


def test_claims_are_paired_tests():
    found = {c.text: c.mark for c in recorded.claims(every(), rivals=["UCE"])}
    assert found["SalUn spares the other classes more than random mask"] == "FAILS"
    assert found["SalUn spares the other classes more than inverted mask"] == "holds"
    assert found["SalUn spares the other classes more than UCE"] == "FAILS"
    assert claims_table(recorded.claims(every())).text.splitlines()[1].find("FAILS") > 0


@pytest.mark.parametrize("of", ["answer", "eraser_table", "class_table"])
def test_nothing_recorded_is_said(of):
    nothing = every().iloc[:0]
    assert "There are no recorded runs yet." in str(getattr(recorded, of)(nothing))


def test_chosen_values_are_a_row_with_what_was_lost(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "salun: {trials: 5, default_gap: 4.3, pilot_gap: 2.1, concept: Dress,"
        " pilot_seeds: [99], params: {lr: 0.00012345, steps: 40}}\n"
    )
    text = recorded.chosen_table("m", folder=tmp_path).text
    assert text.splitlines()[1].split("  ")[0] == "SalUn"
    assert "lr 0.00012, steps 40" in text and "Points lost on Dress" in text
    assert "Nothing was tuned" in recorded.chosen_table("other", folder=tmp_path).text


def test_every_eraser_has_a_line_in_every_panel_and_an_arrow_beyond_its_edge():
    near = {"ua": 99.0, "change": -1.0, "fid_change": 0.2}
    far = {"ua": 79.0, "change": -38.0, "fid_change": 10.5}
    rows = [
        {f"{m}{end}": v for m, v in of.items() for end in ("", "_low", "_high")}
        for of in (near, far)
    ]
    figure, alt = pictures.eraser_intervals(pd.DataFrame(rows, index=["SalUn", "GA"]))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["SalUn", "GA"]
    marks = [
        [one.get_marker() for one in axis.lines if len(one.get_xdata()) == 1]
        for axis in figure.axes
    ]
    assert marks == [["D", "<"], ["D", "<"], ["D", ">"]]
    said = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert said == ["79", "\N{MINUS SIGN}38", "+10.5"]
    assert figure.axes[0].lines[0].get_color() == COLOUR_OF["labels"]
    assert figure.axes[0].lines[-1].get_color() == COLOUR_OF["ascent"]
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]
    assert "GA 79.0, −38.0 and +10.50" in alt
