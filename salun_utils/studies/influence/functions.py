"""Influence functions: how a trained model's weights and losses would move if some of its training
examples were left out.

The weights θ minimise ``L(θ) = (1/n) Σ_i ℓ(z_i, θ) + (λ/2) |θ|²`` over n examples z_i = (x_i, y_i).
Leaving out a set S takes its terms out of the sum; n stays. One Newton step from θ towards the
minimum of what remains, by the curvature H of L, gives

    θ_{-S} - θ ≈ (1/n) H⁻¹ Σ_{i in S} ∇ℓ(z_i, θ)    and    ℓ(z, θ_{-S}) - ℓ(z, θ) ≈ ∇ℓ(z, θ)'
    (θ_{-S} - θ) .

Source: Koh and Liang, "Understanding Black-box Predictions via Influence Functions", ICML 2017,
sections 2 and 3.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from numbers import Integral, Real

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vjp, vmap

from ...errors import InputError, unknown

Pair = tuple[Tensor, Tensor]  # inputs (n, ...) as the model takes them, targets (n, ...)
# outputs (B, ...), targets (B, ...) -> one loss each (B,)
Loss = Callable[[Tensor, Tensor], Tensor]
CURVATURES = ("hessian", "gauss-newton")
SOLVERS = ("auto", "exact", "cg")
EXACT_WEIGHTS = 3000  # up to here "auto" forms the matrix: 72 MB in float64
CHUNK = 64  # columns of the matrix, or gradients of single examples, that are worked out at once


class NotConvergedError(RuntimeError):
    """An iteration ended before it reached the accuracy that was asked for."""


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """-log p of the true class for logits (B, K) and class indices (B,): one loss each (B,)."""
    return nn.functional.cross_entropy(outputs, targets, reduction="none")


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the squared distance of outputs and targets, both (B, ...): one loss each (B,)."""
    return 0.5 * (outputs - targets).square().flatten(1).sum(1)


