"""Saliency scores against gradients worked out by hand, and masks against a stable sort."""

from __future__ import annotations

import copy
from collections import namedtuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.training import fit


def squares(model, batch):
    """Mean over the batch of half the squared error."""
    x, y = batch
    return 0.5 * (model(x).squeeze(1) - y).square().mean()


def line(weight, bias):
    model = nn.Linear(len(weight), 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weight]))
        model.bias.fill_(bias)
    return model


# -- scores ----------------------------------------------------------------------------


def test_scores_equal_the_gradient_worked_out_by_hand():
    # f(x) = 2 x_1 - x_2 + 1 on (1, 2) -> 0 and (3, -1) -> 2: errors 1 and 6; the mean of error * x
    # is ((1 + 18) / 2, (2 - 6) / 2).
    data = [(torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([0.0, 2.0]))]
    scores = saliency_scores(line([2.0, -1.0], 1.0), data, loss=squares)
    assert torch.equal(scores["weight"], torch.tensor([[9.5, 2.0]]))
    assert torch.equal(scores["bias"], torch.tensor([3.5]))


def test_the_absolute_value_is_taken_after_the_sum():
    # Errors +1 and -1 on the same picture: the gradients cancel, though each alone is large.
    x = torch.tensor([[4.0, 1.0]])
    one, other = (x, torch.tensor([-1.0])), (x, torch.tensor([1.0]))
    model = line([0.0, 0.0], 0.0)
    for data in ([one, other], [(torch.cat([x, x]), torch.tensor([-1.0, 1.0]))]):
        assert not saliency_scores(model, data, loss=squares)["weight"].any()
    assert torch.equal(
        saliency_scores(model, [one], loss=squares)["weight"], torch.tensor([[4.0, 1.0]])
    )


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_scores_do_not_depend_on_how_the_set_is_cut_into_batches(sizes, seed):
    draws = torch.Generator().manual_seed(seed)
    x, y = torch.randn(sum(sizes), 3, generator=draws), torch.randn(sum(sizes), generator=draws)
    model = line([0.3, -0.2, 1.0], 0.1)
    whole = saliency_scores(model, [(x, y)], loss=squares)
    cut = saliency_scores(model, zip(x.split(sizes), y.split(sizes)), loss=squares)
    for name in whole:
        torch.testing.assert_close(cut[name], whole[name], rtol=1e-4, atol=1e-5)


def test_batch_size_and_a_short_last_batch_change_nothing_but_rounding(tiny_model, digits_split):
    forget = digits_split.forget
    assert len(forget) % 100 and len(forget) % 64
    want = saliency_scores(tiny_model, forget, batch_size=len(forget))
    for size in (64, 100):
        for name, score in saliency_scores(tiny_model, forget, batch_size=size).items():
            torch.testing.assert_close(score, want[name], rtol=1e-3, atol=1e-6)


def test_the_sign_of_the_loss_does_not_matter():
    data = [(torch.tensor([[1.0, 2.0]]), torch.tensor([0.5]))]
    model = line([2.0, -1.0], 1.0)
    down, up = (
        saliency_scores(model, data, loss=lambda m, b, s=s: s * squares(m, b)) for s in (1, -1)
    )
    assert all(torch.equal(down[n], up[n]) for n in down)


Pair = namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    "batch",
    [
        lambda x, y: (x, y),
        lambda x, y: [x, y],
        lambda x, y: {"x": x, "y": y},
        lambda x, y: Pair(x, y),
        lambda x, y: torch.cat([x, y[:, None]], 1),
    ],
    ids=["tuple", "list", "dict", "namedtuple", "tensor"],
)
def test_any_iterable_of_batches_with_any_loss(batch):
    x, y = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.0, 1.0]]), torch.tensor([0.0, 2.0, 1.0])
    model = line([2.0, -1.0], 1.0)

    def loss(model, b):
        if isinstance(b, torch.Tensor):
            return squares(model, (b[:, :2], b[:, 2]))
        return squares(
            model,
            (b["x"], b["y"]) if isinstance(b, dict) else (b.x, b.y) if isinstance(b, Pair) else b,
        )

    want = saliency_scores(model, [(x, y)], loss=squares)
    got = saliency_scores(model, (batch(a, b) for a, b in zip(x.split(2), y.split(2))), loss=loss)
    for name in want:
        torch.testing.assert_close(got[name], want[name])


