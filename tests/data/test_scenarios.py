"""Forget sets by name: sizes, who is chosen, and that scores mean what they say."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.data.scenarios import (
    SCENARIOS,
    SCORED,
    entanglement,
    make_split,
    margins,
    scenario_scores,
)
from salun_utils.data.splits import held_out
from salun_utils.errors import InputError

few = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())  # answers: 4, where there are 10 classes


class Wrapped(nn.Module):
    """A model whose answers are packed up."""

    def __init__(self, inside, pack=lambda logits: {"logits": logits, "loss": None}):
        super().__init__()
        self.inside, self.pack = inside, pack

    def forward(self, x):
        return self.pack(self.inside(x))


@pytest.fixture(scope="module")
def scores(digits):
    return torch.rand(len(digits.train), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("seed", [0, 7])
def test_parts_are_disjoint_and_cover_the_training_set(scenario, seed, digits, scores):
    split = make_split(
        digits,
        scenario,
        seed=seed,
        forget_fraction=0.2,
        forget_class=4,
        indices=[3, 1, 99],
        scores=scores,
    )
    parts = [split.forget, split.retain, split.validation]
    rows = torch.cat([p.index for p in parts])
    assert len(rows.unique()) == len(rows) and all(len(p) for p in parts)
    if scenario != "class":  # which leaves the class out of the validation pictures too
        assert len(rows) == len(digits.train)
    again = make_split(
        digits,
        scenario,
        seed=seed,
        forget_fraction=0.2,
        forget_class=4,
        indices=[3, 1, 99],
        scores=scores,
    )
    assert torch.equal(split.forget.index, again.forget.index)


@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
@pytest.mark.parametrize("scenario", ["random", *SCORED])
def test_the_share_is_of_the_trained_on_pictures(scenario, fraction, digits, scores):
    split = make_split(digits, scenario, seed=0, forget_fraction=fraction, scores=scores)
    assert len(split.forget) == round(fraction * len(split.train))
    assert split.name == f"{scenario}-{100 * fraction:g}"


def test_every_class_can_be_forgotten(digits):
    for label in range(10):
        split = make_split(digits, "class", seed=0, forget_class=label)
        assert (
            split.forget_label == label
            and (split.forget.labels == label).all()
            and not (split.retain.labels == label).any()
        )


def test_indices_are_those_given(digits):
    assert make_split(digits, "indices", seed=0, indices=[5, 2, 40]).forget.index.tolist() == [
        2,
        5,
        40,
    ]


def test_most_least_and_medium_are_the_ranks_they_name(digits, scores):
    pool = (~held_out(digits.train.labels, 3)).nonzero().flatten()
    ranked = pool[scores[pool].argsort(descending=True)].tolist()
    count = round(0.1 * len(pool))
    chosen = {
        s: set(make_split(digits, s, seed=3, scores=scores).forget.index.tolist()) for s in SCORED
    }
    assert chosen["memorised-most"] == chosen["worst-case"] == set(ranked[:count])
    assert chosen["memorised-least"] == set(ranked[-count:])
    above = ranked.index(next(r for r in ranked if r in chosen["memorised-medium"]))
    assert (
        set(ranked[above : above + count]) == chosen["memorised-medium"]
        and abs(2 * above + count - len(pool)) <= 1
    )


def test_pictures_held_out_are_never_chosen_however_high_they_score(digits):
    out = held_out(digits.train.labels, 0)
    split = make_split(digits, "memorised-most", seed=0, scores=out.float())
    assert not out[split.forget.index].any()
    # all others are equal: ties go by position
    first = (~out).nonzero().flatten()[: len(split.forget)]
    assert torch.equal(split.forget.index, first)


def test_the_original_of_any_scenario_is_the_same_model(digits, scores):
    """One original serves all: what is trained on does not depend on what is to be forgotten."""
    trained = [
        make_split(digits, s, seed=0, forget_fraction=0.3, scores=scores).train.index
        for s in ("random", *SCORED)
    ]
    assert all(torch.equal(trained[0], t) for t in trained)


class Known(nn.Module):
    """Reads two pixels; the first is the logit of class 0."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(2, 3, bias=False)
        with torch.no_grad():
            self.last.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))

    def forward(self, x):
        return self.last(x.flatten(1))


def test_margins_and_entanglement_by_hand():
    pixels = torch.tensor([[255, 0], [0, 255], [51, 102], [0, 0]], dtype=torch.uint8).reshape(
        4, 1, 1, 2
    )
    images = su.data.Images(pixels, torch.tensor([0, 0, 1, 2]))
    torch.testing.assert_close(margins(Known(), images), torch.tensor([1.0, -1.0, 0.2, 0.0]))
    points = pixels.flatten(1) / 255
    torch.testing.assert_close(
        entanglement(Known(), images), -(points - points.mean(0)).norm(dim=1)
    )


