"""EraseDiff, RECE and AdvUnlearn by hand: their steps worked out on paper, and what they leave as
it was.
"""

from __future__ import annotations

import math

import pytest
import torch
from tiny_pipelines import CLASSES, TINY, shapes_of
from torch import nn

pytest.importorskip("diffusers")

import salun_utils.generation as generation
from salun_utils.errors import InputError
from salun_utils.generation import prefix
from salun_utils.generation.erasers.bilevel import bilevel
from salun_utils.generation.erasers.pipeline import advunlearn, erasediff, loop, rece, uce
from salun_utils.generation.erasers.pipeline import encoded as study
from salun_utils.generation.erasers.pipeline.settings import WEIGHTS
from salun_utils.generation.models import mini_sd, pipelines
from salun_utils.generation.models.text import Text
from salun_utils.saliency import SaliencyMask
from salun_utils.training import TrainingDivergedError

ADV = {"batch_size": 1, "retain_batch": 2, "sample_steps": 2, "precision": "float32"}


@pytest.fixture(scope="module")
def shapes():
    return shapes_of(12)


# -- the two nested problems


class Point(nn.Module):
    """Two weights."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))


A, B, LR = (1.0, -1.0), (2.0, 3.0), 0.1  # where forgetting and retaining would have the point


def losses(point):
    def to(place):
        return lambda: (point.w - torch.tensor(place)).square().sum()

    return to(A), to(B)


def adam(steps):
    """Adam on one weight from 0 by hand: `steps` are functions of the weight that give (gradient,
    whether the weight is put back afterwards).
    """
    w = m = v = 0.0
    for i, step in enumerate(steps, 1):
        g, back = step(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        moved = w - LR * (m / (1 - 0.9**i)) / (math.sqrt(v / (1 - 0.999**i)) + 1e-8)
        w = w if back else moved
    return w


def test_two_rounds_by_hand():
    """One inner step each: it moves Adam's averages, not the weights."""
    weight, point = 0.5, Point()
    given = {"steps": 2, "inner_steps": 1, "lr": LR, "weight": weight, "eta": 0.1, "clip": 0.0}
    found = bilevel(point, *losses(point), **given)
    for i in range(2):
        inner = lambda w, i=i: (2 * (w - A[i]), True)  # noqa: E731
        joint = lambda w, i=i: (2 * (w - B[i]) + weight * 2 * (w - A[i]), False)  # noqa: E731
        assert point.w[i].item() == pytest.approx(adam([inner, joint] * 2), abs=1e-6)
    assert found["inner"][0] == pytest.approx(2.0) and found["forget"][0] == pytest.approx(2.0)
    assert found["retain"][0] == pytest.approx(13.0)


def test_the_weight_of_its_own_is_eta_less_the_cosine():
    """At 0 the gradients are -2 A and -2 B; their cosine is (2 - 3) / (sqrt 2 sqrt 13)."""
    point = Point()
    given = {"steps": 1, "inner_steps": 1, "lr": LR, "weight": None, "clip": 0.0}
    found = bilevel(point, *losses(point), eta=0.1, **given)
    assert found["weight"][0] == pytest.approx(0.1 + 1 / math.sqrt(26), abs=1e-5)
    point = Point()
    assert bilevel(point, *losses(point), eta=-1.0, **given)["weight"] == (0.0,)


def test_a_clipped_round_is_as_long_as_allowed_under_the_mask():
    point = Point()
    mask = SaliencyMask.from_bools({"w": torch.tensor([True, False])})
    given = {"steps": 3, "inner_steps": 2, "lr": LR, "weight": 1.0, "eta": 0.1, "clip": 1.0}
    bilevel(point, *losses(point), mask=mask, **given)
    assert point.w[1].item() == 0 and point.w[0].item() > 0


def test_bad_rounds_are_refused():
    point = Point()
    given = {"steps": 1, "lr": LR, "weight": 1.0, "eta": 0.1, "clip": 0.0}
    for inner in (0, 1.5, True):
        with pytest.raises(InputError, match="inner_steps"):
            bilevel(point, *losses(point), inner_steps=inner, **given)
    with pytest.raises(TrainingDivergedError, match="round 1 of 1"):
        bilevel(point, losses(point)[0], lambda: point.w.sum() * math.inf, inner_steps=1, **given)


