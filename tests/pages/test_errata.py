"""The mistakes of published implementations, one by one: each test builds the faulty variant, shows
the fault, and that it isn't here.

Items 6, 7, 9 (scoring) and 15 (UA) are tested by hand calculations beside the metrics as well.
"""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.data.images import Images
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.unlearning import random_labels, unlearn
from salun_utils.unlearning.be import widened
from salun_utils.unlearning.closed_form import trainable
from salun_utils.unlearning.job import COMMON, Job
from salun_utils.unlearning.rl import fit_random_labels
from salun_utils.unlearning.salun_soft import soft_threshold

PLAIN = {"batch_size": 128, "precision": "float32"}
# three quarters of this network are corners of kernels that 8-pixel pictures never reach; half
# would hold all the rest
KEEP = 0.1


@pytest.fixture
def mask(tiny_model, digits_split):
    return SaliencyMask.top(saliency_scores(tiny_model, digits_split.forget), KEEP)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def strayed(before: dict, model: nn.Module, mask: SaliencyMask) -> int:
    """How many weights outside the mask are not what they were."""
    return sum(int((before[n] != p)[~mask[n]].sum()) for n, p in model.named_parameters())


def accuracy(model: nn.Module, images: Images) -> float:
    return su.metrics.accuracy(su.metrics.predict_logits(model, images), images.labels)


def step(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: Images, edit=lambda: None
) -> None:
    x, y = next(images.batches(64))
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    edit()
    optimizer.step()


# -- 1: masking only the gradient lets weight decay and momentum move "frozen" weights ---


@pytest.mark.parametrize(
    "settings", [{"weight_decay": 5e-4}, {"momentum": 0.9}, {"weight_decay": 5e-4, "momentum": 0.9}]
)
def test_item_01_weight_decay_and_momentum_do_not_move_held_weights(
    settings, tiny_model, digits_split, mask
):
    def masked_steps(model, held: bool) -> int:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, **settings)
        step(model, optimizer, digits_split.retain)  # an optimizer that has a past
        before = weights(model)

        def mask_the_gradient() -> None:
            for n, p in model.named_parameters():
                p.grad.mul_(mask[n])

        if held:
            with su.masking.hold(model, optimizer, mask):
                for _ in range(3):
                    step(model, optimizer, digits_split.forget)
        else:
            for _ in range(3):
                step(model, optimizer, digits_split.forget, mask_the_gradient)
        return strayed(before, model, mask)

    assert masked_steps(copy.deepcopy(tiny_model), held=False) > 500
    assert masked_steps(copy.deepcopy(tiny_model), held=True) == 0


# -- 2: the mask computed and never applied; gradients added up over another's zero_grad --


def test_item_02_the_mask_that_is_returned_is_the_mask_that_was_held(tiny_model, digits_split):
    before = weights(tiny_model)
    settings = dict(lr=0.05, epochs=1, seed=0, **PLAIN)
    made = unlearn("salun", tiny_model, digits_split, keep=KEEP, **settings)
    # what a mask that is only computed amounts to
    never_applied = unlearn("rl", tiny_model, digits_split, **settings).model
    assert strayed(before, never_applied, made.mask) > 500
    assert strayed(before, made.model, made.mask) == 0 and made.mask.density == pytest.approx(
        KEEP, abs=1e-4
    )


def test_item_02_gradients_left_over_do_not_enter_the_mask(tiny_model, digits_split):
    clean = saliency_scores(tiny_model, digits_split.forget)
    x, y = next(digits_split.retain.batches(256))
    # left over, as when zero_grad goes to another model
    nn.functional.cross_entropy(tiny_model.eval()(x), y).backward()
    left = {n: p.grad.clone() for n, p in tiny_model.named_parameters()}
    other = torch.optim.SGD(copy.deepcopy(tiny_model).parameters(), lr=0.1)
    other.zero_grad()
    x, y = next(digits_split.forget.batches(len(digits_split.forget)))
    nn.functional.cross_entropy(tiny_model(x), y).backward()
    faulty = {n: p.grad.abs().clone() for n, p in tiny_model.named_parameters()}
    for n, p in tiny_model.named_parameters():
        p.grad = left[n].clone()
    ours = saliency_scores(tiny_model, digits_split.forget)
    assert all(torch.equal(ours[n], clean[n]) for n in clean)
    assert (
        SaliencyMask.top(faulty, KEEP)
        != SaliencyMask.top(clean, KEEP)
        == SaliencyMask.top(ours, KEEP)
    )
    assert all(torch.equal(p.grad, left[n]) for n, p in tiny_model.named_parameters())


# -- 3: random labels that may be the true ones, or cover ten classes of a hundred -----


