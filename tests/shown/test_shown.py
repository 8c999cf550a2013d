"""What objects look like in a terminal (one line) and in a notebook (HTML that holds together)."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import salun_utils as su
from salun_utils.generation.erasers.registry import Erased
from salun_utils.metrics.scores import Scores
from salun_utils.runs import Record
from salun_utils.shown import amount, bars, block, inline, strip, table
from salun_utils.shown.pictures import png
from salun_utils.studies.diagnosis.findings import Finding
from salun_utils.unlearning import UnlearnResult

VOID = {"img", "br"}


class Checked(HTMLParser):
    """Refuses a tag that is closed out of turn; keeps the words and the tags."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.words, self.tags = [], [], []
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if data.strip():
            self.words.append(data.strip())


def scores(ua=12.345, ra=99.0, **more) -> Scores:
    counts = {"forget": 360, "retain": 3240, "test": 500, "members": 500, "nonmembers": 500}
    return Scores(
        ua=ua, ra=ra, ta=90.0, mia=20.0, mia_variants={}, protocol="disjoint", counts=counts, **more
    )


def dataset(name="own", classes=("cat", "<b>dog</b>")):
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (40, 1, 8, 8), generator=draws, dtype=torch.uint8)
    y = torch.arange(40) % 2
    return su.data.from_tensors(train=(x, y), test=(x[:10], y[:10]), classes=list(classes))


def mask(rule="top 0.25"):
    kept = {"a.weight": torch.tensor([[True, False], [False, False]]), "b": torch.zeros(4).bool()}
    return su.saliency.SaliencyMask.from_bools(kept, rule)


def objects() -> dict:
    params = {"lr": 0.013, "epochs": 10, "alpha": 1.0}
    figures = {"ua": 3.0, "ra": 99.0, "ta": 90.0, "Retrain ua": 10.0}
    finding = Finding("learning rate too small", "the weights moved 0.1 %", "Raise it.")
    ran = Record(
        id="00_run-1",
        spec={"method": "salun", "dataset": "own", "scenario": "class-0"},
        scores={"ua": 99.0, "ra": 98.0, "ta": 97.0, "mia": 96.0},
        reference={"ua": 100.0, "ra": 98.5, "ta": 97.5, "mia": 95.0},
        gap={"ua": -1.0, "ra": -0.5, "ta": -0.5, "mia": 1.0, "average": 0.75},
    )
    return {
        "Scores": scores(),
        "Gap": scores().gap(scores(ua=10.0)),
        "Record": ran,
        "Records": Record(id="sweep-1", runs=[ran, ran]),
        "UnlearnResult": UnlearnResult(nn.Linear(2, 2), 1.23, mask(), params, 1.0, "salun"),
        "Erased": Erased(nn.Linear(2, 2), 4.0, None, params, (2.0, 1.0)),
        "Diagnosis": su.Diagnosis("under-forgetting", (finding,), figures),
        "Healthy": su.Diagnosis("healthy", (), {}),
        "SaliencyMask": mask(),
        "Dataset": dataset(),
        "ForgetSplit": su.data.random_split(dataset(), fraction=0.2, seed=0),
    }


@pytest.mark.parametrize("name", objects())
def test_every_object_is_one_readable_line_and_whole_html(name):
    shown = objects()[name]
    line = repr(shown)
    assert "\n" not in line and len(line) < 200, line
    assert not re.search(r"\d\.\d{4}", line), f"figures are rounded: {line}"
    assert "tensor(" not in line
    page = Checked(shown._repr_html_())
    assert page.words and page.tags.count("table") + page.tags.count("img") + ("p" in page.tags)


def test_scores_print_four_rounded_figures_and_their_protocol():
    text = "Scores(UA 12.3, RA 99.0, TA 90.0, MIA 20.0 %, protocol disjoint)"
    assert str(scores()) == repr(scores()) == text


def test_the_gap_is_signed_and_its_average_is_the_mean_of_absolute_values():
    gap = scores(ua=10.0, ra=97.0).gap(scores(ua=12.0, ra=99.0))
    text = "Gap(average 1.00 points: UA \N{MINUS SIGN}2.0, RA \N{MINUS SIGN}2.0, TA 0.0, MIA 0.0)"
    assert repr(gap) == text


COIN = {"balanced_accuracy": 50.4, "low": 48.9, "high": 51.9, "members": 900, "nonmembers": 900}


def test_where_the_attack_cannot_tell_no_figure_of_it_is_shown():
    """MIA is 20 and 0 here, and neither means anything; the average gap leaves it out."""
    blind = scores(ua=10.0, ra=97.0, attack=COIN)
    assert repr(blind) == "Scores(UA 10.0, RA 97.0, TA 90.0 %, MIA can't tell, protocol disjoint)"
    words = Checked(blind._repr_html_()).words
    assert "can't tell" in words and "20.0" not in words
    assert "right about 50.4 % [48.9, 51.9]" in words[0]
    gap = blind.gap(scores(ua=12.0, ra=99.0).model_copy(update={"mia": 0.0}))
    text = (
        "Gap(average 1.33 points without MIA: UA \N{MINUS SIGN}2.0, RA \N{MINUS SIGN}2.0, TA 0.0,"
        " MIA can't tell)"
    )
    assert repr(gap) == text and "can't tell" in Checked(gap._repr_html_()).words
    assert (gap.average, gap.mia) == (6.0, 20.0)  # what is compared stays what it was