def test_only_the_named_parameters_are_scored(tiny_model, digits_split):
    every = saliency_scores(tiny_model, digits_split.forget)
    assert list(every) == [n for n, _ in tiny_model.named_parameters()]
    some = saliency_scores(
        tiny_model, digits_split.forget, parameters=lambda name: name.startswith("conv")
    )
    assert list(some) == [n for n in every if n.startswith("conv")]
    for name, score in some.items():
        torch.testing.assert_close(score, every[name], rtol=1e-4, atol=1e-7)
    tiny_model.fc.bias.requires_grad_(False)
    assert "fc.bias" not in saliency_scores(tiny_model, digits_split.forget)


def test_a_weight_that_the_loss_does_not_reach_scores_zero():
    model = nn.ModuleDict({"used": nn.Linear(2, 1), "idle": nn.Linear(2, 1)})
    scores = saliency_scores(model, [torch.ones(3, 2)], loss=lambda m, x: m["used"](x).mean())
    assert scores["used.weight"].all()
    assert not scores["idle.weight"].any()


def snapshot(model):
    return {
        "state": {n: t.clone() for n, t in model.state_dict().items()},
        "grads": {n: p.grad for n, p in model.named_parameters()},
        "values": {
            n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()
        },
        "modes": {n: m.training for n, m in model.named_modules()},
        "trainable": {n: p.requires_grad for n, p in model.named_parameters()},
        "hooks": sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()),
    }


def assert_as_found(model, before):
    after = snapshot(model)
    assert all(torch.equal(after["state"][n], t) for n, t in before["state"].items())
    assert all(after["grads"][n] is g for n, g in before["grads"].items()), (
        "a gradient tensor was exchanged"
    )
    assert all(g is None or torch.equal(after["values"][n], g) for n, g in before["values"].items())
    assert [after[k] for k in ("modes", "trainable", "hooks")] == [
        before[k] for k in ("modes", "trainable", "hooks")
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was_found(tiny_model, digits_split, fails):
    tiny_model.train()
    tiny_model.bn2.eval()
    tiny_model.fc.bias.requires_grad_(False)
    tiny_model.conv1.weight.grad = torch.full_like(tiny_model.conv1.weight, 7.0)
    before = snapshot(tiny_model)

    def loss(model, batch):
        if fails:
            raise RuntimeError("the loss broke")
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    def only(name):
        return name != "bn1.weight"

    if fails:
        with pytest.raises(RuntimeError, match="the loss broke"):
            saliency_scores(tiny_model, digits_split.forget, loss=loss, parameters=only)
    else:
        scores = saliency_scores(tiny_model, digits_split.forget, loss=loss, parameters=only)
        want = saliency_scores(copy.deepcopy(tiny_model).eval(), digits_split.forget)
        # not 7 more: old gradients don't leak in
        torch.testing.assert_close(scores["conv1.weight"], want["conv1.weight"])
    assert_as_found(tiny_model, before)


def test_scores_are_float32_even_where_gradients_are_off_or_autocast_is_on(
    tiny_model, digits_split
):
    want = saliency_scores(tiny_model, digits_split.forget)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        got = saliency_scores(tiny_model, digits_split.forget)
    assert all(torch.equal(got[n], want[n]) for n in want)
    assert {s.dtype for s in got.values()} == {torch.float32}
    assert not any(s.requires_grad for s in got.values())


def test_bad_input_to_the_scores(tiny_model, digits_split):
    with pytest.raises(InputError, match="no batch"):
        saliency_scores(tiny_model, digits_split.forget.subset([]))
    with pytest.raises(InputError, match="no batch"):
        saliency_scores(tiny_model, [])
    with pytest.raises(InputError, match="no trainable parameter"):
        saliency_scores(tiny_model, digits_split.forget, parameters=lambda name: False)
    with pytest.raises(InputError, match="a batch must be a tensor"):
        saliency_scores(tiny_model, ["seven"], loss=lambda m, b: 0)
    for loss, said in (
        (lambda m, b: m(b[0]), r"one number, .* not Tensor of shape"),
        (lambda m, b: 0.5, "one number, .* not float"),
        (lambda m, b: "low", "one number, .* not str"),
        (lambda m, b: m(b[0]).mean().detach(), "doesn't lead back to the weights"),
    ):
        with pytest.raises(InputError, match=said):
            saliency_scores(tiny_model, digits_split.forget, loss=loss)
        with pytest.raises(InputError, match=said):
            fit(copy.deepcopy(tiny_model), digits_split.forget, epochs=1, lr=0.1, loss=loss)
    unlabelled = digits_split.forget.with_labels(-torch.ones(len(digits_split.forget)).long())
    with pytest.raises(InputError, match="labels must be at least 0, not -1"):
        saliency_scores(tiny_model, unlabelled)
    with pytest.raises(InputError, match="labels must be at least 0, not -1"):
        fit(copy.deepcopy(tiny_model), unlabelled, epochs=1, lr=0.1)


def test_what_are_no_named_scores_and_no_mask_is_said():
    for build in (SaliencyMask.top, SaliencyMask.lowest, SaliencyMask.random):
        with pytest.raises(InputError, match="a dictionary from names of parameters"):
            build([torch.ones(3)])
    with pytest.raises(InputError, match="with another mask, not with NoneType"):
        SaliencyMask.top({"a": torch.ones(4)}).overlap(None)


# -- masks -----------------------------------------------------------------------------


def by_stable_sort(scores, wanted):
    """The definition: all scores in one row, sorted from high to low, equal ones in the order in
    which they stand.
    """
    row = torch.cat([s.flatten().double() for s in scores.values()])
    chosen = torch.zeros(len(row), dtype=torch.bool)
    chosen[row.argsort(descending=True, stable=True)[:wanted]] = True
    parts = chosen.split([s.numel() for s in scores.values()])
    return {n: part.view(s.shape) for (n, s), part in zip(scores.items(), parts)}


def assert_is_top(scores, keep):
    mask = SaliencyMask.top(scores, keep)
    total = sum(s.numel() for s in scores.values())
    wanted = int(keep * total)
    assert mask.kept == wanted == sum(int(mask[n].sum()) for n in mask)
    for name, want in by_stable_sort(scores, wanted).items():
        assert torch.equal(mask[name], want), name


shapes = st.lists(
    st.lists(st.integers(0, 5), max_size=3).map(tuple), min_size=1, max_size=5
).filter(lambda s: any(0 not in x for x in s))
kinds = st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16])


