"""Deciles of weights, what changing one does, and how masks drift: counts, bits and hand
calculations.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.seeds import derive
from salun_utils.studies.influence import (
    by_chance,
    drift,
    effects,
    in_steps,
    mean_loss,
    noisy,
    overlap,
    partition,
    rank_correlation,
    replaced,
    watch,
    weights_of,
    zeros,
)

QUICK = {"lr": 0.02, "batch_size": 128, "precision": "float32"}


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


# -- the partition ---------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(2, 12),
    st.integers(0, 1000),
    st.sampled_from(["plain", "ties", "equal"]),
)
def test_every_weight_is_in_one_part_and_parts_hold_what_they_should(shapes, count, seed, kind):
    draws = torch.Generator().manual_seed(seed)
    scores = {f"p{i}": torch.rand(n, generator=draws) for i, n in enumerate(shapes)}
    if kind != "plain":
        scores = {n: (s * (3 if kind == "ties" else 0)).floor() for n, s in scores.items()}
    parts, n = partition(scores, count), sum(shapes)
    masks = [parts.part(k) for k in range(1, count + 1)]
    for name in scores:
        assert (sum(m[name].int() for m in masks) == 1).all()
    assert parts.sizes() == [sum(int(m[name].sum()) for name in scores) for m in masks]
    assert parts.sizes()[::-1] == [(j + 1) * n // count - j * n // count for j in range(count)]
    # stable: equal scores keep their order
    order = sorted(range(n), key=lambda i: -torch.cat(list(scores.values()))[i])
    expected = torch.empty(n, dtype=torch.uint8)
    for j in range(count):
        expected[order[j * n // count : (j + 1) * n // count]] = count - j
    assert torch.equal(torch.cat(list(parts.number.values())), expected)


def test_the_highest_deciles_together_are_the_mask_of_the_same_share(tiny_model, digits_split):
    scores = saliency_scores(tiny_model, digits_split.forget)
    parts = partition(scores)
    for j in (1, 5, 8):
        upper = SaliencyMask.from_bools(
            {name: number > 10 - j for name, number in parts.number.items()}
        )
        assert upper == SaliencyMask.top(scores, keep=j / 10)


def test_equal_scores_are_split_by_position():
    number = partition({"a": torch.ones(2, 3), "b": torch.ones(4)}, 5).number
    assert number["a"].tolist() == [[5, 5, 4], [4, 3, 3]]
    assert number["b"].tolist() == [2, 2, 1, 1]


def test_the_partition_is_the_same_each_time_and_makes_masks():
    scores = {"a": torch.rand(37, generator=torch.Generator().manual_seed(3))}
    first, second = partition(scores), partition(scores)
    assert torch.equal(first.number["a"], second.number["a"])
    assert first.mask(10).kept == first.sizes()[9]
    assert torch.equal(first.mask(4)["a"], first.part(4)["a"])


@pytest.mark.parametrize(
    "call",
    [lambda: partition({"a": torch.ones(3)}, 1), lambda: partition({"a": torch.ones(30)}).part(11)],
)
def test_parts_that_are_not_there_are_refused(call):
    with pytest.raises(InputError, match="part"):
        call()
    with pytest.raises(InputError, match="at least 0"):
        partition({"a": torch.tensor([1.0, -1.0])})


# -- changing a part -------------------------------------------------------------------


def test_one_part_changes_and_all_comes_back_bit_for_bit(tiny_model, digits_split):
    parts = partition(saliency_scores(tiny_model, digits_split.forget))
    before, other = (
        copy.deepcopy(tiny_model),
        weights_of(su.models.create(**{**tiny_model.recipe, "seed": 5})),
    )
    chosen = parts.part(7)
    with pytest.raises(RuntimeError, match="inside"), replaced(tiny_model, chosen, other):
        for name, p in tiny_model.named_parameters():
            assert torch.equal(
                p, torch.where(chosen[name], other[name], dict(before.named_parameters())[name])
            )
        raise RuntimeError("inside")
    assert same(tiny_model, before)


def test_restoring_all_deciles_gives_the_other_model_bit_for_bit():
    model, other = (nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)) for _ in range(2))
    parts, values = partition({n: p.abs() for n, p in weights_of(model).items()}), weights_of(other)
    for k in range(1, 11):
        with replaced(model, parts.part(k), values):
            moved = copy.deepcopy(model)
        model = moved
        assert same(model, other) == (k == 10)


def test_effects_are_those_of_a_copy_with_the_part_changed(tiny_model, digits_split):
    parts = partition(saliency_scores(tiny_model, digits_split.forget), 4)
    judged = {
        "forget": digits_split.forget.subset(range(40)),
        "retain": digits_split.retain.subset(range(30)),
    }
    before = copy.deepcopy(tiny_model)
    rows = effects(tiny_model, parts, zeros(tiny_model), judged)
    assert same(tiny_model, before)
    assert [row["part"] for row in rows] == [1, 2, 3, 4]
    changed = copy.deepcopy(tiny_model)
    with torch.no_grad():
        for name, p in changed.named_parameters():
            p[parts.part(4)[name]] = 0
    for name, images in judged.items():
        x = images.pixels.float() / 255

        def loss(m):
            return nn.functional.cross_entropy(m.eval()(x), images.labels).item()  # noqa: B023

        assert mean_loss(changed, images) == pytest.approx(loss(changed), abs=1e-5)
        assert rows[3][name] == pytest.approx(loss(changed) - loss(before), abs=1e-5)
    gone = torch.cat([p[parts.part(4)[n]] for n, p in weights_of(tiny_model).items()])
    assert rows[3]["distance"] == pytest.approx(float(gone.norm()), rel=1e-5)


def test_weights_that_nothing_reaches_are_in_the_lowest_part_and_do_nothing(digits):
    """The corner pixels of a digit are always 0: their weights have no gradient, and no effect at
    any size.
    """
    images = digits.train.subset(range(200))
    dead = (images.pixels.flatten(1) == 0).all(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))
    parts = partition(saliency_scores(model, images), 20)
    lowest = parts.part(1)["1.weight"]
    assert int(dead.sum()) * 10 >= parts.sizes()[0]
    assert not lowest[:, ~dead].any()
    rows = effects(model, parts, noisy(model, scale=5.0), {"all": images})
    assert rows[0]["all"] == 0
    assert rows[0]["distance"] > 0
    assert abs(rows[19]["all"]) > 0


def test_every_part_can_be_moved_by_the_same_distance(tiny_model, digits_split):
    parts = partition(saliency_scores(tiny_model, digits_split.forget))
    values, images = noisy(tiny_model, seed=2), {"forget": digits_split.forget.subset(range(10))}
    free, bound = (
        effects(tiny_model, parts, values, images),
        effects(tiny_model, parts, values, images, length=0.25),
    )
    assert len({round(row["distance"], 3) for row in free}) > 5
    assert {row["distance"] for row in bound} == {0.25}
    own = effects(tiny_model, parts, values, images, length=free[2]["distance"])
    assert own[2]["forget"] == pytest.approx(free[2]["forget"], abs=1e-5)
    still = effects(tiny_model, parts, weights_of(tiny_model), images, length=1.0)
    assert {row["distance"] for row in still} == {0.0}


def test_noise_has_the_scale_of_its_own_tensor_and_follows_its_seed():
    model = nn.Sequential(nn.Linear(300, 300), nn.Linear(300, 1))
    with torch.no_grad():
        model[0].weight.mul_(10)
    first, again, other = (
        noisy(model, scale=0.5, seed=1),
        noisy(model, scale=0.5, seed=1),
        noisy(model, scale=0.5, seed=2),
    )
    assert all(torch.equal(first[n], again[n]) for n in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])
    added = first["0.weight"] - model[0].weight.detach()
    assert float(added.std()) == pytest.approx(0.5 * float(model[0].weight.std()), rel=0.02)
    assert torch.equal(first["1.bias"], model[1].bias.detach()), "one weight has no deviation"


def test_rank_correlation_by_hand():
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert rank_correlation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]) == pytest.approx(1 - 6 * 4 / (5 * 24))
    assert (
        rank_correlation(
            {"a": torch.tensor([1.0, 2]), "b": torch.tensor([3.0])},
            {"a": torch.tensor([9.0, 5]), "b": torch.tensor([1.0])},
        )
        == -1
    )
    assert rank_correlation([1, 1, 2], [5, 5, 9]) == 1
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))
    with pytest.raises(InputError, match="equal length"):
        rank_correlation([1, 2], [1, 2, 3])


# -- drift -----------------------------------------------------------------------------


def test_overlap_by_hand_and_by_chance():
    def mask(*bits):
        return SaliencyMask.from_bools({"a": torch.tensor(bits, dtype=torch.bool)})

    assert mask(1, 1, 0, 0).overlap(mask(0, 1, 1, 0)) == pytest.approx(1 / 3)
    assert mask(1, 0).overlap(mask(1, 0)) == 1
    assert mask(1, 0).overlap(mask(0, 1)) == 0
    assert mask(0, 0).overlap(mask(0, 0)) == 1
    with pytest.raises(InputError, match="doesn't fit"):
        mask(1, 0).overlap(SaliencyMask.from_bools({"b": torch.ones(2, dtype=torch.bool)}))
    scores = {"a": torch.zeros(200_000)}
    for keep in (0.5, 0.1):
        one, two = (SaliencyMask.random(scores, keep, seed) for seed in (1, 2))
        assert one.overlap(two) == pytest.approx(by_chance(keep), abs=0.01)
    assert by_chance(1.0) == 1


@pytest.mark.parametrize("method", ["rl", "salun", "ga", "ft"])
def test_watching_changes_nothing_and_sees_what_shorter_runs_end_with(
    tiny_model, digits_split, method
):
    seen: dict[int, nn.Module] = {}

    def see(epoch: int, model: nn.Module) -> None:
        saliency_scores(model, digits_split.forget)  # as the study does
        seen[epoch] = copy.deepcopy(model).eval()

    before = copy.deepcopy(tiny_model)
    found = watch(method, tiny_model, digits_split, see, seed=3, epochs=3, **QUICK)
    assert list(seen) == [1, 2, 3]
    for epoch, model in seen.items():
        assert same(
            model,
            su.unlearning.unlearn(
                method, tiny_model, digits_split, seed=3, epochs=epoch, **QUICK
            ).model,
        )
    assert same(found, seen[3])
    assert same(tiny_model, before)


def test_drift_compares_with_the_mask_at_the_start(tiny_model, digits_split):
    found, unlearned = drift(
        "rl", tiny_model, digits_split, keeps=(0.5, 0.2), seed=1, epochs=2, **QUICK
    )
    assert [o.epoch for o in found] == [1, 2]
    start, end = (saliency_scores(m, digits_split.forget) for m in (tiny_model, unlearned))
    assert found[-1].jaccard == {
        k: SaliencyMask.top(start, k).overlap(SaliencyMask.top(end, k)) for k in (0.5, 0.2)
    }
    assert found[-1].rank == rank_correlation(start, end)
    unmoved = overlap(start, start, (0.5,))
    assert (unmoved.jaccard, unmoved.rank) == ({0.5: 1.0}, pytest.approx(1.0))


def test_a_mask_taken_once_holds_its_weights_and_one_taken_anew_does_not(tiny_model, digits_split):
    once, anew = (
        in_steps(tiny_model, digits_split, epochs=3, retake=r, keep=0.3, seed=2, **QUICK)
        for r in (False, True)
    )
    mask = SaliencyMask.top(saliency_scores(tiny_model, digits_split.forget), 0.3)

    def moved(m):
        return sum(
            int(((p != q) & ~mask[n]).sum())
            for (n, p), q in zip(m.named_parameters(), tiny_model.parameters())
        )

    assert moved(once) == 0
    assert moved(anew) > 0
    first = [
        in_steps(tiny_model, digits_split, epochs=1, retake=r, keep=0.3, seed=2, **QUICK)
        for r in (False, True)
    ]
    assert same(*first), "they part after the first epoch"
    direct = su.unlearning.unlearn(
        "salun", tiny_model, digits_split, seed=derive(2, "epoch 0"), keep=0.3, epochs=1, **QUICK
    )
    assert same(first[0], direct.model)
    with pytest.raises(InputError, match="epochs"):
        in_steps(tiny_model, digits_split, epochs=0, retake=False)