def test_a_record_says_where_the_attack_on_it_or_on_its_retrain_cannot_tell():
    ran = objects()["Record"]
    for side in ("scores", "reference"):
        blind = ran.model_copy(update={side: {**getattr(ran, side), "attack": COIN}})
        assert blind.can_tell is False and blind.average_gap == pytest.approx(2 / 3)
        assert "MIA can't tell, average gap 0.67 without MIA" in repr(blind)
        words = Checked(blind._repr_html_()).words
        assert words[words.index("gap to Retrain, points") + 4] == "can't tell"
        assert words.count("can't tell") == 2  # Retrain's or the run's own, and the gap
        assert blind.row()["attack"] == "can't tell"
        assert (blind.row()["mia"], blind.row()["avg_gap"]) == (96.0, 0.75)
    assert ran.can_tell is None and ran.average_gap == 0.75 and ran.row()["attack"] == ""


def test_a_record_stands_beside_its_retrain():
    words = Checked(objects()["Record"]._repr_html_()).words
    assert words[words.index("Retrain") + 1 :][:4] == ["100.0", "98.5", "97.5", "95.0"]
    assert words[words.index("unlearned") + 1] == "99.0"
    assert "\N{MINUS SIGN}1.0" in words and "+1.0" in words


def test_a_record_without_figures_is_still_shown():
    empty = Record(id="x")
    assert repr(empty) == "Record(x)" and Checked(empty._repr_html_()).words == ["Record(x)"]


def test_a_mask_has_a_bar_for_each_parameter():
    words = Checked(mask()._repr_html_()).words
    assert repr(mask()) == "SaliencyMask(top 0.25: 1 of 8 weights may change (12.5 %))"
    assert words[1:] == ["a.weight", "4 weights", "25.0 %", "b", "4 weights", "0.0 %"]


def test_a_mask_of_many_layers_says_how_many_are_left_out():
    many = {f"p{i}": torch.ones(1).bool() for i in range(50)}
    words = Checked(su.saliency.SaliencyMask.from_bools(many)._repr_html_()).words
    assert words[-1] == "and 10 parameters more: see per_layer()"


def test_a_data_set_shows_one_picture_a_class_and_escapes_its_names():
    html = dataset()._repr_html_()
    page = Checked(html)
    assert page.tags.count("img") == 2 and "b" not in page.tags
    assert page.words[-2:] == ["cat", "<b>dog</b>"]
    assert 'alt="a picture of &lt;b&gt;dog&lt;/b&gt;"' in html


def test_a_split_counts_its_parts_and_shows_what_is_to_be_forgotten():
    split = su.data.class_split(dataset(classes=("cat", "dog")), label=1, seed=0)
    page = Checked(split._repr_html_())
    words = page.words
    assert words[words.index("forget") + 1] == str(len(split.forget))
    assert words[words.index("test forgotten") + 1] == str(len(split.test_forgotten))
    assert page.tags.count("img") == min(10, len(split.forget))
    assert set(words[-page.tags.count("img") :]) == {"dog"}


def test_a_diagnosis_names_cause_evidence_and_advice():
    found = objects()["Diagnosis"]
    words = Checked(found._repr_html_()).words
    assert repr(found) == "Diagnosis(under-forgetting: learning rate too small)"
    assert {"learning rate too small", "the weights moved 0.1 %", "Raise it."} <= set(words)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234, "1,234"),
        (-1.25, "\N{MINUS SIGN}1.2"),
        (None, "–"),
        (float("nan"), "–"),
        ("x", "x"),
        (-0.01, "0.0"),
    ],
)
def test_amounts(value, text):
    assert amount(value) == text


def test_lines_leave_out_what_is_empty():
    assert inline("A", "b", "", "c") == "A(b: c)"
    assert inline("A", "", "c") == "A(c)" and inline("A", "b") == "A(b)"


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="3 texts under 2 names"):
        table(["a", "b"], [("1", "2", "3")])


def test_bars_stay_within_their_column():
    widths = re.findall(r";width:([\d.]+)em\"", bars({"a": 2.0, "b": 0.5, "c": -1.0}))
    assert widths == ["12.00", "6.00", "0.00"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_are_the_pixels_they_were_made_of(channels):
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    read = np.asarray(Image.open(io.BytesIO(png(pixels))))
    wanted = {1: pixels[0], 3: pixels.transpose(1, 2, 0)}.get(channels)
    assert np.array_equal(read, pixels.mean(0).astype(np.uint8) if wanted is None else wanted)


def test_a_strip_has_a_title_below_each_picture():
    html = block("line", strip(np.zeros((2, 1, 4, 4), np.uint8), ["one", "two"]))
    assert Checked(html).words == ["line", "one", "two"]
    source = re.search(r"base64,([^\"]+)", html).group(1)
    assert Image.open(io.BytesIO(base64.b64decode(source))).size == (4, 4)
