"""Hold the weights outside a mask exactly still, under any torch optimizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

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


@numerics(1, "masking")
@contextlib.contextmanager
def hold(model: nn.Module, optimizer: torch.optim.Optimizer, mask: SaliencyMask) -> Iterator[None]:
    """While open, ``optimizer.step()`` changes only the weights inside `mask`; the others stay
    bit-identical.

    Masking the gradient alone is not enough: weight decay and momentum move a weight whose gradient
    is zero. So the gradient is masked before each step (the optimizer's own averages of held
    weights then stay zero) and the held weights are put back after it. The running statistics of a
    normalisation layer all of whose weights are held are put back too.

    Parameters
    ----------
    model : its trainable parameters must be those of the mask, by name and shape.
    optimizer : any torch optimizer over parameters of the model.
    mask : True where a weight may change.

    Raises
    ------
    InputError : names or shapes of model and mask differ, or the optimizer holds parameters of
        another model.
    """
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    mask.check(named)
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not trained <= {id(p) for p in model.parameters()}:
        raise InputError("the optimizer holds parameters that are not the model's")
    held = [
        (p, (~mask[n]).to(p.device), p.detach().clone())
        for n, p in named.items()
        if id(p) in trained
    ]
    buffers = [(b, b.clone()) for b in _held_statistics(model, mask)]

    def mask_gradients(*_: object) -> None:
        for p, still, _original in held:
            if p.grad is not None:
                # a product would let an infinite gradient through as NaN
                p.grad.masked_fill_(still, 0)

    @torch.no_grad()
    def restore(*_: object) -> None:
        for p, still, original in held:
            torch.where(still, original, p, out=p)
        for buffer, original in buffers:
            buffer.copy_(original)

    hooks = [
        optimizer.register_step_pre_hook(mask_gradients),
        optimizer.register_step_post_hook(restore),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _held_statistics(model: nn.Module, mask: SaliencyMask) -> Iterator[torch.Tensor]:
    """Buffers of the normalisation layers in which no weight may change (none that the mask knows
    and keeps).
    """
    for path, module in model.named_modules():
        if not isinstance(module, _WITH_STATISTICS):
            continue
        names = [f"{path}.{n}".lstrip(".") for n, _ in module.named_parameters(recurse=False)]
        if names and not any(n in mask and mask[n].any() for n in names):
            yield from module.buffers(recurse=False)
