"""UNSIR, SISA and FCS against calculations by hand on one and two layers."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import pytest
import torch
from jobs_by_hand import PLAIN, bright_corners, job_of
from torch import Tensor, nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.unlearning import unlearn
from salun_utils.unlearning.fcs import LOWEST, Rounds, contrast, unevenness
from salun_utils.unlearning.job import Job
from salun_utils.unlearning.sisa import Ensemble, even_batch, in_shards
from salun_utils.unlearning.unsir import Mixed, drawn_labels, learnt_noise, of_each_class

FRESH = {**PLAIN, "epochs": 1, "lr": 0.1, "schedule": "constant", "batch_size": 16}


class OneLayer(nn.Module):
    """Multinomial logistic regression on 25 pixels, in three classes."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(25, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


class Fields(OneLayer):
    """One that gives its logits among other things."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": super().forward(x), "features": x.flatten(1)}


def made(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return kind()


@pytest.fixture
def model() -> nn.Module:
    return made(OneLayer)


@pytest.fixture(scope="module")
def data():
    return bright_corners(90)


@pytest.fixture
def split(data):
    return su.data.random_split(data, fraction=0.25, seed=0)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


# -- UNSIR


def test_unsir_noise_takes_its_first_step_by_hand(model, split):
    """The first step of Adam is its rate against the sign of the gradient: 2 penalty z - std W'(p -
    e_y), over the number of pictures.
    """
    job = job_of(model, split)
    labels = torch.tensor([2, 0, 1, 1])
    mean, std = split.data.mean[0], split.data.std[0]
    start = torch.randn(4, 1, 5, 5, generator=job.draws("noise"))
    weight = model.layer.weight.detach()
    p = ((mean + std * start).flatten(1) @ weight.T).softmax(1)
    uphill = std * (p - nn.functional.one_hot(labels, 3)) @ weight
    gradient = 2 * 0.01 * start.flatten(1) - uphill
    wanted = start.flatten(1) - 0.1 * gradient.sign()
    found = learnt_noise(job, labels, steps=1, penalty=0.01)
    sure = gradient.abs() > 1e-5
    assert sure.float().mean() > 0.9
    found = ((found - mean) / std).flatten(1)
    torch.testing.assert_close(found[sure], wanted[sure], rtol=1e-4, atol=1e-4)
    assert same(job.model, model) and job.model.layer.weight.grad is None


def test_unsir_noise_is_what_the_network_gets_wrong_unless_the_penalty_draws_it_to_the_mean(
    model, split
):
    labels = torch.arange(30) % 3
    loud, quiet = (
        learnt_noise(job_of(model, split), labels, steps=60, penalty=penalty)
        for penalty in (0.0, 100.0)
    )
    with torch.no_grad():
        assert (model(loud).argmax(1) != labels).all()
    assert ((quiet - split.data.mean[0]) / split.data.std[0]).abs().mean() < 0.1


def test_unsir_draws_labels_from_those_to_forget(model, data):
    (only,) = drawn_labels(job_of(model, su.data.class_split(data, label=1, seed=0)), 50).unique()
    assert only == 1
    cut = su.data.random_split(data, fraction=0.25, seed=0)
    share = drawn_labels(job_of(model, cut), 30_000).bincount() / 30_000
    wanted = cut.forget.labels.bincount() / len(cut.forget)
    torch.testing.assert_close(share, wanted, atol=0.015, rtol=0)


def test_unsir_mixes_each_noise_picture_as_often_as_said_among_retained_ones(model, split):
    kept = of_each_class(job_of(model, split), 7)
    assert kept.labels.bincount().tolist() == [7, 7, 7]
    assert set(kept.index.tolist()) <= set(split.retain.index.tolist())
    noise = torch.arange(4.0)[:, None, None, None].expand(4, 1, 5, 5) + 10
    mixed = Mixed(noise, torch.tensor([2, 2, 0, 1]), kept, 3)
    batches = list(mixed.batches(8, generator=torch.Generator().manual_seed(0)))
    x, y = (torch.cat(parts) for parts in zip(*batches))
    assert len(mixed) == len(x) == 4 * 3 + 21 and len(batches) == math.ceil(33 / 8)
    loud = x[:, 0, 0, 0] > 5
    pairs = sorted(zip(x[loud, 0, 0, 0].tolist(), y[loud].tolist()))
    assert pairs == sorted(3 * [(10, 2), (11, 2), (12, 0), (13, 1)])
    assert y[~loud].bincount().tolist() == [7, 7, 7]
    assert len(x[~loud].flatten(1).unique(dim=0)) == len(kept.pixels.flatten(1).unique(dim=0))


def test_unsir_never_looks_at_a_picture_that_it_forgets(model, split):
    few = {**PLAIN, "noise_size": 8, "noise_steps": 3}
    dark = su.data.images.Images(torch.zeros_like(split.forget.pixels), split.forget.labels)
    a = unlearn("unsir", model, split, **few).model
    b = unlearn("unsir", model, dataclasses.replace(split, forget=dark), **few).model
    assert same(a, b) and not same(a, model)


def test_unsir_forgets_a_class_and_repair_keeps_the_others(digits, tiny_model):
    cut = su.data.class_split(digits, label=3, seed=0)
    settings = {**PLAIN, "batch_size": 64, "noise_repeats": 4, "repair_epochs": 2}
    scores = su.metrics.evaluate(unlearn("unsir", tiny_model, cut, **settings).model, cut)
    assert scores.ua > 90 and scores.ta > 95


# -- SISA


def test_sisa_answers_with_the_mean_of_probabilities():
    class Says(nn.Module):
        def __init__(self, *p: float):
            super().__init__()
            self.logits = nn.Parameter(torch.tensor(p).log() + 7)

        def forward(self, x: Tensor) -> Tensor:
            return self.logits.expand(len(x), -1)

    both = Ensemble([Says(0.5, 0.25, 0.25), Says(0.1, 0.8, 0.1)], 3, 2)
    found = both(torch.zeros(4, 1, 2, 2))
    torch.testing.assert_close(found.exp(), torch.tensor([[0.3, 0.525, 0.175]]).expand(4, -1))
    torch.testing.assert_close(found.softmax(1), found.exp())


def test_sisa_cuts_the_training_pictures_before_it_knows_what_goes(model, data):
    """Two requests, one cut: a retained picture of both is in the shard of the same number."""
    cuts = [su.data.random_split(data, fraction=f, seed=0) for f in (0.1, 0.4)]
    found = [in_shards(job_of(model, cut), 4) for cut in cuts]
    for cut, (parts, touched) in zip(cuts, found):
        rows = [set(part.index.tolist()) for part in parts]
        assert sorted(r for part in rows for r in part) == sorted(cut.retain.index.tolist())
        size = len(cut.train) / 4
        missing = [len(part) < math.floor(size) for part in rows]
        assert sum(missing) <= touched <= 4
    few, many = (parts for parts, _ in found)
    kept = set(cuts[1].retain.index.tolist()) & set(cuts[0].retain.index.tolist())
    for a, b in zip(few, many):
        assert set(a.index.tolist()) & kept == set(b.index.tolist()) & kept


def test_sisa_counts_the_shards_that_held_a_forgotten_picture(model, data):
    cut = su.data.subset_split(data, indices=[4], seed=0)
    result = unlearn("sisa", model, cut, shards=4, **FRESH)
    assert result.model.shards_touched == 1 and len(result.model.members) == 4
    spread = su.data.random_split(data, fraction=0.5, seed=0)
    assert unlearn("sisa", model, spread, shards=4, **FRESH).model.shards_touched == 4


def test_sisa_of_untouched_shards_has_the_networks_that_it_had(model, data):
    """What makes it cheap: a shard without a forgotten picture comes out as before, to the bit."""
    cuts = [su.data.subset_split(data, indices=[i], seed=0) for i in (4, 5)]
    a, b = (unlearn("sisa", model, cut, shards=4, seed=3, **FRESH).model for cut in cuts)
    equal = [same(p, q) for p, q in zip(a.members, b.members)]
    assert 2 <= sum(equal) <= 3


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(386, 128, [97, 97, 97, 95]), (129, 128, [65, 64]), (128, 128, [128]), (7, 256, [7])],
)
def test_sisa_trains_in_batches_as_equal_as_they_come(count, most, sizes):
    size = even_batch(count, most)
    pixels = torch.zeros(count, 1, 1, 1, dtype=torch.uint8)
    images = su.data.images.Images(pixels, torch.zeros(count).long())
    assert [len(x) for x, _ in images.batches(size)] == sizes


def test_sisa_of_one_shard_is_a_network_trained_on_what_is_retained(model, split, monkeypatch):
    seen = []
    fit = Job.fit
    monkeypatch.setattr(
        Job, "fit", lambda job, part, **o: (seen.append((part, o)), fit(job, part, **o))[1]
    )
    model.fitted_with = {"epochs": 2, "lr": 0.05, "schedule": "cosine"}
    unlearn("sisa", model, split, shards=1, lr=0.07, **PLAIN)
    ((part, options),) = seen
    assert sorted(part.index.tolist()) == sorted(split.retain.index.tolist())
    assert (options["epochs"], options["lr"], options["schedule"]) == (2, 0.07, "cosine")


def test_sisa_is_scored_saved_and_loaded_like_a_network(model, split, tmp_path):
    first, other = (unlearn("sisa", model, split, shards=2, seed=s, **FRESH).model for s in (0, 1))
    wanted = su.metrics.predict_logits(first, split.test)
    assert math.isfinite(su.metrics.evaluate(first, split).mia)
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt"))
    for again in (other, pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        assert torch.equal(su.metrics.predict_logits(again, split.test), wanted)
        assert again.shards_touched == 2


def test_sisa_of_an_ensemble_is_one_of_as_many_networks(model, split):
    once = unlearn("sisa", model, split, shards=3, **FRESH).model
    again = unlearn("sisa", once, split, shards=3, seed=1, **FRESH).model
    alone = unlearn("sisa", model, split, shards=3, seed=1, **FRESH).model
    assert same(again, alone) and not same(again, once)
    assert [type(m) for m in again.members] == [OneLayer] * 3


def test_sisa_finds_the_logits_of_members_that_give_more(split):
    result = unlearn("sisa", made(Fields), split, shards=2, **FRESH)
    assert su.metrics.predict_logits(result.model, split.test).shape == (30, 3)
    assert isinstance(result.model.members[0](torch.zeros(1, 1, 5, 5)), dict)


@pytest.mark.parametrize("name", ["sisa", "retrain"])
def test_a_result_whose_recipe_is_the_originals_prints_one_line(model, split, name):
    model.fitted_with = {"epochs": 1, "lr": 0.05, "schedule": "constant"}
    said = repr(unlearn(name, model, split, **PLAIN))
    assert said.startswith("UnlearnResult") and name in said and "\n" not in said


def test_sisa_refuses_a_shard_of_which_nothing_is_left(model, split):
    with pytest.raises(InputError, match="of one of so many nothing is retained") as error:
        unlearn("sisa", model, split, shards=len(split.train), **FRESH)
    assert "\n" not in str(error.value)


# -- FCS


def test_fcs_unevenness_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [5.0, 5.0]])
    by_hand = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert unevenness(logits).item() == pytest.approx(by_hand / 2)
    assert unevenness(logits[1:]).item() == pytest.approx(0, abs=1e-6)


def test_fcs_contrast_by_hand():
    """Products 2 ln 3 and 0 at temperature 2: shares 3/4 and 1/4."""
    f, r = torch.tensor([[2.0, 0.0]]), torch.tensor([[math.log(3), 5.0], [0.0, -1.0]])
    assert contrast(f, r, 2.0).item() == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
    assert contrast(torch.zeros(3, 2), r, 2.0).item() == pytest.approx(math.log(2)), "its least"


def test_fcs_takes_the_first_step_by_hand(model, split):
    """With the rounds at rate 0, one full-batch step: the gradient of the logits is (p - 1/K)/n."""
    n = len(split.forget)
    still = {"contrast_lr": 0.0, "retain_lr": 0.0, "epochs": 1, "batch_size": n}
    result = unlearn("fcs", model, split, lr=0.5, **still, **PLAIN)
    x = next(split.forget.batches(n))[0].flatten(1)
    weight = model.layer.weight.detach()
    pull = ((x @ weight.T).softmax(1) - 1 / 3) / n
    step = (result.model.layer.weight - weight).detach()
    torch.testing.assert_close(step, -0.5 * pull.T @ x, rtol=1e-3, atol=1e-6)


def test_fcs_contrasts_with_retained_answers_that_stand_still(model, split):
    """One full-batch step: the gradient of f_i is (softmax_j - 1/C) r_j / (T B)."""
    n = max(len(split.forget), len(split.retain))
    still = {"lr": 0.0, "retain_lr": 0.0, "epochs": 1, "batch_size": n, "momentum": 0.0}
    result = unlearn("fcs", model, split, contrast_lr=0.3, temperature=2.0, **still, **PLAIN)
    x, kept = (next(p.batches(n))[0].flatten(1) for p in (split.forget, split.retain))
    weight = model.layer.weight.detach()
    f, r = x @ weight.T, kept @ weight.T
    pull = ((f @ r.T / 2).softmax(1) - 1 / len(r)) @ r / (2 * len(f))
    step = (result.model.layer.weight - weight).detach()
    torch.testing.assert_close(step, -0.3 * pull.T @ x, rtol=1e-3, atol=1e-6)


def test_fcs_passes_over_d_f_once_and_then_over_both_in_turns(model, split):
    rates = {"forget": 0.1, "contrast": 0.01, "strengthen": 0.2}
    job = job_of(model, split, batch_size=8, weight_decay=0.5)
    rounds = Rounds(job, rates, steps=4)
    optimizer = rounds.optimizer(list(job.model.parameters()))
    parts, seen = [], []
    for number in range(5):
        part = rounds.part(number)
        parts.append("forget" if part is split.forget else "retain" if part is split.retain else "")
        for _ in range(2):
            rounds.set_rate(job.model)
            seen.append(
                (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"])
            )
    assert parts == ["forget", "forget", "retain", "forget", "retain"]
    fall = [LOWEST + (0.01 - LOWEST) * (1 + math.cos(math.pi * i / 4)) / 2 for i in range(4)]
    wanted = [0.1, 0.1, *fall[:2], 0.2, 0.2, *fall[2:], 0.2, 0.2]
    assert [rate for rate, _ in seen] == pytest.approx(wanted)
    assert [decay for _, decay in seen] == [0, 0, 0, 0, 0.5, 0.5, 0, 0, 0.5, 0.5]


def test_fcs_finds_the_momentum_of_a_stage_again(model, split):
    job = job_of(model, split, weight_decay=0.0)
    rounds = Rounds(job, {"forget": 1.0, "contrast": 1.0, "strengthen": 1.0}, steps=4)
    weight = job.model.layer.weight
    optimizer = rounds.optimizer([weight])
    found = []
    for number in range(4):
        rounds.part(number)
        weight.grad = torch.full_like(weight, float(number + 1))
        optimizer.step()
        found.append(optimizer.state[weight]["momentum_buffer"][0, 0].item())
    assert found == pytest.approx([1, 2, 3, 4 + 0.9 * 2])
