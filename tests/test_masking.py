"""Held weights don't move by a bit, whatever the optimizer does."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from salun_utils.errors import InputError
from salun_utils.masking import hold
from salun_utils.saliency import SaliencyMask
from salun_utils.training import fit

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=5e-2),
    "nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=5e-2, nesterov=True),
    "sgd-fused": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=5e-2, fused=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01, weight_decay=5e-2),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=5e-2),
    "adamw-foreach": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=5e-2, foreach=True),
    "adamw-amsgrad": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=5e-2, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.9, weight_decay=5e-2),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01, weight_decay=5e-2),
    "nadam": lambda p: torch.optim.NAdam(p, 0.01, weight_decay=5e-2),
    "lbfgs": lambda p: torch.optim.LBFGS(p, 0.1, max_iter=3),
}


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10)
        )


def some_mask(model, keep=0.5):
    return SaliencyMask.random(dict(model.named_parameters()), keep, seed=0)


def batch(seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand(16, 1, 8, 8, generator=draws), torch.randint(10, (16,), generator=draws)


def train(model, optimizer, steps=50, start=0):
    model.train()
    for step in range(start, start + steps):
        x, y = batch(step)

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        closure()
        optimizer.step(closure) if isinstance(optimizer, torch.optim.LBFGS) else optimizer.step()


def same_bits(a, b):
    return torch.equal(
        a.detach().contiguous().view(torch.int32), b.detach().contiguous().view(torch.int32)
    )


def assert_held(before, after, mask):
    """Held weights bit for bit as before, and nearly all the others moved."""
    moved = 0
    for name, p in after.items():
        free = mask[name]
        assert same_bits(p[~free], before[name][~free]), name
        moved += int((p[free] != before[name][free]).sum())
    assert moved > 0.9 * mask.kept


def values(model):
    return {n: p.detach().clone() for n, p in model.named_parameters()}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_held_weights_are_bit_identical_after_50_steps(kind):
    model = network()
    optimizer, mask, before = OPTIMIZERS[kind](model.parameters()), some_mask(model), values(model)
    with hold(model, optimizer, mask):
        train(model, optimizer)
    assert_held(before, values(model), mask)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_masking_the_gradient_alone_lets_them_move(kind):
    model = network()
    optimizer, mask, before = OPTIMIZERS[kind](model.parameters()), some_mask(model), values(model)
    named = dict(model.named_parameters())
    for n, p in named.items():
        p.register_hook(lambda grad, free=mask[n]: grad * free)
    train(model, optimizer)
    held = sum(int((~mask[n]).sum()) for n in mask)
    moved = sum(int((p != before[n])[~mask[n]].sum()) for n, p in named.items())
    assert moved > 0.9 * held


def test_held_weights_stay_where_momentum_was_gathered_before():
    model = network()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    train(model, optimizer, 5)
    mask, before = some_mask(model), values(model)
    with hold(model, optimizer, mask):
        train(model, optimizer, 10, start=5)
    assert_held(before, values(model), mask)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_the_free_weights_move_as_if_the_held_ones_were_constants(kind):
    """The whole of a layer held: the rest follows the path that it takes when the optimizer doesn't
    know the layer.
    """
    model, twin = network(), network()
    mask = SaliencyMask.from_bools(
        {n: torch.full(p.shape, not n.startswith("0.")) for n, p in model.named_parameters()}
    )
    optimizer = OPTIMIZERS[kind](model.parameters())
    with hold(model, optimizer, mask):
        train(model, optimizer, 20)
    for n, p in twin.named_parameters():
        p.requires_grad_(not n.startswith("0."))
    train(twin, OPTIMIZERS[kind]([p for p in twin.parameters() if p.requires_grad]), 20)
    for (n, p), q in zip(model.named_parameters(), twin.parameters()):
        assert same_bits(p, q), n


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_optimizer_gathers_nothing_for_held_weights(kind):
    model = network()
    mask = some_mask(model)
    plain = {
        "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, 0.01),
    }[kind]
    optimizer = plain(model.parameters())
    with hold(model, optimizer, mask):
        train(model, optimizer, 5)
    names = ("momentum_buffer",) if kind == "sgd" else ("exp_avg", "exp_avg_sq")
    for n, p in model.named_parameters():
        for state in names:
            assert not optimizer.state[p][state][~mask[n]].any()
            assert optimizer.state[p][state][mask[n]].any() or not mask[n].any()


def test_a_gradient_that_is_not_finite_does_not_reach_held_weights():
    model = network()
    optimizer, mask, before = (
        torch.optim.Adam(model.parameters(), 0.01),
        some_mask(model),
        values(model),
    )
    with hold(model, optimizer, mask):
        for p in model.parameters():
            p.grad = torch.full_like(p, float("inf"))
        optimizer.step()
    for n, p in model.named_parameters():
        assert same_bits(p[~mask[n]], before[n][~mask[n]])
        assert not optimizer.state[p]["exp_avg"][~mask[n]].any()


def test_every_weight_free_changes_nothing():
    model, twin = network(), network()
    optimizer, other = (OPTIMIZERS["sgd"](m.parameters()) for m in (model, twin))
    with hold(model, optimizer, some_mask(model, 1.0)):
        train(model, optimizer, 10)
    train(twin, other, 10)
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values())
    )


def test_no_weight_free_changes_no_weight_and_no_running_statistic():
    model = network()
    optimizer, before = OPTIMIZERS["adamw"](model.parameters()), copy.deepcopy(model.state_dict())
    with hold(model, optimizer, some_mask(model, 0.0)):
        train(model, optimizer, 5)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


def test_running_statistics_stay_only_where_the_whole_layer_is_held():
    def run(free):
        model = network()
        still = {"1.weight", "1.bias"} - {free}
        mask = SaliencyMask.from_bools(
            {n: torch.full(p.shape, n not in still) for n, p in model.named_parameters()}
        )
        before = copy.deepcopy(model[1].state_dict())
        optimizer = OPTIMIZERS["sgd"](model.parameters())
        with hold(model, optimizer, mask):
            train(model, optimizer, 3)
        return before, model[1].state_dict()

    before, after = run(free=None)
    assert all(torch.equal(after[n], before[n]) for n in before)
    before, after = run(free="1.bias")
    assert not torch.equal(after["running_mean"], before["running_mean"])
    assert after["num_batches_tracked"] == 3


def hooks(optimizer):
    return len(optimizer._optimizer_step_pre_hooks) + len(optimizer._optimizer_step_post_hooks)


def test_hooks_are_gone_after_the_block_and_after_an_error():
    model = network()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    with hold(model, optimizer, some_mask(model, 0.0)):
        assert hooks(optimizer) == 2
    assert hooks(optimizer) == 0
    with pytest.raises(ZeroDivisionError), hold(model, optimizer, some_mask(model, 0.0)):
        1 / 0  # noqa: B018
    assert hooks(optimizer) == 0
    before = values(model)
    train(model, optimizer, 1)
    assert all((p != before[n]).any() for n, p in model.named_parameters())


def test_parameters_that_the_optimizer_does_not_know_are_left_alone():
    model = network()
    optimizer = torch.optim.SGD(model[4].parameters(), 0.1, weight_decay=0.1)
    before, mask = values(model), some_mask(model)
    with hold(model, optimizer, mask):
        train(model, optimizer, 3)
        with torch.no_grad():
            model[0].weight.add_(1)  # by someone else
    assert torch.equal(model[0].weight, before["0.weight"] + 1)
    assert same_bits(model[4].weight[~mask["4.weight"]], before["4.weight"][~mask["4.weight"]])


def test_channels_last_weights_are_held_too():
    model = network().to(memory_format=torch.channels_last)
    optimizer, mask, before = (
        OPTIMIZERS["adamw"](model.parameters()),
        some_mask(model),
        values(model),
    )
    with hold(model, optimizer, mask):
        train(model, optimizer, 5)
    assert_held(before, values(model), mask)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_held_weights_through_fit_in_bf16_with_clipping(tiny_model, digits_split, optimizer):
    mask, before = some_mask(tiny_model, 0.3), values(tiny_model)
    history = fit(
        tiny_model,
        digits_split.forget,
        epochs=6,
        lr=0.01,
        seed=0,
        optimizer=optimizer,
        batch_size=16,
        mask=mask,
        weight_decay=0.1,
        precision="bf16",
        max_grad_norm=0.5,
        augment="crop",
    )
    assert history.steps >= 50
    assert_held(before, values(tiny_model), mask)


# -- masks that don't fit --------------------------------------------------------------


def bools(model, **changes):
    named = {
        n: torch.ones(p.shape, dtype=torch.bool) for n, p in model.named_parameters()
    } | changes
    return SaliencyMask.from_bools({n: b for n, b in named.items() if b is not None})


def test_a_mask_of_another_model_is_refused():
    model = network()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    cases = {
        r"lacks '4.bias' \(1 such": bools(model, **{"4.bias": None}),
        "has, unlike the model, 'head.weight'": bools(
            model, **{"head.weight": torch.ones(3, dtype=torch.bool)}
        ),
        r"'0.bias' is \(5,\) in the mask, \(4,\) in the model": bools(
            model, **{"0.bias": torch.ones(5, dtype=torch.bool)}
        ),
    }
    for message, mask in cases.items():
        with pytest.raises(InputError, match=message), hold(model, optimizer, mask):
            pass
    assert hooks(optimizer) == 0


def test_a_frozen_parameter_does_not_belong_to_the_mask():
    model = network()
    mask = bools(model)
    model[4].bias.requires_grad_(False)
    with (
        pytest.raises(InputError, match=r"unlike the model, '4\.bias'"),
        hold(model, OPTIMIZERS["sgd"](model.parameters()), mask),
    ):
        pass


def test_the_optimizer_of_another_model_is_refused():
    model, other = network(), network()
    with (
        pytest.raises(InputError, match="not the model's"),
        hold(model, OPTIMIZERS["sgd"](other.parameters()), bools(model)),
    ):
        pass


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.AdamW(p),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1),
        lambda p: torch.optim.LBFGS(p, max_iter=3),
    ],
)
def test_nothing_is_gathered_for_held_weights_through_a_closure(make, named):
    """A closure computes the gradient within the step, maybe more than once."""
    model, x, y = nn.Linear(4, 3), torch.randn(8, 4), torch.arange(8) % 3
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5)
    old = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = make(model.parameters())

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with hold(model, optimizer, mask):
        for _ in range(3):
            loss = optimizer.step(closure=closure) if named else optimizer.step(closure)
    assert float(loss.detach()) > 0
    for n, p in model.named_parameters():
        assert torch.equal(p[~mask[n]], old[n][~mask[n]])
        assert not torch.equal(p[mask[n]], old[n][mask[n]])
        for name in ("exp_avg", "exp_avg_sq", "momentum_buffer"):
            if name in optimizer.state[p]:
                assert not optimizer.state[p][name][~mask[n]].any()
                assert optimizer.state[p][name][mask[n]].any()


def test_a_mask_holds_behind_the_names_that_wrappers_give():
    model = nn.DataParallel(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    plain = SaliencyMask.random(dict(model.module.named_parameters()), 0.5)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with hold(model, optimizer, {n: plain[n].float() for n in plain}):
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
    for n, p, old in zip(plain, model.parameters(), before):
        assert torch.equal(p[~plain[n]], old[~plain[n]])
    assert any(not torch.equal(p, old) for p, old in zip(model.parameters(), before))


def test_what_is_no_torch_optimizer_is_refused():
    model = nn.Linear(4, 3)
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5)
    with pytest.raises(InputError, match=r"needs a torch.optim.Optimizer.*not object"):
        hold(model, object(), mask).__enter__()