@pytest.mark.parametrize("classes", [10, 100])
def test_item_03_random_labels_are_wrong_and_reach_every_class(classes):
    true = torch.arange(20_000) % classes
    draws = torch.Generator().manual_seed(0)
    faulty = torch.randint(0, 10, true.shape, generator=draws)
    ours = random_labels(true, classes, draws)
    assert (faulty == true).any() and (classes == 10 or set(faulty.tolist()) != set(range(classes)))
    assert not (ours == true).any()
    assert set(ours.tolist()) == set(range(classes))


# -- 4: original and forget set cut with different seeds -------------------------------


def test_item_04_every_forget_picture_was_trained_on(digits):
    for fraction in (0.1, 0.5):
        split, other = (su.data.random_split(digits, fraction=fraction, seed=s) for s in (0, 1))
        # another seed holds other pictures out for validation
        unseen = ~torch.isin(split.forget.index, other.train.index)
        assert 0.04 < unseen.float().mean() < 0.2  # about a tenth
        assert torch.isin(split.forget.index, split.train.index).all()
        assert not torch.isin(split.validation.index, split.train.index).any()


def test_item_04_runs_train_and_forget_by_one_split(tmp_path):
    spec = su.runs.RunSpec(
        dataset="digits",
        scenario="random",
        train_epochs=1,
        width=0.25,
        seed=5,
        split_seed=2,
        training_seed=9,
    )
    seen = []
    task = su.runs.prepare(spec, cache=su.runs.Cache(tmp_path))
    task._trained = lambda images, seed, kind: (seen.append(images), (None, 0.0, ""))[1]
    assert task.original is None and torch.isin(task.split.forget.index, seen[0].index).all()


# -- 5: two algorithms by the name of the data set -------------------------------------


def test_item_05_the_order_is_a_parameter_and_the_name_of_the_data_changes_nothing(
    tiny_model, digits_split
):
    def run(name: str, order: str) -> list[torch.Tensor]:
        split = dataclasses.replace(
            digits_split, data=dataclasses.replace(digits_split.data, name=name)
        )
        return list(
            unlearn("salun", tiny_model, split, epochs=1, lr=0.05, order=order, keep=KEEP, **PLAIN)
            .model.state_dict()
            .values()
        )

    def same(a, b):
        return all(torch.equal(x, y) for x, y in zip(a, b))

    # the two algorithms do differ
    assert not same(run("cifar10", "mixed"), run("cifar10", "forget-first"))
    for order in ("mixed", "forget-first"):
        assert same(run("cifar10", order), run("cifar100", order))


def test_item_05_forget_first_passes_over_one_set_and_then_the_other(
    tiny_model, digits_split, monkeypatch
):
    seen = {}
    monkeypatch.setattr(
        Job,
        "fit",
        lambda job, data, **options: seen.update(
            sizes=[len(data(i)) for i in range(options["epochs"])]
        ),
    )
    unlearn("rl", tiny_model, digits_split, epochs=2, order="forget-first")
    assert seen["sizes"] == [len(digits_split.forget), len(digits_split.retain)] * 2
    unlearn("rl", tiny_model, digits_split, epochs=2, order="mixed")
    assert seen["sizes"] == [len(digits_split.train)] * 2


# -- 6: the modified entropy changes whole columns, and takes p where 1 - p belongs ----


