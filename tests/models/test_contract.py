"""Models of other people: what they give is taken where it is clear, and else named in one line."""

from __future__ import annotations

import dataclasses
from collections import namedtuple

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.models.contract import logits_of

Out = namedtuple("Out", "logits aux")


@dataclasses.dataclass
class Answer:
    logits: torch.Tensor
    hidden: object = None


class Net(nn.Module):
    """A small network whose answer `give` changes: ``give(logits, x)``."""

    def __init__(self, give=None, classes: int = 3):
        super().__init__()
        self.conv, self.fc, self.give = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(4, classes), give

    def forward(self, x):
        logits = self.fc(self.conv(x).relu().mean((2, 3)))
        return logits if self.give is None else self.give(logits, x)


def net(give=None, classes: int = 3) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net(give, classes)


@pytest.fixture(scope="module")
def split():
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (60, 3, 8, 8), dtype=torch.uint8, generator=draws)
    y = torch.arange(60) % 3
    data = su.data.from_tensors((x, y), (x[:30].clone(), y[:30]))
    return su.data.random_split(data, fraction=0.2, seed=0)


OWN = {"epochs": 1, "batch_size": 16, "precision": "float32"}
WRAPPED = {
    "with a scalar": lambda o, x: (o, o.mean()),
    "loss first": lambda o, x: (o.mean(), o),
    "features beside": lambda o, x: (x.flatten(1), o),
    "features behind": lambda o, x: [o, x.flatten(1)],
    "auxiliary logits": lambda o, x: (o, 0 * o),
    "named tuple": lambda o, x: Out(o, 2 * o),
    "attribute": lambda o, x: Answer(o),
    "logits in a dictionary": lambda o, x: {"hidden": x, "logits": o},
    "alone in a dictionary": lambda o, x: {"out": o},
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_the_logits_are_found_in_what_a_model_gives(kind, split):
    plain, wrapped = net(), net(WRAPPED[kind])
    ours, theirs = (su.unlearning.unlearn("salun", m, split, **OWN) for m in (wrapped, plain))
    for a, b in zip(ours.model.parameters(), theirs.model.parameters()):
        assert torch.equal(a, b)
    assert not ours.model._forward_hooks and not wrapped._forward_hooks
    given = su.metrics.evaluate(ours.model, split)
    assert given == su.metrics.evaluate(theirs.model, split)
    scores = su.saliency.saliency_scores(wrapped, split.forget, batch_size=5)
    for n, s in su.saliency.saliency_scores(plain, split.forget, batch_size=5).items():
        assert torch.equal(scores[n], s)


REFUSED = {
    "nothing": lambda o, x: None,
    "two tensors alike under names": lambda o, x: {"a": o, "b": o},
    "no logits among features": lambda o, x: {"pooled": x.flatten(1), "hidden": x},
    "one row for all": lambda o, x: o.mean(0, keepdim=True),
    "whole numbers": lambda o, x: o.long(),
    "the winner": lambda o, x: o.argmax(1),
    "one logit": lambda o, x: o[:, :1],
    "two logits": lambda o, x: o[:, :2],
    "maps": lambda o, x: o[:, :, None, None],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_unclear_is_refused_with_what_a_model_must_give(kind, split):
    model = net(REFUSED[kind])
    for call in (
        lambda: su.unlearning.unlearn("salun", model, split, **OWN),
        lambda: su.metrics.evaluate(model, split),
        lambda: su.saliency.saliency_scores(model, split.forget),
        lambda: su.training.fit(model, split.retain, epochs=1, lr=0.1),
    ):
        with pytest.raises(InputError, match="float tensor of logits") as caught:
            call()
        assert "\n" not in str(caught.value)


def meta():
    with torch.device("meta"):
        return Net()


def in_inference_mode():
    with torch.inference_mode():
        return Net()


WEIGHTS = {
    "float16": (lambda: net().half(), "call model.float"),
    "bfloat16": (lambda: net().bfloat16(), "call model.float"),
    "float64": (lambda: net().double(), "call model.float"),
    "meta": (meta, "meta device"),
    "lazy": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), "lazy"),
    "inference mode": (in_inference_mode, "inference mode"),
    "none": (nn.Flatten, "no weights"),
    "no module": (lambda: lambda x: x, "torch.nn.Module, not function"),
    "a state": (lambda: net().state_dict(), "torch.nn.Module, not OrderedDict"),
    "all frozen": (lambda: net().requires_grad_(False), "no trainable parameters"),
    "detached": (lambda: net(lambda o, x: o.detach()), "detached"),
    "other pictures": (lambda: nn.Sequential(nn.Conv2d(1, 3, 8), nn.Flatten()), "can't take"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_that_can_not_be_worked_with_are_named_in_a_line(kind, split):
    build, said = WEIGHTS[kind]
    for call in (
        lambda m: su.unlearning.unlearn("ga", m, split, **OWN),
        lambda m: su.training.fit(m, split.retain, epochs=1, lr=0.1),
    ):
        with pytest.raises(InputError, match=said) as caught:
            call(build())
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_floats_can_be_scored(dtype, split):
    assert su.metrics.evaluate(net().to(dtype), split).counts["forget"] == len(split.forget)


def test_the_check_leaves_the_model_and_the_draws_as_found(split):
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(192), nn.Linear(192, 3))
    state = {n: t.clone() for n, t in model.state_dict().items()}
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    su.models.contract.check_model(model, split.forget, 3, gradients=True)
    assert torch.equal(first, torch.rand(1))
    assert all(torch.equal(t, state[n]) for n, t in model.state_dict().items())
    assert all(m.training for m in model.modules()) and model[3].weight.grad is None


def test_a_scripted_model_and_one_for_several_devices_unlearn(split):
    traced = torch.jit.trace(net().eval(), torch.rand(2, 3, 8, 8))
    for model in (traced, nn.DataParallel(net())):
        result = su.unlearning.unlearn("salun", model, split, **OWN)
        moved = [
            not torch.equal(a, b) for a, b in zip(result.model.parameters(), model.parameters())
        ]
        assert any(moved) and su.metrics.evaluate(result.model, split)


def test_a_tensor_is_taken_as_it_is_and_unclear_tuples_are_not():
    x = torch.rand(4, 3)
    assert logits_of(x) is x and logits_of((x,)) is x and logits_of((x, x[0])) is not None
    assert logits_of((torch.rand(4, 7), x), 3) is x
    with pytest.raises(InputError):
        logits_of((torch.rand(4, 7), x))
    with pytest.raises(InputError, match="at least 5"):
        logits_of((torch.rand(4, 7), x), 5)


class Picky(torch.autograd.Function):
    """An operation that has no half precision, as those of many extensions."""

    @staticmethod
    def forward(ctx, x):
        if x.dtype != torch.float32:
            raise RuntimeError("expected Float but found BFloat16")
        return x * 1

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def test_a_model_without_half_precision_is_told_the_way_out(split):
    model = net(lambda o, x: Picky.apply(o))
    for call in (
        lambda how: su.unlearning.unlearn("ft", model, split, seed=0, **(OWN | how)),
        lambda how: su.training.fit(model, split.retain, lr=0.01, **(OWN | how)),
    ):
        with pytest.raises(InputError, match=r"not in bfloat16 autocast.*'float32'"):
            call({"precision": "bf16"})
        call({"precision": "float32"})


def test_quantized_weights_are_named(split):
    model = net()
    model.fc = type("Linear", (nn.Identity,), {"__module__": "torch.ao.nn.quantized.dynamic"})()
    with pytest.raises(InputError, match="fc is quantized"):
        su.unlearning.unlearn("ft", model, split, seed=0, **OWN)
