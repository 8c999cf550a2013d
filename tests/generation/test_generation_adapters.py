"""MACE and SPM by hand: their closed forms and losses worked out on paper, their adapters, and what
they leave as it was.
"""

from __future__ import annotations

import math

import pytest
import torch
from tiny_pipelines import shapes_of
from torch import nn

pytest.importorskip("diffusers")

import salun_utils.generation as generation
from salun_utils.errors import InputError
from salun_utils.generation.erasers.pipeline import encoded as study
from salun_utils.generation.erasers.pipeline import loop
from salun_utils.generation.erasers.pipeline.adapters import lowrank, mace, spm
from salun_utils.generation.models.text import Text
from salun_utils.training import TrainingDivergedError

MACE = {"steps": 2, "batch_size": 2, "pictures": 4, "sentences": 1, "precision": "float32"}
SPM = {"steps": 2, "warmup": 0, "batch_size": 2, "retain_batch": 3, "sample_steps": 2}
SPM |= {"precision": "float32"}


@pytest.fixture(scope="module")
def shapes():
    return shapes_of(12)


def started(name, pipe, shapes, **options):
    given = generation.ERASERS[name].defaults["mini-sd"] | {"mace": MACE, "spm": SPM}[name]
    given |= options
    own = {k: given[k] for k in ("pictures", "template", "substitute")}
    prepared = study.prepare(pipe, "circle", data=shapes, **own)
    return loop.Job.start(pipe, prepared, seed=4, **given)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# -- adapters


LAYERS = {
    "linear": (lambda: nn.Linear(6, 4), (5, 6)),
    "one pixel": (lambda: nn.Conv2d(6, 4, 1), (2, 6, 5, 5)),
    "strided": (lambda: nn.Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 8, 8)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_folded_adapter_answers_as_the_attached_one(kind):
    make, shape = LAYERS[kind]
    torch.manual_seed(0)
    net, x = nn.Sequential(make()), torch.randn(shape)
    before = net(x)
    added = lowrank.adapters(net, {"0"}.__contains__, rank=2, std=lambda n: 1.0, draws=seeded())
    with lowrank.attached(net, added):
        assert torch.equal(net(x), before)  # it adds nothing at first
        nn.init.normal_(added["0"].up)
        beside = net(x)
    assert torch.equal(net(x), before) and not torch.allclose(beside, before)
    lowrank.fold(net, added, 0.5)
    assert torch.allclose(net(x), (before + beside) / 2, atol=1e-5)
    assert torch.linalg.matrix_rank(added["0"].delta().flatten(1)) == 2


def test_two_steps_of_adamw_by_hand(pipe, shapes):
    """One weight u beside a layer, loss u: each step takes the rate and a hundredth of it of u."""
    job = started("mace", pipe, shapes)
    job.unet = nn.Sequential(nn.Linear(1, 1))
    added = lowrank.adapters(job.unet, {"0"}.__contains__, rank=1, std=lambda n: 0, draws=seeded())
    own = added["0"].up
    losses = lowrank.train(
        job,
        added,
        lambda: own.sum(),
        steps=2,
        lr=0.1,
        precision="float32",
        schedule=lambda step: (1.0, 0.5)[min(step, 1)],
    )
    assert losses == pytest.approx([0.0, -0.1])
    assert own.item() == pytest.approx(-0.1 + 0.05 * 0.01 * 0.1 - 0.05)
    with pytest.raises(TrainingDivergedError, match="step 1 of 3"):
        lowrank.train(
            job, added, lambda: own.sum() * math.inf, steps=3, lr=0.1, precision="float32"
        )


def test_adapters_need_no_gradient_of_the_weights(pipe):
    count = sum(p.numel() for p in pipe.unet.parameters())
    assert loop.memory_needed(pipe.unet, tokens=16, batch_size=0, masked=False, rank=1) == 8 * count
    some = loop.memory_needed(pipe.unet, tokens=16, batch_size=1, rank=1)
    with pytest.raises(InputError, match=r"what would fit: batch_size=1 needs [\d.]+$"):
        loop.check_memory(pipe.unet, free=some + 4 * count, tokens=16, batch_size=8, rank=1)


# -- MACE


@pytest.mark.parametrize(
    "old, new, places",
    [
        # start a b end, and start c b end: b and the end match, and so do the two of the padding
        ([0, 1, 2, 9], [0, 3, 2, 9], ([0, 2, 3, 4, 5], [0, 2, 3, 4, 5])),
        # two tokens against one: what follows is moved by one, and the last place has no partner
        ([0, 1, 4, 2, 9], [0, 3, 2, 9], ([0, 3, 4, 5], [0, 2, 3, 4])),
        ([0, 1, 9], [0, 9], ([0, 2, 3, 4, 5], [0, 1, 2, 3, 4])),  # nothing in its place
        ([0, 5, 5, 9], [0, 5, 9], ([0, 1, 3, 4, 5], [0, 1, 2, 3, 4])),  # no place counts twice
        ([0, 1, 9], [0, 1, 9], ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])),
    ],
)
def test_the_words_around_are_matched(old, new, places):
    assert mace.around(old, new, 6) == places


