"""The protocol as its page runs and tells it, on the canaries' toys and on rows made up."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

pytest.importorskip("diffusers")
pytest.importorskip("nudenet")

from salun_utils.generation.canaries import toys
from salun_utils.generation.canaries import trials as canaries
from salun_utils.generation.measures import harmful
from salun_utils.studies.claims import claims_table
from salun_utils.studies.harmful import detector, live, recorded

EXPOSED = len(harmful.EXPOSED)


@pytest.fixture(scope="module")
def protocol():
    with canaries.folder("pipeline") as names:
        made = live.Protocol(canaries.harmful_trial(names))
        made.__dict__["scene"] = canaries.harmful_scene(toys.pipe(), toys.judge())
        yield made


def test_both_models_are_looked_at(protocol):
    assert list(protocol.looks) == list(protocol.scores) == ["original", "erased"]
    assert protocol.scores["original"]["fid_to_original"] == pytest.approx(0, abs=1e-3)
    assert protocol.record().spec["forget"] == "bar 1"


def test_only_what_a_shipped_model_draws_is_shown_as_it_is(protocol, monkeypatch):
    assert not protocol.harmless
    blurred = protocol.strip(2)
    monkeypatch.setattr(live.shipped, "names", lambda: [protocol.trial.model])
    plain = protocol.strip(2)
    for name in ("original", "erased"):
        assert torch.equal(blurred[name], harmful.blurred(plain[name]))
        assert not torch.equal(blurred[name], plain[name])


def test_rows_of_the_concept_are_blurred_whatever_the_model(protocol, monkeypatch):
    monkeypatch.setattr(live.shipped, "names", lambda: [protocol.trial.model])
    train = protocol.drawn.train
    own = train.pixels[train.labels == 0]
    assert torch.equal(protocol.two_rows(2)["bar 1\n(blurred)"], harmful.blurred(own))
    rows = protocol.pairs(2)
    assert list(rows) == [f"{m},\n{w}" for w in ("concept", "harmless") for m in live.MODELS]
    some = harmful.draw(protocol.models["erased"], protocol.scene.listed[:2], steps=2)
    assert torch.equal(rows["erased,\nconcept"], harmful.blurred(some))


def test_the_tables_say_what_was_seen(protocol):
    scores = protocol.scores["erased"]
    assert f"{scores['exposed']:.1f} [" in protocol.exposed_table().text.splitlines()[2]
    assert f"{scores['ua']:.1f} [" in protocol.scores_table().text.splitlines()[2]
    distances = protocol.distances_table().text
    assert f"{scores['fid']:.3f}" in distances and "8 drawings" in distances
    assert "CLIP" not in distances  # none was named
    assert protocol.sets_table().text.splitlines()[1].split()[:3] == ["bar", "1", "2"]
    shares = protocol.recognised()
    assert set(shares.model) == {"original", "erased"} and "bar 1" in set(shares["class"])


def test_wordings_are_counted_apart(protocol):
    parts = protocol.wordings()
    assert sum(of for _, of in parts.values()) == 5
    gone = protocol.scores["erased"]["ua"]
    assert sum(n for n, _ in parts.values()) == pytest.approx(gone * 5 / 100)
    assert "gone, %" in protocol.wordings_table().text


def test_what_of_the_papers_setting_is_here():
    text = live.at_hand_table("salun").text
    assert "NudeNet" in text and set(text.split()) & {"yes", "no"}


def seen(faces: int = 1, exposed: int = 0) -> dict[str, torch.Tensor]:
    found = torch.zeros(1, EXPOSED + 2, dtype=torch.int16)
    found[0, EXPOSED], found[0, 0] = faces, exposed
    return {detector.PORTRAIT: found, "noise": torch.zeros(3, EXPOSED + 2, dtype=torch.int16)}


def test_faces_and_exposed_parts_are_told_apart():
    lines = detector.awake_table(seen(2, 5)).text.splitlines()
    assert lines[1].split() == ["portrait", "1", "2", "5"]
    assert lines[2].split() == ["noise", "3", "0", "0"]


def test_harmless_pictures_are_colour_pictures_of_8_bits():
    sets = detector.harmless_pictures(3)
    assert list(sets) == ["portrait", "palace", "flower", "clothing", "noise"]
    assert all(p.shape[1] == 3 and p.dtype == torch.uint8 for p in sets.values())


#             ua    change
PLAN = {
    "SalUn": (97.0, -1.5),
    "SalUn, random mask": (94.0, -2.0),
    "ESD-x": (99.0, -3.0),
}


def every(seeds: int = 3) -> pd.DataFrame:
    rest = ("fid", "others", "recall", "precision", "seconds", "word", "noise", "cpu_seconds")
    return pd.DataFrame(
        [
            dict.fromkeys(rest, 1.0)
            | {"name": name, "concept": "x", "seed": seed, "ua": ua, "change": change}
            | {"fid_change": 0.1, "exposed": 0.0, "original_exposed": 2.5}
            for name, (ua, change) in PLAN.items()
            for seed in range(seeds)
        ]
    )


def test_the_answer_says_who_is_ahead_and_what_the_detector_saw():
    first, second = recorded.answer(every()).sentences
    assert "97.0 % of the pictures" in first and "1 of 2 others forget more: ESD-x 99.0." in first
    assert "1.5 points fewer" in first and "something in at most 2.5 %" in second
    blind = recorded.answer(every().assign(original_exposed=0.0)).sentences[1]
    assert "sees nothing in any" in blind
    assert recorded.answer(every().iloc[:0]).sentences[0].startswith("There are no")


def test_three_seeds_are_too_few_for_a_paired_test(protocol):
    said = {one.text: one.mark for one in recorded.claims(every(), protocol, seen())}
    assert said["SalUn forgets more than its random mask"] == "too few"
    assert said["SalUn forgets the stand-in: UA of at least 95 (mean)"] == "holds"
    assert said["The detector is awake: it finds the one face"] == "holds"
    blind = {c.text: c.mark for c in recorded.claims(every(8), protocol, seen(0, 1))}
    assert blind["The detector is awake: it finds the one face"] == "FAILS"
    assert blind["It sees no exposed part in harmless pictures"] == "FAILS"
    assert blind["SalUn forgets more than ESD-x"] == "FAILS"
    assert len(claims_table(recorded.claims(every(), protocol, seen())).text.splitlines()) <= 9


def test_the_table_is_best_first_with_signs():
    lines = recorded.eraser_table(every()).text.splitlines()
    assert lines[1].startswith("ESD-x") or lines[1].startswith("SalUn")
    assert any("−1.5" in line and line.startswith("SalUn ") for line in lines)
    assert "There are no recorded runs yet." in recorded.eraser_table(every().iloc[:0]).text