@given(
    shapes,
    kinds,
    st.floats(0, 1),
    st.integers(0, 2**20),
    st.sampled_from(["smooth", "ties", "zeros", "wide", "equal"]),
)
@settings(max_examples=150, deadline=None)
def test_top_equals_a_stable_sort(shapes, dtype, keep, seed, kind):
    draws = torch.Generator().manual_seed(seed)
    scores = {}
    for i, shape in enumerate(shapes):
        s = torch.rand(shape, generator=draws, dtype=torch.float64)
        if kind == "ties":
            s = (3 * s).round()
        elif kind == "zeros":
            s = s * (torch.rand(shape, generator=draws) < 0.2)
        elif kind == "wide":  # down to subnormal numbers and up to the largest
            s = 10 ** (80 * s - 45)
        elif kind == "equal":
            s = torch.ones_like(s)
        scores[f"layer{i}"] = s.to(dtype)
    assert_is_top(scores, keep)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_top_equals_a_stable_sort_over_several_chunks(dtype, monkeypatch):
    monkeypatch.setattr("salun_utils.threshold.CHUNK", 500)
    monkeypatch.setattr("salun_utils.threshold.SAMPLE", 200)
    draws = torch.Generator().manual_seed(3)
    scores = {
        "a": torch.randn(40, 77, generator=draws),
        "b": torch.randn(1003, generator=draws),
        "c": torch.randn((), generator=draws),
    }
    for scale in (1e9, 8.0):  # hardly a tie; thousands of ties
        rounded = {n: ((s * scale).round() / scale).abs().to(dtype) for n, s in scores.items()}
        for keep in (0.0, 1e-3, 0.1, 0.5, 0.9, 0.9999, 1.0):
            assert_is_top(rounded, keep)


def test_equal_scores_are_kept_from_the_front():
    scores = {"first": torch.ones(3), "second": torch.ones(2, 2), "third": torch.ones(3)}
    mask = SaliencyMask.top(scores, 0.5)
    assert mask["first"].tolist() == [True, True, True]
    assert mask["second"].tolist() == [[True, True], [False, False]]
    assert not mask["third"].any()