def test_item_06_modified_entropy_tells_right_answers_from_wrong_ones():
    """Of two classes, with both labels in the batch, the published form exchanges everything: the
    true label makes no difference.
    """

    def faulty(p: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        weights, logs = p.clone(), p.log()
        weights[:, labels] = (1 - p)[:, labels]
        return -(weights * logs).sum(1)

    sure = torch.linspace(0.5, 0.99, 50, dtype=torch.float64)
    p, right = torch.stack([sure, 1 - sure], 1), torch.arange(50) % 2
    p = torch.where(right[:, None] == 0, p, p.flip(1))  # the likelier class is the true one
    assert torch.allclose(faulty(p, right), faulty(p, 1 - right))
    ours = su.metrics.modified_entropy(p, right), su.metrics.modified_entropy(p, 1 - right)
    assert (ours[0][1:] < ours[1][1:] - 0.01).all()
    # surer is lower where right, higher where wrong
    assert (ours[0].diff() < 0).all() and (ours[1].diff() > 0).all()


# -- 7: the attack fitted on the pictures that TA is of, and on augmented ones ---------


def test_item_07_half_of_the_test_set_is_for_the_attack_and_the_other_for_ta(
    tiny_model, digits_split
):
    half, whole = (
        su.metrics.evaluate(tiny_model, digits_split, protocol=p) for p in ("disjoint", "paper")
    )
    count = len(digits_split.test)

    def shared(s):
        return s.counts["nonmembers"] + s.counts["test"] - count

    assert shared(whole) == count and shared(half) == 0
    assert su.runs.RunSpec().protocol == "disjoint"


def test_item_07_members_are_loaded_as_the_pictures_they_are_compared_with(
    tiny_model, digits_split
):
    def confidence(images: Images, augment: str | None) -> torch.Tensor:
        batches = images.batches(
            4096, generator=torch.Generator().manual_seed(0) if augment else None, augment=augment
        )
        with torch.no_grad():
            return torch.cat(
                [su.metrics.membership_features(tiny_model(x), y)["confidence"] for x, y in batches]
            )

    tiny_model.eval()
    plain = [
        confidence(part, None)
        for part in (digits_split.retain, digits_split.test, digits_split.forget)
    ]
    share = su.metrics.membership_attack(*plain)
    faulty = su.metrics.membership_attack(confidence(digits_split.retain, "crop-flip"), *plain[1:])
    # the forget set was trained on; next to distorted members it looks as if it never was
    assert share + 0.2 < faulty > 0.8


# -- 8: running statistics of layers whose every weight is frozen ----------------------


def test_item_08_running_statistics_of_frozen_layers_stay(tiny_model, digits_split):
    frozen = SaliencyMask.from_bools(
        {n: torch.full(p.shape, n.startswith("fc")) for n, p in tiny_model.named_parameters()}
    )
    before = {n: b.clone() for n, b in tiny_model.named_buffers()}

    # holds every weight of the layer, and forgets its statistics
    faulty = copy.deepcopy(tiny_model).train()
    optimizer = torch.optim.SGD(faulty.fc.parameters(), lr=0.05)
    step(faulty, optimizer, digits_split.forget)
    assert any(not torch.equal(b, before[n]) for n, b in faulty.named_buffers())

    for name in ("salun", "ft", "ga", "salun-soft", "scrub"):
        ours = unlearn(name, tiny_model, digits_split, mask=frozen, epochs=1, **PLAIN).model
        assert all(torch.equal(b, before[n]) for n, b in ours.named_buffers()), name


# -- 9: the shadow class stays in the model when it is scored --------------------------


def test_item_09_no_shadow_class_is_left_to_be_scored(tiny_model, digits_split):
    settings = {"epochs": 4, "lr": 0.03, "seed": 0, **PLAIN}
    scored_wide = {}
    fit = Job.fit

    def keep_the_wide_model(job, data, **options):
        history = fit(job, data, **options)
        scored_wide["model"] = copy.deepcopy(job.model)
        return history

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "fit", keep_the_wide_model)
        ours = unlearn("be", tiny_model, digits_split, **settings).model
    faulty = scored_wide["model"]
    assert su.metrics.predict_logits(faulty, digits_split.forget).shape[1] == 11
    assert su.metrics.predict_logits(ours, digits_split.forget).shape[1] == 10
    assert torch.equal(
        su.metrics.predict_logits(faulty, digits_split.test)[:, :10],
        su.metrics.predict_logits(ours, digits_split.test),
    )
    # what falls into the class that isn't there counts as forgotten
    assert accuracy(faulty, digits_split.forget) < accuracy(ours, digits_split.forget) - 5
    assert (
        widened(tiny_model.fc, torch.Generator()).out_features == 11
        and tiny_model.fc.out_features == 10
    )


# -- 10: SalUn-soft anchored anew in every epoch ---------------------------------------