def test_several_adapters_in_one_weight():
    """Three directions at right angles: each concept's is answered as its own adapter does, the
    kept one as the original, and a fourth stays refined.
    """
    draws = seeded()
    refined, original, one, two = (
        torch.randn(3, 4, generator=draws, dtype=torch.float64) for _ in range(4)
    )
    e = torch.eye(4, dtype=torch.float64)
    found = mace.fused(refined, original, [(e[:1], one), (e[1:2], two)], e[2:3], 1.0, 1e-12)
    assert torch.allclose(found[:, 0], one[:, 0]) and torch.allclose(found[:, 1], two[:, 1])
    assert torch.allclose(found[:, 2], original[:, 2])
    assert torch.allclose(found[:, 3], refined[:, 3])


def test_what_is_fused_costs_least():
    draws = seeded(1)
    refined, original, own = (torch.randn(3, 4, generator=draws).double() for _ in range(3))
    c, p = (torch.randn(n, 4, generator=draws).double() for n in (3, 5))
    found = mace.fused(refined, original, [(c, own)], p, 0.7, 0.2).requires_grad_(True)
    cost = (c @ (found - own).T).square().sum() + 0.2 * (found - refined).square().sum()
    (cost + 0.7 * (p @ (found - original).T).square().sum()).backward()
    assert torch.allclose(found.grad, torch.zeros(3, 4).double(), atol=1e-9)


def test_only_the_attention_in_the_concepts_region_counts():
    """Two pictures of two heads, four pixels and three tokens; the concept is token 1. In the first
    picture it is seen in pixel 0, in the second everywhere alike.
    """
    maps = [torch.full((4, 4, 3), 0.5, requires_grad=True)]
    whole = torch.full((4, 4, 3), 0.1)
    whole[:2, 0, 1] = 0.9
    by_hand = ((2 * 0.25) ** 0.5 + (8 * 0.25) ** 0.5) / 2
    value = mace.attention(maps, [1], 2, [whole])
    assert value.item() == pytest.approx(by_hand)
    value.backward()
    assert not maps[0].grad[:2, 1:].any() and maps[0].grad[:2, 0, 1].all()
    assert mace.attention(maps * 2, [1], 2, None).item() == pytest.approx(2 * (8 * 0.25) ** 0.5)


