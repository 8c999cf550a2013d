"""Hold the weights outside a mask exactly still, under any torch optimizer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from .bits.inplace import laid_out_like, put_back_, zero_
from .errors import InputError
from .saliency import SaliencyMask
from .units import numerics

# Layers with running statistics, which a forward pass in training mode moves without any optimizer.
_WITH_STATISTICS = (
    nn.modules.batchnorm._BatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)


# What torch's optimizers gather of gradients, by the names in their states.
AVERAGES = (
    "momentum_buffer",
    "exp_avg",
    "exp_avg_sq",
    "max_exp_avg_sq",
    "square_avg",
    "grad_avg",
    "exp_inf",
    "acc_delta",
)


@numerics(1, "masking")
@contextlib.contextmanager
def hold(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    mask: SaliencyMask | Mapping[str, torch.Tensor],
) -> Iterator[None]:
    """While open, ``optimizer.step()`` changes only the weights inside `mask`; the others stay
    bit-identical.

    Masking the gradient alone is not enough: weight decay and momentum move a weight whose gradient
    is zero. So the gradient is masked before each step (the optimizer's own averages of held
    weights then stay zero), in ``step(closure)`` after each call of the closure, and the held
    weights are put back after it. The running statistics of a normalisation layer all of whose
    weights are held are put back too.

    Parameters
    ----------
    model : its trainable parameters must be those of the mask, by name and shape; the words that
        wrappers put into names don't count (`SaliencyMask.fitted`).
    optimizer : any torch optimizer over parameters of the model.
    mask : True where a weight may change; a plain dictionary is taken by `SaliencyMask.from_bools`.

    Raises
    ------
    InputError : names or shapes of model and mask differ, or the optimizer holds parameters of
        another model.
    """
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    mask = SaliencyMask.of(mask).fitted(named)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(
            "hold needs a torch.optim.Optimizer, whose steps can be watched, not"
            f" {type(optimizer).__name__}"
        )
    optimizer = _watched(optimizer)
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not trained <= {id(p) for p in model.parameters()}:
        raise InputError("the optimizer holds parameters that are not the model's")
    held = [
        (p, laid_out_like(p, ~mask[n]), p.detach().clone())
        for n, p in named.items()
        if id(p) in trained
    ]
    buffers = [(b, b.clone()) for b in held_statistics(model, mask)]
    decays = any(group.get("weight_decay") for group in optimizer.param_groups)

    def mask_gradients() -> None:
        for p, still, _original in held:
            if p.grad is not None:
                zero_(p.grad, still)  # a product would let an infinite gradient through as NaN

    def masking(closure: Callable[[], Any] | None) -> Callable[[], Any] | None:
        if closure is None:
            return None
        compute = closure

        def masked() -> Any:
            value = compute()
            mask_gradients()
            return value

        return masked

    def before(_: object, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        mask_gradients()
        if "closure" in kwargs:
            kwargs = kwargs | {"closure": masking(kwargs["closure"])}
        return (args[0], *map(masking, args[1:2]), *args[2:]), kwargs

    @torch.no_grad()
    def restore(*_: object) -> None:
        for p, still, original in held:
            put_back_(p, still, original)
            if decays:  # added to the gradient by most optimizers, and so gathered with it
                for average in _averages(optimizer, p):
                    zero_(average, still)
        for buffer, original in buffers:
            buffer.copy_(original)

    hooks = [
        optimizer.register_step_pre_hook(before),
        optimizer.register_step_post_hook(restore),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _watched(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer that takes the steps: `accelerate` prepares one by wrapping it, and a wrapper
    has no hooks of its own.
    """
    inner = getattr(optimizer, "optimizer", None)
    if isinstance(inner, torch.optim.Optimizer) and inner is not optimizer:
        return _watched(inner)
    return optimizer


def _averages(optimizer: torch.optim.Optimizer, p: nn.Parameter) -> Iterator[torch.Tensor]:
    """What the optimizer has gathered of a parameter's gradients."""
    state = optimizer.state.get(p, {})
    for name in AVERAGES:
        if isinstance(average := state.get(name), torch.Tensor) and average.shape == p.shape:
            yield average


def held_statistics(model: nn.Module, mask: SaliencyMask) -> Iterator[torch.Tensor]:
    """Buffers of the normalisation layers in which no weight may change (none that the mask knows
    and keeps).
    """
    for path, module in model.named_modules():
        if not isinstance(module, _WITH_STATISTICS):
            continue
        names = [f"{path}.{n}".lstrip(".") for n, _ in module.named_parameters(recurse=False)]
        if names and not any(n in mask and mask[n].any() for n in names):
            yield from module.buffers(recurse=False)
