"""What takes less memory gives the same bits: masks without scores, steps without all gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from salun_utils.errors import InputError
from salun_utils.lean import saliency_mask, step_as_ready
from salun_utils.lean.scoring import NotRepeatableError
from salun_utils.masking import hold
from salun_utils.saliency import SaliencyMask, saliency_scores

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.05),
    "adam": lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.05),
}


class Net(nn.Module):
    """Convolution, norm, a linear layer used twice, and one that no loss reaches."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Linear(144, 144)
        self.out = nn.Linear(144, 10)
        self.idle = nn.Linear(3, 3)

    def forward(self, x):
        x = self.norm(self.conv(x)).relu().flatten(1)
        return self.out(self.twice(self.twice(x).relu()))


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net().to(memory_format=torch.channels_last)


def batches(*sizes, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return [
        (torch.rand(n, 1, 8, 8, generator=draws), torch.randint(10, (n,), generator=draws))
        for n in sizes
    ]


# -- masks


@pytest.mark.parametrize("keep", [0, 1e-3, 0.1, 0.5, 0.97, 1])
@pytest.mark.parametrize("sizes", [(24,), (16, 5, 9)])
@pytest.mark.parametrize("together", [None, 1, 5000])
def test_the_mask_is_that_of_the_scores_bit_for_bit(keep, sizes, together):
    model, data = network(), batches(*sizes)
    plain = SaliencyMask.top(saliency_scores(model, data), keep)
    lean = saliency_mask(model, data, keep, together=together)
    assert lean == plain and lean.rule == plain.rule and list(lean) == list(plain)


@given(st.lists(st.sampled_from([0.0, 1.0, 1.0000001, 2.0, 2.5, 1e-40]), min_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_equal_scores_are_kept_by_position(values, data):
    """The loss is a sum of weights times the wanted scores: their gradients are these scores."""
    cut = data.draw(st.integers(1, len(values) - 1))
    keep = data.draw(st.floats(0, 1))
    model = nn.ParameterList([torch.zeros(cut), torch.zeros(len(values) - cut)])
    wanted = torch.tensor(values).split([cut, len(values) - cut])

    def loss(net, _):
        return sum((p * w).sum() for p, w in zip(net, wanted))

    one = [torch.zeros(1)]
    plain = SaliencyMask.top(saliency_scores(model, one, loss=loss), keep)
    assert saliency_mask(model, one, keep, loss=loss) == plain


def test_the_mask_of_some_parameters_leaves_the_model_as_found(digits):
    from networks import digit_net

    model = digit_net(digits).train()
    before = copy.deepcopy(model.state_dict())
    chosen = [n for n, _ in model.named_parameters()][-2:]
    few = digits.train.subset(range(50))
    plain = saliency_scores(model, few, batch_size=20, parameters=chosen.__contains__)
    lean = saliency_mask(model, few, 0.3, batch_size=20, parameters=chosen.__contains__)
    assert lean == SaliencyMask.top(plain, 0.3)
    assert model.training and all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


def test_gradients_are_given_back_one_by_one(monkeypatch):
    """When a parameter's score is taken, no other parameter holds a gradient."""
    model, held = network(), []
    from salun_utils.lean import scoring

    bits = scoring.score_bits
    monkeypatch.setattr(
        scoring,
        "score_bits",
        lambda s: held.append(sum(p.grad is not None for p in model.parameters())) or bits(s),
    )
    saliency_mask(model, batches(8))
    assert set(held) == {0} and len(held) == 2 * 8


def test_a_loss_that_draws_anew_is_named():
    draws = torch.Generator().manual_seed(0)

    def noisy(net, batch):
        return net(batch[0] + torch.randn(batch[0].shape, generator=draws)).square().mean()

    with pytest.raises(NotRepeatableError, match="seed what it draws"):
        saliency_mask(network(), batches(8), loss=noisy)


def test_what_can_be_read_once_only_or_holds_nothing_is_refused():
    for data, said in ((iter(batches(4)), "more than once"), ([], "hold no batch")):
        with pytest.raises(InputError, match=said):
            saliency_mask(network(), data)
    with pytest.raises(InputError, match="keep"):
        saliency_mask(network(), batches(4), 2)


def test_a_group_that_no_loss_reaches_comes_first():
    model = network()
    turned = nn.Module()
    turned.idle, turned.net = model.idle, model
    turned.forward = model.forward
    data = batches(8, 4)
    plain = SaliencyMask.top(saliency_scores(turned, data), 0.5)
    assert next(iter(plain)).startswith("idle")
    assert saliency_mask(turned, data, 0.5, together=1) == plain


# -- steps


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_are_those_of_hold_bit_for_bit(kind):
    plain, lean = network().train(), network().train()
    mask = SaliencyMask.random(dict(plain.named_parameters()), 0.4, seed=1)
    optimizer = OPTIMIZERS[kind](plain.parameters())
    with hold(plain, optimizer, mask):
        for x, y in batches(*[16] * 6):
            optimizer.zero_grad()
            nn.functional.cross_entropy(plain(x), y).backward()
            optimizer.step()
    with step_as_ready(lean, mask, OPTIMIZERS[kind]) as steps:
        for x, y in batches(*[16] * 6):
            nn.functional.cross_entropy(lean(x), y).backward()
            assert all(p.grad is None for p in lean.parameters())
    assert steps.count == 6
    for name, value in plain.state_dict().items():
        assert torch.equal(value, lean.state_dict()[name]), name
    assert not torch.equal(lean.conv.weight, network().conv.weight)


def test_states_are_of_the_free_weights_alone():
    model = network().train()
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.25, seed=1)
    made = []

    def make(parameters):
        made.append(torch.optim.Adam(parameters, 0.01))
        return made[-1]

    ((x, y),) = batches(16)
    with step_as_ready(model, mask, make):
        nn.functional.cross_entropy(model(x), y).backward()
    held = sum(s["exp_avg"].numel() for o in made for s in o.state.values())
    idle = sum(int(mask[n].sum()) for n in mask if n.startswith("idle"))
    assert held == mask.kept - idle


def test_the_rate_can_be_set_and_nothing_steps_after_the_block():
    model = network().train()
    mask = SaliencyMask.random(dict(model.named_parameters()), 1.0, seed=1)
    before = copy.deepcopy(model.state_dict())
    ((x, y),) = batches(16)
    with step_as_ready(model, mask, OPTIMIZERS["sgd"]) as steps:
        steps.set_rate(0.0)
        nn.functional.cross_entropy(model(x), y).backward()
    nn.functional.cross_entropy(model(x), y).backward()
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert model.conv.weight.grad is not None


def test_running_statistics_of_a_held_layer_are_put_back():
    model = network().train()
    free = {n: torch.full(p.shape, "norm" not in n) for n, p in model.named_parameters()}
    before = model.norm.running_mean.clone()
    ((x, y),) = batches(16)
    with step_as_ready(model, free, OPTIMIZERS["sgd"]):
        nn.functional.cross_entropy(model(x), y).backward()
    assert torch.equal(model.norm.running_mean, before)


def test_an_optimizer_that_looks_at_all_weights_is_refused():
    model = network()
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5)
    for make, said in ((lambda p: torch.optim.LBFGS(p), "LBFGS"), (lambda p: None, "NoneType")):
        with pytest.raises(InputError, match=said), step_as_ready(model, mask, make):
            pass
