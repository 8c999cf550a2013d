"""Erasers that run on a page, on the toys of the canaries."""

from __future__ import annotations

import pytest
import torch

from salun_utils import data
from salun_utils.generation.canaries import trials as toys
from salun_utils.generation.trials.trial import Trial
from salun_utils.studies.erasing import live, pictures, tables


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
    with toys.folder("pipeline") as named:
        shared = dict(concept=1, per_class=2, concept_samples=3, steps=2, guidance=2.0, seed=0)
        shared |= {k: named[k] for k in ("model", "judge") if k in named}
        made = live.Live.of(
            {**shared, "attack_steps": 2, "keep": 0.5, "other": 1}, {"UCE": {"eraser": "uce"}}
        )
        made.__dict__["scene"] = toys.scene("pipeline")
        made.runs  # noqa: B018
        yield made
    patch.undo()


def alike(some: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether pictures that were drawn in batches of two sizes are the same up to rounding."""
    return some.shape == others.shape and int((some.int() - others.int()).abs().max()) <= 1


def test_the_attacks_are_no_part_of_the_trials(run):
    (trial,) = run.trials.values()
    assert isinstance(trial, Trial) and trial.attack_steps == 0 and run.attack_steps == 2
    assert trial.keep is None and list(run.models) == ["original", "UCE"]


def test_rows_have_the_original_first_and_differ(run):
    each = run.one_of_each()
    assert list(each) == ["original", "UCE"] and len(each["UCE"]) == 3
    assert not torch.equal(each["UCE"][1], each["original"][1])


def test_a_word_leaves_the_model_as_it_was(run):
    before = [p.clone() for p in run.models["UCE"].unet.parameters()]
    first, again = run.by_word("UCE", 3), run.by_word("UCE", 3)
    assert torch.equal(first.pixels, again.pixels) and 0 <= first.share <= 100
    assert not torch.equal(first.pixels, run.by_name("UCE", 3).pixels)
    now = run.models["UCE"].unet.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, now, strict=True))


def test_a_model_that_is_attacked_alone_is_erased_and_not_drawn(run, monkeypatch):
    new = live.Live(run.trials, run.attack_steps)
    new.__dict__["scene"] = run.scene
    monkeypatch.setattr(live.experiment, "run", None)
    assert torch.equal(new.by_word("UCE", 3).pixels, run.by_word("UCE", 3).pixels)
    assert alike(new.by_name("original", 3).pixels, run.by_name("original", 3).pixels)
    assert list(new.alone) == ["UCE"] and new.model("UCE") is new.alone["UCE"]
    assert new.model("original") is run.scene.model is run.model("original")
    assert run.model("UCE") is run.models["UCE"] and not run.alone


def test_what_a_run_drew_is_not_drawn_again(run, monkeypatch):
    new = live.Live(run.trials, run.attack_steps)
    new.__dict__["scene"] = run.scene
    anew = new.by_name("UCE", 3)
    monkeypatch.setattr(live.pipelines, "sample", None)
    seen = run.by_name("UCE", 3)
    assert alike(seen.pixels, anew.pixels) and seen.share == anew.share
    assert len(run.by_name("original", 2).pixels) == 2
    with pytest.raises(TypeError):  # more than the run has drawn
        run.by_name("UCE", 4)


def test_other_pictures_travel_at_the_size_of_the_concepts_own(run):
    other = run.foreign(data.load("digits").test, 2)
    assert other.pixels.shape[-2:] == run.lessons.pixels.shape[-2:]
    redrawn = run.redrawn("UCE", other)
    assert redrawn.shape == run.shown(other).shape == (2, 3, *redrawn.shape[-2:])
    real = {"own": run.lessons.subset(range(2)), "other": other}
    parts = {k: run.redrawn("UCE", some) for k, some in real.items()}
    text = tables.redrawn_table(run, {"original": parts}, real).text
    head = text.splitlines()[0]
    assert all(name in head for name in ("own, off by", "other, off by", "own recognised, %"))


def test_the_tables_of_a_run(run):
    lines = tables.scores_table(run.runs, note="so it was").text.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["UCE", "original", "so"]
    assert "Cross-attention:" in tables.parts_table(run.scene.model).text
    assert len(run.records()) == 1


def test_pictures_of_ways_say_their_shares(run):
    ways = {"by its name": run.by_name("UCE", 6), "by a learned word": run.by_word("UCE", 6)}
    figure, alt = pictures.brought_back({"UCE": ways})
    assert len(figure.axes) == 13 and f"by its name {ways['by its name'].share:.0f} %" in alt


def test_memory_is_counted_without_a_network():
    rows = [line.split() for line in tables.memory_table().text.splitlines()[1:-1]]
    full, cross = rows[0], rows[-1]
    assert float(full[-2]) > float(full[-1]) > float(cross[-1]) > 0