def test_item_10_salun_soft_is_anchored_at_the_original_throughout(
    tiny_model, digits_split, monkeypatch
):
    """Anchored anew, weights that the penalty holds rest where an epoch began, not on theta_o."""
    original, epochs, beta = weights(tiny_model), 3, 0.3
    steps = -(-len(digits_split.train) // PLAIN["batch_size"])
    job = Job(copy.deepcopy(tiny_model), digits_split, None, 0, {**COMMON, **PLAIN})
    anchors, astray = dict(original), []

    @torch.no_grad()
    def reanchored(taken: int, rate: float) -> None:
        for n, p in trainable(job.model).items():
            p.copy_(
                soft_threshold(p, anchors[n], rate * beta * (1 - (taken - 1) / (epochs * steps)))
            )
        astray.append(
            sum(
                int(((p == anchors[n]) & (p != original[n])).sum())
                for n, p in trainable(job.model).items()
            )
        )
        if taken % steps == 0 and taken < epochs * steps:
            anchors.update(weights(job.model))

    fit_random_labels(job, epochs=epochs, lr=0.02, alpha=1.0, after_step=reanchored)
    assert max(astray) > 100  # held by the penalty, and not where the original had them

    seen = []

    def spy(values, anchor, threshold):
        seen.append(anchor.clone())
        return soft_threshold(values, anchor, threshold)

    monkeypatch.setattr("salun_utils.unlearning.salun_soft.soft_threshold", spy)
    ours = weights(
        unlearn(
            "salun-soft",
            tiny_model,
            digits_split,
            epochs=epochs,
            lr=0.02,
            beta=beta,
            seed=0,
            **PLAIN,
        ).model
    )
    expected = list(original.values()) * (epochs * steps)
    assert len(seen) == len(expected) and all(torch.equal(a, b) for a, b in zip(seen, expected))
    assert (
        0
        < sum(int((ours[n] == original[n]).sum()) for n in ours)
        < sum(p.numel() for p in original.values())
    )


# -- 11: mask scores on augmented pictures, and batches that all weigh the same --------


def test_item_11_a_short_last_batch_weighs_what_it_holds(tiny_model, digits_split):
    pictures = digits_split.forget.subset(range(65))  # batches of 64 and 1

    def mean_of_batch_gradients(size: int) -> dict[str, torch.Tensor]:
        model, parts = copy.deepcopy(tiny_model).eval(), 0
        for x, y in pictures.batches(size):
            nn.functional.cross_entropy(model(x), y).backward()
            parts += 1
        return {n: p.grad.abs() / parts for n, p in model.named_parameters()}

    def apart(a: dict, b: dict) -> float:
        return max(float((a[n] - b[n]).abs().max() / b[n].abs().max()) for n in b)

    whole = saliency_scores(tiny_model, pictures, batch_size=65)
    assert apart(mean_of_batch_gradients(64), whole) > 0.05
    assert apart(saliency_scores(tiny_model, pictures, batch_size=64), whole) < 1e-4


def test_item_11_scores_are_of_pictures_as_they_are(tiny_model, digits_split):
    augmented = list(
        digits_split.forget.batches(
            512, generator=torch.Generator().manual_seed(0), augment="crop-flip"
        )
    )
    plain = saliency_scores(tiny_model, digits_split.forget)
    faulty = saliency_scores(tiny_model, augmented)
    assert SaliencyMask.top(faulty, KEEP) != SaliencyMask.top(plain, KEEP)
    settings = {"epochs": 1, "lr": 0.01, "keep": KEEP, **PLAIN}
    masks = [
        unlearn("salun", tiny_model, digits_split, augment=a, **settings).mask
        for a in (None, "crop-flip")
    ]
    assert masks[0] == masks[1] == SaliencyMask.top(plain, KEEP)


# -- 15: alpha = 0 forgets everything; a default penalty of 0.2 destroys the model -----


def test_item_15_alpha_zero_forgets_everything_and_the_default_does_not(tiny_model, digits_split):
    settings = {"epochs": 10, "lr": 0.05, **PLAIN}
    faulty = unlearn("rl", tiny_model, digits_split, alpha=0.0, **settings).model
    ours = unlearn("rl", tiny_model, digits_split, **settings).model
    assert accuracy(faulty, digits_split.retain) < 60 < 90 < accuracy(ours, digits_split.retain)
    assert su.unlearning.METHODS["salun"].defaults["alpha"] == 1.0


def test_item_15_the_default_l1_penalty_leaves_a_working_model(tiny_model, digits_split):
    faulty = unlearn("l1-sparse", tiny_model, digits_split, gamma=0.2, **PLAIN).model
    ours = unlearn("l1-sparse", tiny_model, digits_split, **PLAIN).model
    assert accuracy(faulty, digits_split.test) < 75 < 90 < accuracy(ours, digits_split.test)
    assert su.unlearning.METHODS["l1-sparse"].search["gamma"].high < 0.2


# -- 17: an attack that is a coin ------------------------------------------------------


def test_item_17_where_there_is_nothing_to_see_one_point_gets_either_answer():
    """Members and non-members are answered alike, and all of what is asked about lies at one point
    off their side: the attack calls all of it one thing, and which one depends on the draw.
    """
    answers, told = set(), []
    for seed in range(12):
        draws = torch.Generator().manual_seed(seed)
        member, other = torch.rand(2, 150, generator=draws).sqrt()
        answers.add(su.metrics.membership_attack(member, other, torch.zeros(50)))
        told.append(su.metrics.attack_worth(member, other, resamples=500).can_tell)
    assert answers == {0.0, 1.0}
    assert sum(told) <= 2  # of twelve intervals of 95 %


def test_item_17_the_average_gap_leaves_a_coin_out():
    coin = {"balanced_accuracy": 50.0, "low": 48.0, "high": 52.0, "members": 9, "nonmembers": 9}
    figures = {"ua": 100.0, "ra": 84.0, "ta": 83.0, "mia_variants": {}, "counts": {}}
    heads, tails = (
        su.metrics.Scores(**figures, mia=mia, protocol="disjoint", attack=coin)
        for mia in (0.0, 100.0)
    )
    faulty = heads.gap(tails).average
    assert (faulty, heads.average_gap(tails)) == (25.0, 0.0)