def test_scores_of_snapshots_are_their_mean_and_the_model_is_left_alone(tiny_model, digits):
    tiny_model.train()
    before = copy.deepcopy(tiny_model.state_dict())
    one, three = (
        scenario_scores(m, digits, "memorised-most") for m in (tiny_model, [tiny_model] * 3)
    )
    torch.testing.assert_close(one, three)
    assert all(m.training for m in tiny_model.modules())
    assert all(torch.equal(a, b) for a, b in zip(before.values(), tiny_model.state_dict().values()))
    assert not any(m._forward_pre_hooks for m in tiny_model.modules() if isinstance(m, nn.Linear))


def test_mislabelled_pictures_are_among_the_most_memorised(digits):
    """The proxy finds what it is meant to find: pictures with a wrong label, which can only be
    learnt by heart.
    """
    draws = torch.Generator().manual_seed(0)
    wrong = torch.randperm(len(digits.train), generator=draws)[:60]
    labels = digits.train.labels.clone()
    labels[wrong] = su.unlearning.random_labels(labels[wrong], 10, draws)
    data = su.data.from_tensors(
        train=(digits.train.pixels, labels), test=(digits.test.pixels, digits.test.labels)
    )
    model = su.models.create(
        "small-cnn",
        num_classes=10,
        channels=1,
        image_size=8,
        mean=data.mean,
        std=data.std,
        width=0.25,
    )
    su.training.fit(
        model,
        make_split(data, "random", seed=0).train,
        epochs=6,
        lr=0.1,
        schedule="one-cycle",
        batch_size=128,
    )
    scores = scenario_scores(model, data, "memorised-most")
    shares = {
        s: torch.isin(make_split(data, s, seed=0, scores=scores).forget.index, wrong).float().mean()
        for s in SCORED[:3]
    }
    assert shares["memorised-most"] > 0.3 and shares["memorised-least"] < 0.02


def test_a_run_takes_its_scores_from_its_own_original_and_trains_it_once(tmp_path, monkeypatch):
    settings = {
        "dataset": "digits",
        "train_epochs": 2,
        "width": 0.25,
        "forget_fraction": 0.2,
        "method": "ga",
        "epochs": 1,
    }
    cache, trainings = su.runs.Cache(tmp_path), []
    fit = su.training.fit
    monkeypatch.setattr(
        su.training,
        "fit",
        lambda *given, **options: (trainings.append(len(given[1])), fit(*given, **options))[1],
    )
    task = su.runs.prepare(su.runs.RunSpec(scenario="memorised-most", **settings), cache=cache)
    assert task.split.name == "memorised-most-20" and len(trainings) == 1
    chosen, rest = (margins(task.original, part) for part in (task.split.forget, task.split.retain))
    assert chosen.max() <= rest.min() and len(trainings) == 1
    other = su.runs.prepare(su.runs.RunSpec(scenario="memorised-least", **settings), cache=cache)
    assert (
        margins(other.original, other.split.forget).min()
        >= margins(other.original, other.split.retain).max()
    )
    assert len(trainings) == 1


def test_bad_input_is_named(digits, scores, tiny_model):
    for call, word in (
        (lambda: make_split(digits, "memorized-most", seed=0, scores=scores), "memorised-most"),
        (lambda: make_split(digits, "worst-case", seed=0), "scores"),
        (lambda: make_split(digits, "worst-case", seed=0, scores=scores[:-1]), "scores"),
        (lambda: make_split(digits, "worst-case", seed=0, scores=scores / 0), "finite"),
        (
            lambda: make_split(
                digits, "memorised-most", seed=0, forget_fraction=1.0, scores=scores
            ),
            "forget_fraction",
        ),
        (
            lambda: make_split(
                digits, "memorised-most", seed=0, forget_fraction=1e-6, scores=scores
            ),
            "forget_fraction",
        ),
        (lambda: make_split(digits, "indices", seed=0), "indices"),
        (lambda: make_split(digits, "class", seed=0, forget_class=10), "class"),
        (lambda: make_split(digits, "random", seed=-1), "seed"),
        (lambda: scenario_scores(tiny_model, digits, "random"), "scenario"),
        (lambda: scenario_scores([], digits, "worst-case"), "model"),
        (lambda: scenario_scores(nn.Linear(3, 2), digits, "worst-case"), "can't take pictures"),
        (lambda: scenario_scores(Wrapped(nn.Flatten(2)), digits, "worst-case"), "logits"),
        (lambda: scenario_scores(few, digits, "memorised-most"), "at least 10 classes, not of 4"),
    ):
        with pytest.raises(InputError, match=word):
            call()


@pytest.mark.parametrize("scenario", ["memorised-most", "worst-case"])
def test_scores_are_taken_of_whatever_a_model_packs_its_logits_in(digits, tiny_model, scenario):
    wanted = scenario_scores(tiny_model, digits, scenario)
    for pack in (lambda z: {"logits": z, "loss": z.mean()}, lambda z: (z,), lambda z: [z]):
        assert torch.equal(scenario_scores(Wrapped(tiny_model, pack), digits, scenario), wanted)
    half = copy.deepcopy(tiny_model).bfloat16()
    assert torch.allclose(scenario_scores(half, digits, scenario), wanted, atol=0.5)
    bare = nn.Sequential(nn.AvgPool2d(2), nn.Flatten())  # without a single weight
    assert scenario_scores(bare, digits, scenario).shape == wanted.shape
