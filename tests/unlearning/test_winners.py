"""MSG, CT, Bad-T, DELETE, MUNBa and LoTUS against calculations by hand on two layers."""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from jobs_by_hand import PLAIN, bright_corners, job_of
from torch import Tensor, nn

import salun_utils as su
from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.saliency import SaliencyMask
from salun_utils.unlearning import METHODS, unlearn
from salun_utils.unlearning.bad_t import divergence
from salun_utils.unlearning.ct import transposed
from salun_utils.unlearning.delete import target
from salun_utils.unlearning.lotus import share_right, targets, temperature_of
from salun_utils.unlearning.msg import factor, of_each_kernel
from salun_utils.unlearning.munba import Table, nash_weights

STILL = {**PLAIN, "epochs": 1, "lr": 0.0}  # all that a method does but its steps


class Two(nn.Module):
    """A convolution of two kernels and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3)))


@pytest.fixture
def model() -> Two:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Two()


@pytest.fixture
def split():
    """60 pictures of noise in three classes, of which a bright corner tells something."""
    return su.data.random_split(bright_corners(60), fraction=0.25, seed=0)


def gradient(model: nn.Module, images: Images, weight: Tensor) -> Tensor:
    x, y = next(images.batches(len(images)))
    loss = nn.functional.cross_entropy(model(x), y, reduction="sum")
    return torch.autograd.grad(loss, weight)[0]


# -- MSG


def test_msg_redraws_the_smallest_gradients_and_no_others(model, split):
    retained = dataclasses.replace(split, retain=split.retain.subset(range(len(split.forget))))
    pull = gradient(model, retained.retain, model.conv.weight)
    pull = (pull - gradient(model, split.forget, model.conv.weight)).abs().flatten()
    smallest = set(pull.argsort()[:5].tolist())  # round(0.3 * 18) of both kernels together
    found = of_each_kernel(job_of(model, retained), 0.3)
    assert found.keys() == {"conv.weight"} and found["conv.weight"].sum() == 5
    assert set(found["conv.weight"].flatten().nonzero().flatten().tolist()) == smallest
    result = unlearn("msg", model, retained, share=0.3, **STILL)
    moved = (result.model.conv.weight != model.conv.weight).flatten().nonzero().flatten()
    assert set(moved.tolist()) == smallest
    for name in ("conv.bias", "fc.weight", "fc.bias"):
        assert torch.equal(result.model.get_parameter(name), model.get_parameter(name))


def test_the_controls_of_msg_redraw_as_many_of_the_largest_or_at_random(model, split):
    job, size = job_of(model, split), model.conv.weight.numel()
    ends = [of_each_kernel(job, 0.5, which)["conv.weight"] for which in ("smallest", "largest")]
    assert torch.equal(ends[0], ~ends[1])
    drawn = of_each_kernel(job, 0.5, "random")["conv.weight"]
    assert drawn.sum() == round(0.5 * size)
    assert not torch.equal(drawn, ends[0]) and not torch.equal(drawn, ends[1])
    again = of_each_kernel(job, 0.5, "random")["conv.weight"]
    assert torch.equal(drawn, again)  # drawn by the seed
    with pytest.raises(InputError, match="smallest, largest, random"):
        unlearn("msg", model, split, which="middle", **STILL)


def test_msg_redraws_by_fan_out_and_within_the_mask_alone(split):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wide = nn.Sequential(nn.Conv2d(1, 400, 3), nn.Flatten(), nn.Linear(3600, 3))
    drawn = unlearn("msg", wide, split, share=1.0, **STILL).model[0].weight
    assert drawn.std().item() == pytest.approx(math.sqrt(2 / (400 * 9)), rel=0.05)
    masked = unlearn("msg", wide, split, share=1.0, mask="random", keep=0.5, **STILL)
    moved = masked.model[0].weight != wide[0].weight
    assert torch.equal(moved, masked.mask["0.weight"])


def test_msg_damps_what_it_did_not_redraw(model, split):
    """One step without momentum and decay: the damping is on the rest of the convolution alone."""
    plain = {**PLAIN, "epochs": 1, "lr": 0.1, "momentum": 0, "weight_decay": 0, "batch_size": 99}
    full, damped = (
        unlearn("msg", model, split, damping=d, seed=1, **plain).model for d in (1.0, 0.1)
    )
    start = unlearn("msg", model, split, seed=1, **STILL).model
    redrawn = start.conv.weight != model.conv.weight
    ratio = (damped.conv.weight - start.conv.weight) / (full.conv.weight - start.conv.weight)
    torch.testing.assert_close(ratio, torch.where(redrawn, 1.0, 0.1), rtol=1e-3, atol=1e-3)
    assert torch.equal(full.fc.weight, damped.fc.weight)


def test_msg_rises_and_falls_by_epochs():
    assert [factor(e, 5) for e in range(5)] == pytest.approx([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    assert factor(0, 1) == 1 and [factor(e, 2) for e in range(2)] == [1, 0.5]


# -- CT


def test_ct_transposes_kernels_and_nothing_else(model, split):
    result = unlearn("ct", model, split, **STILL).model
    assert torch.equal(result.conv.weight, model.conv.weight.transpose(2, 3))
    assert torch.equal(result.conv.bias, model.conv.bias)
    assert torch.equal(result.fc.weight, model.fc.weight)


def test_ct_leaves_kernels_that_are_not_square_and_refuses_those_of_one_pixel():
    shapes = {"a": (1, 1, 3, 3), "b": (1, 1, 1, 3), "c": (1, 1, 1, 1)}
    weights = {n: nn.Parameter(torch.randn(shape)) for n, shape in shapes.items()}
    assert transposed(weights).keys() == {"a"}
    with pytest.raises(InputError, match="ct needs a convolution with a square kernel"):
        transposed({n: w for n, w in weights.items() if n != "a"})


def test_ct_never_looks_at_what_it_forgets(model, split):
    other = split.forget.with_labels((split.forget.labels + 1) % 3)
    a = unlearn("ct", model, split, epochs=2, **PLAIN).model
    b = unlearn("ct", model, dataclasses.replace(split, forget=other), epochs=2, **PLAIN).model
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))


# -- Bad-T


def test_bad_t_divergence_by_hand():
    logits, answers = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3), 0.0]])
    by_hand = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert divergence(logits, answers).item() == pytest.approx(by_hand)
    assert divergence(logits.repeat(4, 1), answers.repeat(4, 1)).item() == pytest.approx(by_hand)
    p = answers.softmax(1)
    over_entries = (p * (p.log() - logits.log_softmax(1))).mean()
    assert over_entries.item() == pytest.approx(by_hand / 2), "the mean of theirs: 1 / K of it"
    assert divergence(2 * logits, 2 * answers, 2.0).item() == pytest.approx(by_hand)


def test_bad_t_comes_to_its_teachers(model, split):
    teacher = Two()
    with torch.no_grad():
        teacher.fc.weight.zero_()
        teacher.fc.bias.copy_(torch.tensor([3.0, 0.0, 0.0]))
    options = {**PLAIN, "epochs": 60, "lr": 0.01, "retain_share": 0.05}
    before = copy.deepcopy(teacher.state_dict())
    result = unlearn("bad-t", model, split, teacher=teacher, **options)
    found, wanted = (su.metrics.predict_logits(m, split.forget) for m in (result.model, teacher))
    start = su.metrics.predict_logits(model, split.forget)
    assert divergence(found, wanted) < 0.2 * divergence(start, wanted)
    assert all(torch.equal(before[n], t) for n, t in teacher.state_dict().items())


def test_bad_t_without_retained_or_forgotten_differences_stands_still(model, split):
    """With the original as its own bad teacher there is nothing to learn."""
    result = unlearn("bad-t", model, split, teacher=model, epochs=1, lr=1e-3, **PLAIN)
    for p, q in zip(model.parameters(), result.model.parameters()):
        assert (p - q).abs().max() < 5e-3


@pytest.mark.parametrize(
    "teacher", [nn.Sequential(nn.Flatten(), nn.Linear(25, 4)), nn.Linear(7, 3)], ids=["K", "input"]
)
def test_bad_t_refuses_a_teacher_of_another_size(model, split, teacher):
    with pytest.raises(InputError, match=r"the teacher (gives|can't)") as error:
        unlearn("bad-t", model, split, teacher=teacher, **PLAIN)
    assert "\n" not in str(error.value)


# -- DELETE


def test_delete_shares_out_what_the_true_class_had():
    logits = torch.tensor([[math.log(6), math.log(3), 0.0], [0.0, 0.0, 0.0]])
    found = target(logits, torch.tensor([0, 2]))
    torch.testing.assert_close(found, torch.tensor([[0, 0.75, 0.25], [0.5, 0.5, 0]]))


def test_delete_takes_the_step_by_hand(model, split):
    """One full-batch step without momentum: the gradient of the logits is (p - target) / n."""
    n = len(split.forget)
    options = {**PLAIN, "epochs": 1, "lr": 0.5, "momentum": 0.0, "batch_size": n}
    result = unlearn("delete", model, split, **options)
    x, y = next(split.forget.batches(n))
    with torch.no_grad():
        features = model.conv(x).relu().mean((2, 3))
        logits = model.fc(features)
        pull = (logits.softmax(1) - target(logits, y)) / n
    step = (result.model.fc.weight - model.fc.weight).detach()
    torch.testing.assert_close(step, -0.5 * pull.T @ features, rtol=1e-3, atol=1e-6)


# -- MUNBa


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2, 2.0, 3.1])
@pytest.mark.parametrize("lengths", [(1.0, 1.0), (0.2, 7.0), (1e-4, 3.0)])
def test_munba_solves_the_bargain(angle, lengths):
    r, f = lengths
    g1, g2, g3 = r * r, r * f * math.cos(angle), f * f
    alpha_r, alpha_f = nash_weights(g1, g2, g3)
    assert alpha_r > 0 and alpha_f > 0
    assert g1 * alpha_r + g2 * alpha_f == pytest.approx(1 / alpha_r)
    assert g2 * alpha_r + g3 * alpha_f == pytest.approx(1 / alpha_f)
    if angle not in (0.0, math.pi / 2):  # where the published expressions are 0 / 0
        root = math.sqrt(g1 * g3)
        theirs = math.sqrt((g1 * g3 - g2 * root) / (g1 * g1 * g3 - g1 * g2 * g2))
        assert alpha_r == pytest.approx(theirs, rel=1e-6)
        assert alpha_f == pytest.approx((1 - g1 * theirs**2) / (g2 * theirs), rel=1e-6)


@pytest.mark.parametrize("g", [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (4.0, -4.0, 4.0)])
def test_munba_falls_back_where_there_is_no_bargain(g):
    assert nash_weights(*g, fallback=0.3) == (1.0, 0.3)


def test_munba_bargains_over_the_free_weights(model, split):
    bools = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in model.named_parameters()}
    bools["fc.bias"][0] = True
    job = job_of(model, split, SaliencyMask.from_bools(bools))
    table = Table(job)
    losses = [3 * job.model.fc.bias[0] + job.model.fc.bias[1], 2 * job.model.fc.bias.sum()]
    assert table.products(*losses) == (9.0, 6.0, 4.0)


def test_munba_meets_d_f_once_a_pass(model, split):
    table = Table(job_of(model, split, batch_size=5))
    for epoch in range(2):
        assert table.part(epoch) is split.retain
        seen = 0
        while table.bargains():
            x, labels = table.forgotten(torch.device("cpu"))
            seen += len(x)
            assert len(labels) == len(x) and labels.min() >= 0 and labels.max() < 3
        assert seen == len(split.forget)


@pytest.mark.parametrize("name", ["munba", "delete", "fcs"])
def test_one_forgotten_picture_and_a_batch_norm_are_refused_in_one_line(name):
    data = bright_corners(60)
    inputs = data.train.pixels[0].numel()
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 4), nn.BatchNorm1d(4), nn.Linear(4, len(data.classes))
    )
    alone = su.data.subset_split(data, [3], seed=0)
    with pytest.raises(InputError, match="a single picture") as caught:
        unlearn(name, net, alone, epochs=1)
    assert "\n" not in str(caught.value)


# -- LoTUS


def test_lotus_temperature():
    assert temperature_of(0.0, 8.0) == 1 and temperature_of(-0.005, 8.0) < 1
    assert temperature_of(0.25, 8.0) == pytest.approx(math.e**2)


def test_lotus_targets_are_samples_and_soft_ones_flatten_with_tau():
    logits = torch.tensor([[2.0, 0.0, -1.0]]).repeat(20_000, 1)
    forgotten = torch.zeros(20_000, dtype=torch.bool)
    hard = targets(logits, forgotten, 5.0, torch.Generator().manual_seed(0))
    assert set(hard.unique().tolist()) == {0.0, 1.0} and (hard.sum(1) == 1).all()
    torch.testing.assert_close(hard.mean(0), logits[0].softmax(0), atol=0.015, rtol=0)
    sharp, flat = (
        targets(logits, ~forgotten, tau, torch.Generator().manual_seed(0)) for tau in (0.01, 100.0)
    )
    assert torch.equal(sharp.argmax(1), hard.argmax(1)) and sharp.max(1).values.mean() > 0.98
    assert flat.max() < 0.4 and torch.allclose(flat.sum(1), torch.ones(20_000))


def test_lotus_stops_once_the_forgotten_are_known_worse_than_new_ones(model, split):
    """Labels of D_f are made the network's own answers, or never those."""
    said = su.metrics.predict_logits(model, split.forget).argmax(1)
    known, unknown = (
        dataclasses.replace(split, forget=split.forget.with_labels(labels))
        for labels in (said, (said + 1) % 3)
    )
    assert share_right(model, known.forget, 64) == 1 and share_right(model, unknown.forget, 64) == 0
    assert 0.01 < share_right(model, split.validation, 64) < 1
    for cut, still in ((known, False), (unknown, True)):
        result = unlearn("lotus", model, cut, epochs=2, margin=0.01, **PLAIN)
        assert torch.equal(result.model.fc.weight, model.fc.weight) == still


def test_lotus_needs_validation_pictures_but_for_a_class(model, split):
    bare = dataclasses.replace(split, validation=split.validation.subset([]))
    with pytest.raises(InputError, match="needs validation pictures"):
        unlearn("lotus", model, bare, **PLAIN)
    unlearn("lotus", model, dataclasses.replace(bare, forget_label=1), epochs=1, **PLAIN)


# -- settings of their own


def test_settings_of_the_authors_hold_unless_others_are_given(model, split):
    assert METHODS["msg"].settings({})["batch_size"] == 64
    result = unlearn("delete", model, split, epochs=1, **PLAIN)
    assert (result.params["batch_size"], result.params["weight_decay"]) == (128, 0.0)
    assert (
        unlearn("delete", model, split, epochs=1, batch_size=7, **PLAIN).params["batch_size"] == 7
    )
    spec = su.runs.RunSpec(method="msg")
    assert spec.effective["params"]["batch_size"] == 64
    assert su.runs.RunSpec(method="ft").effective["params"]["batch_size"] == 256