def test_keep_none_and_keep_all():
    scores = {"a": torch.tensor([0.0, 1.0, float("inf")]), "b": torch.zeros(4)}
    none, every = SaliencyMask.top(scores, 0), SaliencyMask.top(scores, 1)
    assert (none.kept, none.density, every.kept, every.density) == (0, 0.0, 7, 1.0)
    assert every["b"].all()


def test_top_takes_scores_that_are_not_contiguous_and_leaves_them_alone():
    score = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
    before = score.clone()
    assert_is_top({"w": score.t()}, 0.3)
    assert_is_top({"w": score[:, ::2]}, 0.3)
    assert torch.equal(score, before)


def test_negative_zero_is_zero():
    scores = {"w": torch.tensor([-0.0, 2.0, 0.0, 1.0])}
    assert SaliencyMask.top(scores, 0.5)["w"].tolist() == [False, True, False, True]
    assert SaliencyMask.top(scores, 0.75)["w"].tolist() == [True, True, False, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("bad", [float("nan"), -1.0, -1e-6, float("-inf")])
@pytest.mark.parametrize("keep", [0, 0.5, 1])
def test_nan_and_negative_scores_are_refused(dtype, bad, keep):
    with pytest.raises(InputError, match="scores must be numbers of at least 0"):
        SaliencyMask.top(
            {"a": torch.ones(5, dtype=dtype), "b": torch.tensor([1.0, bad, 2.0], dtype=dtype)}, keep
        )


@pytest.mark.parametrize("keep", [-0.1, 2, float("nan"), float("inf"), "half", None, True])
def test_keep_out_of_range_is_refused(keep):
    with pytest.raises(InputError, match="keep must be a number from 0 to 1"):
        SaliencyMask.top({"a": torch.ones(4)}, keep)


def test_no_scores_are_refused():
    with pytest.raises(InputError, match="no scores"):
        SaliencyMask.top({}, 0.5)


def test_the_inverted_mask_is_the_exact_complement():
    scores = {"a": torch.rand(7, 3), "b": torch.rand(5)}
    mask = SaliencyMask.top(scores, 0.4)
    other = mask.inverted()
    assert all(torch.equal(other[n], ~mask[n]) for n in mask)
    assert mask.kept + other.kept == mask.numel == 26
    assert other.inverted() == mask


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
def test_the_lowest_scores_are_as_many_and_the_other_end(keep):
    scores = {"a": torch.arange(12.0).view(3, 4), "b": torch.tensor([0.5, 20.0, 3.5])}
    lowest = SaliencyMask.lowest(scores, keep)
    row = torch.cat([s.flatten() for s in scores.values()])
    chosen = torch.cat([lowest[n].flatten() for n in lowest])
    assert lowest.kept == SaliencyMask.top(scores, keep).kept == int(keep * 15)
    assert set(row[chosen].tolist()) == set(row.sort().values[: int(keep * 15)].tolist())


def test_random_masks_follow_their_seed():
    like = {"a": torch.zeros(100, 100), "b": torch.zeros(3000)}
    one, again, other = (SaliencyMask.random(like, 0.3, seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert one.kept == other.kept == int(0.3 * 13000)
    both = sum(int((one[n] & other[n]).sum()) for n in one)
    # two independent draws share about keep squared
    assert abs(both - 0.09 * 13000) < 6 * (0.09 * 13000) ** 0.5
    shares = one.per_layer().share
    assert abs(shares - 0.3).max() < 0.05  # no layer is favoured
    with pytest.raises(InputError, match="seed"):
        SaliencyMask.random(like, 0.3, -1)


def test_the_magnitude_mask_keeps_the_largest_weights(tiny_model):
    mask = SaliencyMask.magnitude(tiny_model, 0.25)
    want = by_stable_sort(
        {n: p.detach().abs() for n, p in tiny_model.named_parameters()}, int(0.25 * mask.numel)
    )
    assert all(torch.equal(mask[n], want[n]) for n in want)


def test_scores_of_pictures_and_of_their_batches_agree(tiny_model, digits_split):
    forget: Images = digits_split.forget
    by_hand = saliency_scores(
        tiny_model, forget.batches(50), loss=lambda m, b: nn.functional.cross_entropy(m(b[0]), b[1])
    )
    direct = saliency_scores(tiny_model, forget, batch_size=50)
    assert all(torch.equal(by_hand[n], direct[n]) for n in direct)