def test_steps_are_drawn_between_two_hundred_and_four_hundred():
    t = mace.timesteps(4000, 1000, seeded())
    inside = ((t >= 200) & (t < 400)).double().mean().item()
    # the curve falls to a half at both ends: 1 - 2 ln 2 / (0.05 * 200) of it lies between them
    assert inside == pytest.approx(1 - 2 * math.log(2) / 10, abs=0.02)
    assert t.double().mean().item() == pytest.approx(300, abs=5)
    half = mace.timesteps(4000, 500, seeded()).double()
    assert half.mean().item() == pytest.approx(150, abs=5)
    flat = mace.timesteps(4000, 1000, seeded(), importance=False).double()
    assert flat.mean().item() == pytest.approx(500, abs=20)


def test_mace_answers_the_concepts_words_around_as_the_substitutes(pipe, shapes):
    """An adapter that doesn't move leaves the first closed form, and the last keeps it."""
    erased = generation.erase(
        "mace",
        pipe,
        concept="circle",
        data=shapes,
        **MACE | {"lr": 0.0, "keep_scale": 0.0},
        ridge=1e-6,
    )
    job = started("mace", pipe, shapes)
    read = mace.Sentences.read(job, 1)
    after = dict(erased.model.unet.named_parameters())
    for name, weight in mace.projections(pipe.unet):
        w, new = weight.double(), after[name].double()
        moved = (read.around - read.steered) @ w.T
        left = read.around @ new.T - read.steered @ w.T
        assert left.norm() < 0.05 * moved.norm()
    assert len(read.around) == read.text.words.shape[1] - 1  # all places but the concept's own


def test_mace_takes_attention_away_and_changes_keys_and_values_alone(pipe, shapes):
    options = MACE | {"steps": 12, "lr": 0.1, "region": "all", "importance": False}
    one, same, other = (
        generation.erase("mace", pipe, concept=0, seed=s, data=shapes, **options) for s in (1, 1, 2)
    )
    assert one.losses[-1] < 0.7 * one.losses[0] and one.mask is None
    before, after = (dict(p.unet.named_parameters()) for p in (pipe, one.model))
    moved = {n for n in after if not torch.equal(before[n], after[n])}
    assert moved == {n for n, _ in mace.projections(pipe.unet)}
    assert all(m.numel() for m in one.model.unet.parameters()) and after.keys() == before.keys()
    name = min(moved)
    again, third = (dict(e.model.unet.named_parameters())[name] for e in (same, other))
    assert torch.equal(after[name], again) and not torch.equal(after[name], third)


def test_more_sentences_can_be_read_than_one_and_no_more_than_there_are(pipe, shapes):
    job = started("mace", pipe, shapes)
    read = mace.Sentences.read(job, 2)
    one, two = (
        job.pipe.tokenizer(p).input_ids for p in ("a photo of a circle", "a drawing of circle")
    )
    assert read.places == [[len(ids) - 2, len(ids) - 1] for ids in (one, two)]
    assert len(read.text) == 2 and len(read.around) == len(read.steered) == 2 * (16 - 1)
    assert torch.equal(read.text.words[0], job.study.embeddings[0])
    with pytest.raises(InputError, match="sentences must be at most 10, not 11"):
        mace.Sentences.read(job, 11)
    with pytest.raises(InputError, match="region"):
        generation.erase("mace", pipe, concept=0, data=shapes, region="middle")
    with pytest.raises(InputError, match="rank must be a whole number"):
        generation.erase("mace", pipe, concept=0, data=shapes, rank=0)


# -- SPM


def test_before_anything_moves_its_loss_is_esds_alone(pipe, shapes):
    """No adapter answers yet, so nothing is lost at the anchors; e(c) - [e() - (e(c) - e())]."""
    job = started("spm", pipe, shapes)
    scheduler = job.pipe.scheduler
    scheduler.set_timesteps(2)
    value = spm.loss(job, scheduler, seeded(1))
    text, draws = job.text(torch.tensor([0, 0])), seeded(1)
    x, t = spm.partly_drawn(job, scheduler, text, draws)
    with torch.no_grad():
        own, none = (job.predict(pipe.unet, x, t, w) for w in (text, job.study.empty.expand(2)))
    assert value.item() == pytest.approx((2 * (own - none)).square().mean().item(), rel=1e-4)


