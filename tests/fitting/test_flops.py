"""Counted operations against a count by hand."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from networks import digit_net
from torch import nn

from salun_utils.fitting import flops
from salun_utils.fitting.flops import training_flops
from salun_utils.runs import Cache, RunSpec, prepare, run
from salun_utils.training import fit
from salun_utils.unlearning import unlearn


class OneConv(nn.Module):
    """A convolution of 3 to 8 channels on 6x6 pixels, and nothing else that is counted."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


def test_one_convolution_by_hand():
    """Forward 2 * out * in * 9 * pixels; backward as much again for the weights, and nothing for
    the pictures, which have no gradient.
    """
    forward = 2 * 8 * 3 * 9 * 36
    assert training_flops(OneConv(), (3, 6, 6)) == 2 * forward


def test_a_second_layer_passes_its_gradient_on():
    class Two(OneConv):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 5, bias=False)

        def forward(self, x):
            return self.fc(super().forward(x))

    assert training_flops(Two(), (3, 6, 6)) == 2 * (2 * 8 * 3 * 9 * 36) + 3 * (2 * 8 * 5)


def test_counting_leaves_the_model_and_the_draws_alone(tiny_model):
    before = {n: t.clone() for n, t in tiny_model.state_dict().items()}
    state = torch.get_rng_state()
    assert training_flops(tiny_model, (1, 8, 8)) > 0
    assert all(torch.equal(t, before[n]) for n, t in tiny_model.state_dict().items())
    assert not tiny_model.training
    assert all(p.grad is None for p in tiny_model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_training_counts_each_picture_it_saw(digits):
    few = digits.train.subset(range(100))
    history = fit(digit_net(digits), few, epochs=3, lr=0.01, batch_size=64)
    each = training_flops(digit_net(digits), (1, 8, 8))
    assert history.pflop == 300 * each / 1e15


def test_a_model_and_its_copies_are_counted_once_until_something_changes(tiny_model, monkeypatch):
    tiny_model, calls = copy.deepcopy(tiny_model), []
    tiny_model.__dict__.pop(flops.KEPT, None)
    count = flops._count
    monkeypatch.setattr(flops, "_count", lambda *a: calls.append(a) or count(*a))
    found = flops.training_flops(tiny_model, (1, 8, 8))
    twin = copy.deepcopy(tiny_model)
    assert flops.training_flops(twin, (1, 8, 8)) == found and len(calls) == 1
    next(twin.parameters()).requires_grad_(False)
    assert flops.training_flops(twin, (1, 8, 8)) < found and len(calls) == 2
    assert flops.training_flops(tiny_model, (1, 8, 8)) == found and len(calls) == 2


def test_what_cannot_be_counted_is_none(digits):
    class Looking(OneConv):
        def forward(self, x):
            return super().forward(x) * (2 if x.sum().item() > 0 else 1)

    assert training_flops(Looking(), (3, 6, 6)) is None
    few = digits.train.subset(range(100))
    own = fit(digit_net(digits), few, epochs=1, lr=0.01, loss=lambda m, b: m(b[0]).square().mean())
    assert own.pflop is None


def test_a_tally_tells_passes_with_a_gradient_from_those_without(digits):
    net, x = digit_net(digits), torch.zeros(5, 1, 8, 8)
    both = training_flops(net, (1, 8, 8))
    with flops.tally(net, (1, 8, 8)) as spent, torch.no_grad():
        copy.deepcopy(net)(x)
    forward = spent.flops / 5
    assert 0 < forward < both
    with flops.tally(net, (1, 8, 8)) as spent:
        net(x)
        digit_net(digits)(x)  # another network, which is no copy
    assert spent.flops == 5 * both
    net(x)
    assert spent.flops == 5 * both, "counts after its block"


def test_a_tally_leaves_nothing_on_the_model(digits, digits_split, tmp_path):
    net = digit_net(digits)
    names = set(net.__dict__)
    assert unlearn("rl", net, digits_split, epochs=1, lr=0.01, mask="saliency").pflop > 0
    assert set(net.__dict__) == names
    training_flops(net, (1, 8, 8))
    with flops.tally(net, (1, 8, 8)):
        pass
    assert set(net.__dict__) == names | {flops.KEPT}, "what was known before stays known"


def test_unlearning_counts_the_pictures_that_its_method_saw(digits, digits_split):
    net, split = digit_net(digits), digits_split
    each = training_flops(net, (1, 8, 8)) / 1e15
    near = functools.partial(pytest.approx, rel=0.01)  # each fit tries the model on two pictures
    forget, retain = len(split.forget), len(split.retain)
    found = unlearn("ft", net, split, epochs=2, lr=0.01)
    assert found.pflop == near(2 * retain * each)
    found = unlearn("salun", net, split, epochs=3, lr=0.01)
    assert found.pflop == near((forget + 3 * (forget + retain)) * each)
    assert unlearn("retrain", net, split, epochs=1, lr=0.1).pflop == near(retain * each)
    assert unlearn("original", net, split).pflop == 0
    bare, looked = unlearn("scrub", net, split, epochs=1, lr=0.01), 3 * forget + 2 * retain
    assert 0 < bare.pflop < looked * each * 2, "a teacher's passes have no gradient"


def test_the_record_of_a_run_counts_the_mask_once(tmp_path):
    spec = RunSpec(dataset="digits", train_epochs=1, epochs=1, lr=0.02, scenario="random")
    task = prepare(spec, cache=Cache(tmp_path))
    counted = [run(spec, task=task).measurements["pflop"]["unlearned"] for _ in range(2)]
    own = unlearn("salun", task.original, task.split, epochs=1, lr=0.02)
    assert counted[0] == counted[1] == pytest.approx(own.pflop)
