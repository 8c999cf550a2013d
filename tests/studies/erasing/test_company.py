"""What becomes of every class, as a table: what was erased apart from what was not."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import torch

from salun_utils.generation.models import pipelines
from salun_utils.studies.erasing import company


class Judge:
    """Sees in a picture the class that its first pixel says."""

    classes = ("a", "b", "c")

    def fit(self, pixels):
        return pixels

    def __call__(self, pixels):
        return pixels[:, 0, 0, 0].long()


def test_shares_are_of_what_was_asked_for_and_every_model_has_the_same_noises(monkeypatch):
    seeds = []

    def drawn(pipe, classes, *, per_class, seed, **_):
        seeds.append(seed)
        labels = torch.arange(len(classes)).repeat_interleave(per_class)
        seen = torch.where(
            labels == pipe, (labels + 1) % 3, labels
        )  # the class `pipe` is forgotten
        seen[-1] = 0
        return seen.view(-1, 1, 1, 1).to(torch.uint8), labels

    monkeypatch.setattr(pipelines, "sample_classes", drawn)
    first = SimpleNamespace(steps=2, guidance=3.0, sample_seed=7)
    live = SimpleNamespace(scene=SimpleNamespace(judge=Judge()), first=first)
    found = company.shares(live, {"original": 9, "less": 1}, per_class=4)
    assert found.loc["original"].tolist() == [100, 100, 75]
    assert found.loc["less"].tolist() == [100, 0, 75] and seeds == [7, 7]


def test_a_run_gives_the_same_of_before_and_after():
    labels = torch.tensor([0, 0, 1, 2, 2, 2])
    after = torch.tensor([1, 0, 1, 2, 2, 0])
    pixels = [x.view(-1, 1, 1, 1).to(torch.uint8) for x in (labels, after)]
    run = SimpleNamespace(before=pixels[0], after=pixels[1], labels=labels)
    first = SimpleNamespace(concept="a")
    live = SimpleNamespace(scene=SimpleNamespace(judge=Judge()), first=first, runs={"UCE": run})
    found = company.of_run(live, "UCE")
    assert found.loc["nothing"].tolist() == [100, 100, 100]
    assert found.loc["a"].round(1).tolist() == [50, 100, 66.7]


def test_what_was_erased_stands_apart_and_the_worst_of_the_others_has_its_name():
    found = pd.DataFrame(
        {"a": [100.0, 0.0], "b": [90.0, 10.0], "c": [80.0, 60.0], "d": [100.0, 90.0]},
        index=["nothing", "a and b"],
    )
    text = str(company.company(found, {"a and b": ["a", "b"]}))
    nothing, both = (
        text.splitlines()[-3:-1] if "Per cent" in text.splitlines()[-1] else (text, text)
    )
    assert "c: 80" in text and "0, 10" in both and "c: 60" in both and "75" in both
    assert "92" in nothing or "93" in nothing