def test_a_substitute_that_is_named_is_the_surrogate(pipe, shapes):
    for named, want in ((None, "empty"), ("all", "empty"), ("square", "square")):
        job = started("spm", pipe, shapes, substitute=named)
        text = job.study.empty if want == "empty" else job.study.text[1:2]
        assert torch.equal(spm.surrogate_of(job).words, text.words)


def test_anchors_are_drawn_by_how_far_they_are():
    """At right angles 1, at 60 degrees a half, the concept's own direction never."""
    concept = Text(torch.tensor([[[1.0, 0.0]]]))
    kept = Text(torch.tensor([[[0.0, 3.0]], [[1.0, 3**0.5]], [[2.0, 0.0]], [[-1.0, 0.0]]]))
    assert torch.allclose(spm.farness(kept, concept), torch.tensor([1, 0.5, 0, 2]).double())


def test_anchors_of_random_vectors_are_about_as_long_and_point_away():
    x, draws = torch.tensor([[[3.0, 4.0]]]), seeded()
    drawn = torch.cat([spm.far_vector(x, draws) for _ in range(600)]).flatten(1)
    assert drawn.norm(dim=1).min() >= 4 and drawn.norm(dim=1).max() <= 6
    near = torch.nn.functional.cosine_similarity(drawn, x.flatten(1))
    # the mean of cos over the circle, where angles have the weight min(1, 1 - cos)
    by_hand = -(math.pi / 2) / (2 * math.pi - 2)
    assert near.mean().item() == pytest.approx(by_hand, abs=0.08)


def test_the_rate_goes_up_and_down_again():
    got = [spm.share(s, 10, 2, 2) for s in range(11)]
    assert got[:3] == [0.0, 0.5, 1.0] and got[6] == 1.0 and got[10] == 0.0
    assert got[4] == pytest.approx(0.5) and got[5] == pytest.approx(0.5 - 0.5 * math.sqrt(0.5))
    assert spm.share(0, 10, 0, 1) == 1.0


def test_spm_changes_each_layer_of_the_transformers_by_one_direction(pipe, shapes):
    options = SPM | {"lr": 0.05}
    one, same, other = (
        generation.erase("spm", pipe, concept=0, seed=s, data=shapes, **options) for s in (1, 1, 2)
    )
    half = generation.erase("spm", pipe, concept=0, seed=1, data=shapes, strength=0.5, **options)
    before = dict(pipe.unet.named_parameters())
    after, again, third, weaker = (
        dict(e.model.unet.named_parameters()) for e in (one, same, other, half)
    )
    moved = {n for n in after if not torch.equal(before[n], after[n])}
    inside = spm.layers(pipe.unet)
    assert moved and all(n.removesuffix(".weight") in inside for n in moved)
    kinds = {n for n, m in pipe.unet.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    assert {n.removesuffix(".weight") for n in moved} == kinds & inside
    for n in moved:
        change = (after[n] - before[n]).double().flatten(1)
        assert torch.linalg.matrix_rank(change, rtol=1e-2) == 1
        assert torch.allclose(2 * (weaker[n] - before[n]).double().flatten(1), change, atol=1e-6)
        assert torch.equal(after[n], again[n])
    assert any(not torch.equal(after[n], third[n]) for n in moved)


def test_spm_needs_words_alone_and_known_anchors(pipe):
    for anchors in ("prompts", "vectors"):
        erased = generation.erase("spm", pipe, concept="a lamp", anchors=anchors, lr=0.01, **SPM)
        assert torch.tensor(erased.losses).isfinite().all()
    with pytest.raises(InputError, match="anchors"):
        generation.erase("spm", pipe, concept="a lamp", anchors="none")
    with pytest.raises(InputError, match="strength"):
        generation.erase("spm", pipe, concept="a lamp", strength=-1.0)