def test_erasediff_aims_at_its_own_prediction_without_a_gradient_to_it(pipe, shapes):
    prepared = study.prepare(pipe, "circle", data=shapes, substitute="square")
    job = loop.Job.start(pipe, prepared, seed=0, lr=1e-3, batch_size=4, weights="full")
    positions = job.study.forget[:2]
    draws, same = (torch.Generator().manual_seed(3) for _ in range(2))
    value = erasediff.forgetting(job, positions, draws)
    x, t, _ = job.noised(positions, same)
    own, other = (job.predict(job.unet, x, t, job.text(torch.full((2,), c))) for c in (0, 1))
    assert value.item() == pytest.approx((own - other).square().mean().item(), rel=1e-5)
    value.backward()
    found = {n: p.grad.clone() for n, p in job.unet.named_parameters() if p.grad is not None}
    job.unet.zero_grad(set_to_none=True)
    (own - other.detach()).square().mean().backward()
    for name, p in job.unet.named_parameters():
        if p.grad is not None:
            assert torch.allclose(found[name], p.grad, atol=1e-6)


def test_erasediff_holds_what_is_outside_its_mask(pipe, shapes):
    before = {n: p.detach().clone() for n, p in pipe.unet.named_parameters()}
    few = {"steps": 2, "batch_size": 4, "pictures": 4, "lr": 1e-2}
    erased = generation.erase(
        "erasediff", pipe, concept="circle", data=shapes, mask="saliency", keep=0.3, **few
    )
    after = dict(erased.model.unet.named_parameters())
    assert erased.mask.density == pytest.approx(0.3, abs=1e-3)
    for n, kept in ((n, ~erased.mask[n]) for n in erased.mask):
        assert torch.equal(before[n][kept], after[n][kept])
    assert any(not torch.equal(before[n], after[n]) for n in after)


# -- RECE


def test_the_derived_words_are_those_of_least_squares():
    draws = torch.Generator().manual_seed(0)
    pairs = [tuple(torch.randn(5, 4, generator=draws) for _ in range(2)) for _ in range(3)]
    concept = torch.randn(2, 4, generator=draws).double()
    found = rece.derived(pairs, concept, 0.3).requires_grad_(True)
    cost = sum((found @ w.double().T - concept @ o.double().T).square().sum() for o, w in pairs)
    (cost + 0.3 * found.square().sum()).backward()
    assert torch.allclose(found.grad, torch.zeros(2, 4).double(), atol=1e-6)


def test_layers_that_were_not_edited_give_the_concept_back():
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    concept = torch.eye(4).double()
    assert torch.allclose(rece.derived([(weight, weight)], concept, 1e-9), concept, atol=1e-4)


def test_rece_is_uce_and_one_more_edit_by_hand(pipe, shapes):
    erased = generation.erase("rece", pipe, concept=0, data=shapes, derive_ridge=0.1, rounds=1)
    options = generation.ERASERS["rece"].defaults["mini-sd"]
    scales = {k: options[k] for k in ("erase_scale", "keep_scale", "ridge")}
    first = generation.erase("uce", pipe, concept=0, data=shapes, **scales).model
    job = loop.Job.start(pipe, study.prepare(pipe, 0, data=shapes), seed=0)
    c, target, kept = uce.all_places(job)
    names = [n for n, _ in pipe.unet.named_parameters() if WEIGHTS["cross-attention-kv"](n)]
    old = {n: pipe.unet.get_parameter(n).detach().double() for n in names}
    new = {n: first.unet.get_parameter(n).detach().double() for n in names}
    width = c.shape[1]
    eye = torch.eye(width, dtype=torch.float64)
    gram, cross = (sum(new[n].T @ w[n] for n in names) for w in (new, old))
    call = c @ (torch.linalg.inv(gram + 0.1 * eye) @ cross).T
    hold = scales["keep_scale"] * kept.T @ kept + scales["ridge"] * eye
    for n in names:
        by_hand = new[n] @ (target.T @ call + hold) @ torch.linalg.inv(call.T @ call + hold)
        found = erased.model.unet.get_parameter(n).double()
        assert torch.allclose(found, by_hand, rtol=1e-3, atol=1e-3)


# -- AdvUnlearn


def started(pipe, shapes, **options):
    prepared = study.prepare(pipe, "circle", data=shapes, pictures=0)
    given = generation.ERASERS["advunlearn"].defaults["mini-sd"] | ADV | options
    return loop.Job.start(pipe, prepared, seed=4, **given)


def test_before_anything_moves_its_loss_is_esds_alone(pipe, shapes):
    """The text model is the original's still, so nothing is lost of what is kept."""
    job = started(pipe, shapes)
    job.text_encoder = pipe.text_encoder
    scheduler = job.pipe.scheduler
    scheduler.set_timesteps(2)
    draws = torch.Generator().manual_seed(1)
    round_ = advunlearn.Round.drawn(job, scheduler, 2, draws)
    value = advunlearn.loss(job, round_, None)
    with torch.no_grad():
        text, empty = job.text(torch.tensor([0])), job.study.empty
        own, none = (job.predict(pipe.unet, round_.x, round_.t, w) for w in (text, empty))
        # e(c) - [e() - (e(c) - e())] = 2 (e(c) - e())
        assert value.item() == pytest.approx((2 * (own - none)).square().mean().item(), rel=1e-4)
    assert round_.others.tolist() and set(round_.others.tolist()) <= {1, 2}


