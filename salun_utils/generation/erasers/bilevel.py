"""The loop of EraseDiff (Wu et al., 2024), for every kind of generator.

Erasing is written as two nested problems: keep drawing the others, among the weights that forget as
well as K steps of forgetting alone would get them. Each round takes K steps on the forgetting loss
f, notes what f came to, puts the weights back, and takes one step on

    l(others) + w (f - f_K)

f_K is a number by then, so it moves no weight: what the K steps leave behind is in Adam's averages,
which are not put back. That is how the authors' code has it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...errors import check_whole
from ...masking import hold
from ...saliency import SaliencyMask
from ...training import TrainingDivergedError

Loss = Callable[[], Tensor]


def bilevel(
    module: nn.Module,
    forget: Loss,
    retain: Loss,
    *,
    steps: int,
    inner_steps: int,
    lr: float,
    weight: float | None,
    eta: float,
    clip: float,
    mask: SaliencyMask | None = None,
) -> dict[str, tuple[float, ...]]:
    """Take `steps` rounds over the trainable weights of `module`, those outside the mask held
    bit-identical.

    Parameters
    ----------
    forget, retain : the loss of the next batch, a scalar.
    weight : w. None computes it each round: max(eta - cosine of the two gradients, 0).
    clip : the joint gradient's largest norm; 0 for none.

    Returns
    -------
    the loss of each round by name: forget and retain at the joint step, inner the mean of f over
    the K steps, and weight.

    Raises
    ------
    TrainingDivergedError : a loss is no longer finite. InputError : fewer than one inner step.
    """
    check_whole("inner_steps", inner_steps)
    chosen = {n: p for n, p in module.named_parameters() if p.requires_grad}
    optimizer = torch.optim.Adam(chosen.values(), lr)
    seen: dict[str, list[float]] = {"forget": [], "retain": [], "inner": [], "weight": []}
    with hold(module, optimizer, mask) if mask is not None else contextlib.nullcontext():
        for step in range(steps):
            inner = _alone(optimizer, chosen, forget, inner_steps)
            f, r = forget(), retain()
            w = _dynamic(f, r, chosen, eta, mask) if weight is None else weight
            optimizer.zero_grad(set_to_none=True)
            (r + w * (f - inner)).backward()
            _clip(chosen, clip, mask)
            optimizer.step()
            found = {"forget": f.item(), "retain": r.item(), "inner": inner, "weight": w}
            for name, value in found.items():
                seen[name].append(value)
            if not all(map(math.isfinite, found.values())):
                raise TrainingDivergedError(
                    f"a loss became {found} in round {step + 1} of {steps} (lr {lr})"
                )
    return {name: tuple(values) for name, values in seen.items()}


def _alone(
    optimizer: torch.optim.Optimizer, chosen: dict[str, nn.Parameter], loss: Loss, steps: int
) -> float:
    """The mean loss of `steps` on forgetting alone; the weights are put back, the averages not."""
    before, total = {n: p.detach().clone() for n, p in chosen.items()}, 0.0
    for _ in range(steps):
        value = loss()
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        total += value.item()
    with torch.no_grad():
        for name, p in chosen.items():
            p.copy_(before[name])
    return total / steps


def _dynamic(
    forget: Tensor,
    retain: Tensor,
    chosen: dict[str, nn.Parameter],
    eta: float,
    mask: SaliencyMask | None,
) -> float:
    """max(eta - cosine of the gradients of both losses, 0), over the weights that may change."""
    f, r = (
        _masked(torch.autograd.grad(loss, list(chosen.values()), retain_graph=True), chosen, mask)
        for loss in (forget, retain)
    )
    inner, lengths = (f * r).sum(), f.norm() * r.norm()
    return max(eta - float(inner / (lengths + 1e-8)), 0.0) if float(f.norm()) else 0.0


def _masked(
    gradients: tuple[Tensor, ...], chosen: dict[str, nn.Parameter], mask: SaliencyMask | None
) -> Tensor:
    parts = zip(chosen, gradients, strict=True)
    return torch.cat(
        [(g if mask is None else g * mask[n].to(g.device)).flatten() for n, g in parts]
    )


def _clip(chosen: dict[str, nn.Parameter], clip: float, mask: SaliencyMask | None) -> None:
    if not clip:
        return
    if mask is not None:  # only what will be applied counts towards the norm
        for name, p in chosen.items():
            if p.grad is not None:
                p.grad.mul_(mask[name].to(p.device))
    nn.utils.clip_grad_norm_(chosen.values(), clip)