class Influence:
    """Influence functions of one trained model.

    Parameters
    ----------
    model : at the minimum of L, in the precision to compute in (float64 for a comparison with
        retraining). It is copied, and used in evaluation mode; all its trainable parameters count.
    data : the n examples it was trained on.
    l2 : λ of the ridge penalty on all trainable parameters.
    loss : of each example, without the penalty.
    damping : added to the diagonal of the curvature, where L is flat or curved downwards. It is no
        part of L.
    curvature : "hessian" is ∇²L; "gauss-newton" leaves out the second derivatives of the outputs,
        so that it never curves downwards. For a model that is linear in its weights the two are the
        same.
    solver : "exact" forms the curvature matrix (P, P) of the P weights and factors it; "cg" solves
        by conjugate gradients, from curvature-vector products alone; "auto" is exact up to
        `EXACT_WEIGHTS` weights.
    batch_size : examples at once. tolerance, most_steps : CG ends when the residual is that small
        relative to the right-hand side.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Pair,
        *,
        l2: float = 0.0,
        loss: Loss = cross_entropy,
        damping: float = 0.0,
        curvature: str = "hessian",
        solver: str = "auto",
        batch_size: int = 2048,
        tolerance: float = 1e-8,
        most_steps: int = 1000,
    ):
        self.model, self.data, self.loss = copy.deepcopy(model).eval(), check_pair(data), loss
        self.l2, self.damping = check_weight("l2", l2), check_weight("damping", damping)
        for kind, value, allowed in (
            ("curvature", curvature, CURVATURES),
            ("solver", solver, SOLVERS),
        ):
            if value not in allowed:
                raise unknown(kind, value, allowed)
        self._parameters = {
            n: p.detach() for n, p in self.model.named_parameters() if p.requires_grad
        }
        if not self._parameters:
            raise InputError("the model has no trainable parameters")
        self.theta = torch.cat([p.flatten() for p in self._parameters.values()])
        self.curvature, self.batch_size, self.tolerance, self.most_steps = (
            curvature,
            batch_size,
            tolerance,
            most_steps,
        )
        self.solver = (
            solver if solver != "auto" else "exact" if len(self.theta) <= EXACT_WEIGHTS else "cg"
        )

    # -- losses and gradients ----------------------------------------------------------

    def _outputs(self, theta: Tensor, x: Tensor) -> Tensor:
        parts = theta.split([p.numel() for p in self._parameters.values()])
        weights = {
            n: part.view(p.shape)
            for part, (n, p) in zip(parts, self._parameters.items(), strict=True)
        }
        return functional_call(self.model, weights, (x,))

    def _loss_sum(self, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self.loss(self._outputs(theta, x), y).sum()

    def _batches(self, data: Pair, size: int) -> Iterator[Pair]:
        return zip(*(t.split(size) for t in data), strict=True)

    def losses(self, data: Pair) -> Tensor:
        """The loss of each example (n,) at θ."""
        with torch.no_grad():
            return torch.cat(
                [
                    self.loss(self._outputs(self.theta, x), y)
                    for x, y in self._batches(check_pair(data), self.batch_size)
                ]
            )

    def gradients(self, data: Pair) -> Tensor:
        """∇ℓ(z, θ) of each example, (n, P)."""

        def one(x, y):
            return grad(self._loss_sum)(self.theta, x[None], y[None])

        return torch.cat([vmap(one)(x, y) for x, y in self._batches(check_pair(data), CHUNK)])

    def gradient(self) -> Tensor:
        """∇L(θ), (P,): zero at a minimum."""
        total = sum(
            grad(self._loss_sum)(self.theta, x, y)
            for x, y in self._batches(self.data, self.batch_size)
        )
        return total / len(self.data[0]) + self.l2 * self.theta

    # -- curvature ---------------------------------------------------------------------

    def product(self, v: Tensor) -> Tensor:
        """H v for a vector (P,), without forming H; damping included."""
        of_batch = (
            self._hessian_product if self.curvature == "hessian" else self._gauss_newton_product
        )
        total = sum(of_batch(v, x, y) for x, y in self._batches(self.data, self.batch_size))
        return total / len(self.data[0]) + (self.l2 + self.damping) * v

    def _hessian_product(self, v: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return jvp(lambda theta: grad(self._loss_sum)(theta, x, y), (self.theta,), (v,))[1]

    def _gauss_newton_product(self, v: Tensor, x: Tensor, y: Tensor) -> Tensor:
        def outputs(theta):
            return self._outputs(theta, x)

        f, change = jvp(outputs, (self.theta,), (v,))  # J v
        # times the second derivative of the loss by the outputs
        _, bent = jvp(grad(lambda f: self.loss(f, y).sum()), (f,), (change,))
        return vjp(outputs, self.theta)[1](bent)[0]  # times J'

    def matrix(self) -> Tensor:
        """H (P, P), column by column; damping included."""
        columns = torch.eye(len(self.theta), dtype=self.theta.dtype, device=self.theta.device)
        found = vmap(self.product, chunk_size=CHUNK)(columns)
        return (found + found.T) / 2  # symmetric but for rounding

    @cached_property
    def _factor(self) -> Tensor:
        factor, failed = torch.linalg.cholesky_ex(self.matrix())
        if failed:
            raise InputError(
                f"the {self.curvature} has a direction that doesn't curve upwards: raise damping,"
                " or take gauss-newton"
            )
        return factor

    def solve(self, vectors: Tensor) -> Tensor:
        """H⁻¹ v for each row v of (m, P)."""
        if self.solver == "exact":
            return torch.cholesky_solve(vectors.T, self._factor).T
        return torch.stack(
            [
                conjugate_gradients(
                    self.product, v, tolerance=self.tolerance, most_steps=self.most_steps
                )
                for v in vectors
            ]
        )

    # -- predictions -------------------------------------------------------------------

    def weight_change(self, groups: Sequence[Sequence[int]]) -> Tensor:
        """Predicted θ_{-S} - θ for each group S of positions in `data`, (G, P); a group of one is
        leave-one-out.
        """
        return self.solve(self._pull(groups)) / len(self.data[0])

    def loss_change(self, groups: Sequence[Sequence[int]], targets: Pair) -> Tensor:
        """Predicted ℓ(z, θ_{-S}) - ℓ(z, θ), one row a group and one column a target z, (G, T).

        H is symmetric, so it is applied to the gradients of whichever are fewer, the groups or the
        targets.
        """
        pull, watched = self._pull(groups), self.gradients(targets)
        if len(pull) <= len(watched):
            return self.solve(pull) @ watched.T / len(self.data[0])
        return pull @ self.solve(watched).T / len(self.data[0])

    def _pull(self, groups: Sequence[Sequence[int]]) -> Tensor:
        """The summed gradient of each group (G, P)."""
        groups = check_groups(groups, len(self.data[0]))
        x, y = self.data
        return torch.stack([self.gradients((x[rows], y[rows])).sum(0) for rows in groups])


def conjugate_gradients(
    product: Callable[[Tensor], Tensor],
    b: Tensor,
    *,
    tolerance: float = 1e-8,
    most_steps: int = 1000,
) -> Tensor:
    """Solve A v = b for a symmetric A that curves upwards everywhere, given as ``product(v) = A
    v``.

    Parameters
    ----------
    b : (P,). tolerance : ends when |b - A v| is at most that share of |b|.

    Raises
    ------
    InputError : A curves downwards, or not at all, along a direction that was met.
    NotConvergedError : after `most_steps` products.
    """
    v, residual = torch.zeros_like(b), b.clone()
    direction, size, goal = residual.clone(), residual @ residual, (tolerance * b.norm()) ** 2
    for _ in range(most_steps):
        if size <= goal:
            return v
        image = product(direction)
        bend = direction @ image
        if not bend > 0:
            raise InputError(
                "the curvature has a direction that doesn't curve upwards: raise damping, or take"
                " gauss-newton"
            )
        step = size / bend
        v, residual = v + step * direction, residual - step * image
        before, size = size, residual @ residual
        direction = residual + size / before * direction
    if size <= goal:
        return v
    left = math.sqrt(size / (b @ b))
    raise NotConvergedError(
        f"conjugate gradients: the residual is {left:.1e} of the right-hand side after {most_steps}"
        " steps"
    )


def check_pair(data: Pair) -> Pair:
    """Return (inputs, targets) of equal length, at least 1, else raise `InputError`."""
    x, y = data
    if not len(x) or len(x) != len(y):
        raise InputError(
            f"data must be inputs and as many targets, at least one, not {len(x)} and {len(y)}"
        )
    return x, y


def check_groups(groups: Sequence[Sequence[int]], count: int) -> list[Tensor]:
    """Each group as int64 positions (at least one, no repeats, 0 to count - 1), else raise
    `InputError`.
    """
    found = []
    for group in groups:
        rows = torch.as_tensor(group)
        if rows.ndim != 1 or not len(rows) or rows.is_floating_point() or rows.dtype == torch.bool:
            raise InputError(
                f"a group must be a list of at least one position, not {str(group)[:60]}"
            )
        if rows.min() < 0 or rows.max() >= count or len(rows.unique()) != len(rows):
            raise InputError(
                f"the positions of a group must be different and lie in 0 to {count - 1}, not"
                f" {str(group)[:60]}"
            )
        found.append(rows.long().cpu())
    if not found:
        raise InputError("there is no group to leave out")
    return found


def check_weight(name: str, value: object) -> float:
    """Return a finite number of at least 0, else raise `InputError`."""
    if (
        isinstance(value, bool)
        or not isinstance(value, Real | Integral)
        or not math.isfinite(value)
        or value < 0
    ):
        raise InputError(f"{name} must be a number, at least 0, not {value!r}")
    return float(value)