def test_two_steps_by_hand(pipe, shapes):
    """The first of the warm-up; before the second, one step of the search for a word. Adam's first
    step is the rate, against the sign of the gradient.
    """
    options = {"steps": 2, "warmup": 1, "attack_steps": 1, "attack_lr": 0.01, "lr": 1e-3}
    erased = generation.erase(
        "advunlearn", pipe, concept="circle", seed=4, data=shapes, **ADV | options
    )
    job = started(pipe, shapes, **options)
    scheduler = job.pipe.scheduler
    scheduler.set_timesteps(2)
    twin = mini_sd.build(CLASSES, **TINY).text_encoder
    twin.load_state_dict(pipe.text_encoder.state_dict())
    job.text_encoder = twin
    chosen = advunlearn.trained(twin)
    optimizer = torch.optim.Adam(chosen, 1e-3)
    from salun_utils.seeds import generator

    draws, table = generator(4, "erasing"), twin.get_input_embeddings().weight.detach()
    for step in range(2):
        round_ = advunlearn.Round.drawn(job, scheduler, 2, draws)
        word = None
        if step == 1:
            start = table[torch.randint(len(table), (1,), generator=draws)].clone()
            start.requires_grad_(True)
            text = Text(prefix.read(pipe, twin, "a photo of a circle", start))
            out = job.predict(job.unet, round_.x, round_.t, text)
            (g,) = torch.autograd.grad((out - round_.called).square().mean(), [start])
            word = (start - 0.01 * g / (g.abs() + 1e-8)).detach()
        value = advunlearn.loss(job, round_, word)
        assert value.item() == pytest.approx(erased.losses[step], rel=1e-4)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    after = dict(erased.model.text_encoder.named_parameters())
    for name, p in twin.named_parameters():
        assert torch.allclose(p, after[name], atol=1e-5)


def test_only_layers_of_the_text_model_change_and_the_seed_decides(pipe, shapes):
    options = ADV | {"steps": 2, "warmup": 0, "attack_steps": 1}
    one, same, other = (
        generation.erase("advunlearn", pipe, concept=0, seed=s, data=shapes, **options)
        for s in (1, 1, 2)
    )
    before = dict(pipe.text_encoder.named_parameters())
    after = dict(one.model.text_encoder.named_parameters())
    moved = {n for n in after if not torch.equal(before[n], after[n])}
    assert moved and all("encoder.layers." in n or "final_layer_norm" in n for n in moved)
    for n, p in one.model.unet.named_parameters():
        assert torch.equal(p, pipe.unet.get_parameter(n))
    assert all(p.requires_grad for p in one.model.text_encoder.parameters())
    own, again, third = (
        pipelines.encode(m.model, ["a photo of a circle"]) for m in (one, same, other)
    )
    assert torch.equal(own, again) and not torch.equal(own, third)


def test_pipelines_and_data_that_it_cannot_take_are_refused(pipe, shapes, sdxl):
    with pytest.raises(InputError, match="SDXL pipeline has two"):
        generation.erase("advunlearn", sdxl, concept="circle", data=shapes, **ADV)
    with pytest.raises(InputError, match="prompts to keep"):
        generation.erase("advunlearn", pipe, concept="a lamp", **ADV)
    with pytest.raises(InputError, match="warmup"):
        generation.erase("advunlearn", pipe, concept=0, data=shapes, warmup=-1)
    with pytest.raises(InputError, match="doesn't work on a ddpm"):
        generation.erase("rece", type("Fake", (), {"kind": "ddpm"})(), concept=0)


def test_words_before_a_prompt_are_read_at_their_places(pipe):
    table = prefix.vocabulary(pipe.text_encoder)
    ids = pipe.tokenizer("square", add_special_tokens=False).input_ids
    typed = pipelines.encode(pipe, ["square a circle"])
    assert torch.allclose(
        prefix.read(pipe, pipe.text_encoder, "a circle", table[ids]), typed, atol=1e-5
    )
    plain = prefix.read(pipe, pipe.text_encoder, "a circle", table[:0])
    assert torch.allclose(plain, pipelines.encode(pipe, ["a circle"]), atol=1e-5)
    with pytest.raises(InputError, match="shorter prefix"):
        prefix.read(pipe, pipe.text_encoder, "a circle", table[:20])
