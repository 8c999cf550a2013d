"""True leave-one-out and leave-group-out retraining, to the minimum: what influence functions
predict.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import InputError
from .functions import (
    Loss,
    NotConvergedError,
    Pair,
    check_groups,
    check_pair,
    check_weight,
    cross_entropy,
)

ROUNDS = 20  # L-BFGS starts over that often, with its memory emptied, before it gives up
STEPS_A_ROUND = 500
POLISH = 50  # steps by gradients alone, once the line search can no longer tell two losses apart
NO_CHANGE = 1e-17  # of the loss: none that float64 could show


def minimise(
    model: nn.Module,
    data: Pair,
    *,
    l2: float = 0.0,
    loss: Loss = cross_entropy,
    weights: Tensor | None = None,
    tolerance: float = 1e-8,
) -> nn.Module:
    """A copy of `model` at a minimum of L(θ) = (1/n) Σ_i w_i ℓ(z_i, θ) + (λ/2) |θ|², found by
    L-BFGS from where `model` is.

    The minimum is the only one when L is convex and λ above 0 (logistic or ridge regression); a
    network ends in one near its start.

    Parameters
    ----------
    model : parameters in float64; used in evaluation mode. data : all n examples. l2 : λ, on all
        trainable parameters.
    weights : w (n,), 1 each unless given; 0 leaves an example out. tolerance : the largest entry of
        ∇L that is left.

    Raises
    ------
    NotConvergedError : when rounding or the number of steps stops it earlier.
    """
    x, y = check_pair(data)
    found = copy.deepcopy(model).eval()
    parameters = [p for p in found.parameters() if p.requires_grad]
    if not parameters or any(p.dtype != torch.float64 for p in parameters):
        raise InputError("the minimum is sought in float64: call model.double() first")
    check_weight("l2", l2)
    rows, kept = _kept(x, weights)
    x, y = x[rows], y[rows]

    def objective() -> Tensor:
        for p in parameters:
            p.grad = None
        value = (kept * loss(found(x), y)).sum() + l2 / 2 * sum(
            p.square().sum() for p in parameters
        )
        value.backward()
        return value

    for part in range(2 * ROUNDS):
        line_search, steps, change = (
            (None, POLISH, 0.0) if part % 2 else ("strong_wolfe", STEPS_A_ROUND, NO_CHANGE)
        )
        torch.optim.LBFGS(
            parameters,
            max_iter=steps,
            history_size=30,
            tolerance_grad=tolerance,
            tolerance_change=change,
            line_search_fn=line_search,
        ).step(objective)
        objective()
        left = max(float(p.grad.abs().max()) for p in parameters if p.grad is not None)
        if left <= tolerance:
            for p in parameters:
                p.grad = None
            return found
    raise NotConvergedError(f"L-BFGS left a gradient of {left:.1e}, above {tolerance:.0e}")


def _kept(x: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Rows of the examples whose weight isn't 0, and their weights over the number of all."""
    every = (
        torch.ones(len(x), dtype=torch.float64, device=x.device)
        if weights is None
        else weights.to(x.device, torch.float64)
    )
    if every.shape != (len(x),):
        raise InputError(f"{len(x)} examples need as many weights, not {tuple(every.shape)}")
    rows = every.nonzero().flatten()
    return rows, every[rows] / len(every)


@dataclass(frozen=True)
class LeftOut:
    """What really happened when groups were left out.

    Attributes
    ----------
    weights : θ_{-S} - θ, one row a group (G, P). losses : ℓ(z, θ_{-S}) - ℓ(z, θ), one column a
        target z (G, T).
    """

    weights: Tensor
    losses: Tensor


def leave_out(
    model: nn.Module,
    data: Pair,
    groups: Sequence[Sequence[int]],
    targets: Pair,
    *,
    l2: float = 0.0,
    loss: Loss = cross_entropy,
    tolerance: float = 1e-8,
) -> LeftOut:
    """Retrain without each group in turn, and compare weights and losses with those of `model`.

    Each retraining starts from `model`, which `minimise` gave. Where L is convex the start makes no
    difference.

    Parameters
    ----------
    groups : positions in `data`. targets : the examples whose losses are compared.
    """
    theta, before = flat(model), _losses(model, targets, loss)
    moved, changed = [], []
    for rows in check_groups(groups, len(data[0])):
        kept = torch.ones(len(data[0]), dtype=torch.float64)
        kept[rows] = 0
        retrained = minimise(model, data, l2=l2, loss=loss, weights=kept, tolerance=tolerance)
        moved.append(flat(retrained) - theta)
        changed.append(_losses(retrained, targets, loss) - before)
    return LeftOut(torch.stack(moved), torch.stack(changed))


def flat(model: nn.Module) -> Tensor:
    """All trainable parameters in one row (P,), in the order of `Influence.theta`."""
    return torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad])


@torch.no_grad()
def _losses(model: nn.Module, data: Pair, loss: Loss) -> Tensor:
    x, y = check_pair(data)
    return loss(model(x), y)
