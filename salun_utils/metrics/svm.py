"""A soft-margin RBF support vector machine for many points of low effective dimension: the
classifier of the membership attack.

The usual solver works on pairs of points and takes half a minute for 20,000 overlapping
confidences. Membership features are a few smooth numbers in a small range, so their kernel matrix
has low rank to many digits. A pivoted Cholesky factor finds that rank, and an interior-point method
then solves the same problem in a few dozen small linear systems (Fine and Scheinberg, "Efficient
SVM training using low-rank kernel representations", JMLR 2001).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import unknown
from ..units import numerics

MAX_RANK = 1000  # beyond it the pairwise solver is no slower
# Error of a kernel entry, for one feature and for several. On 20,000 real confidences and
# probability vectors, tighter values changed
# no call in 2,000; 1e-4 changed 1 in 1,000.
KERNEL_TOLERANCE = (1e-8, 1e-5)
# a decision value this close to 0 is no decision; the pairwise solver calls such a point positive
TIE = 1e-6
SOLVERS = ("auto", "low-rank", "pairwise")


class NotSolvedError(RuntimeError):
    """The kernel is not of low rank, or the iteration did not reach its tolerance."""


@dataclass(frozen=True)
class Machine:
    """A fitted classifier. `decision` maps points (n, F) to float64 (n,); `solver` is the one that
    found it.
    """

    decision: Callable[[np.ndarray], np.ndarray]
    solver: str

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Bool (n,): the points called positive. A tie (0 up to rounding) counts as positive."""
        return self.decision(x) >= -TIE


@numerics(1, "metric/svm")
def fit_rbf_svm(
    x: np.ndarray, positive: np.ndarray, *, C: float, gamma: float, solver: str = "auto"
) -> Machine:
    """Minimise ½|w|² + C Σ max(0, 1 - y_i (w · φ(x_i) + b)) over w and b, where φ(x) · φ(x') =
    exp(-gamma |x - x'|²).

    Parameters
    ----------
    x : float64 (N, F). positive : bool (N,), y = +1 where it is True and -1 elsewhere.
    solver : "low-rank", "pairwise" (scikit-learn's `SVC`), or "auto": low-rank, and pairwise where
        that raises `NotSolvedError`.
    """
    if solver not in SOLVERS:
        raise unknown("solver", solver, SOLVERS)
    x, y, weights = _merge_equal(x, np.where(positive, 1.0, -1.0))
    if solver != "pairwise":
        try:
            return _fit_low_rank(x, y, C * weights, gamma)
        except NotSolvedError:
            if solver == "low-rank":
                raise
    from sklearn.svm import SVC

    machine = SVC(C=C, gamma=gamma, kernel="rbf", cache_size=1000).fit(x, y, sample_weight=weights)
    return Machine(machine.decision_function, "pairwise")


def _merge_equal(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal points of one class become one point with their number as weight: the sum in the
    objective is the same.
    """
    merged, counts = np.unique(np.column_stack([y, x]), axis=0, return_counts=True)
    return np.ascontiguousarray(merged[:, 1:]), merged[:, 0].copy(), counts.astype(np.float64)


def _fit_low_rank(x: np.ndarray, y: np.ndarray, costs: np.ndarray, gamma: float) -> Machine:
    factor, features = low_rank(x, gamma, tol=KERNEL_TOLERANCE[x.shape[1] > 1])
    w, b = _interior_point(factor, y, costs)
    return Machine(lambda points: features(points) @ w + b, "low-rank")


def rbf(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma |a_i - b_j|²) as (n, m), for points a (n, F) and b (m, F)."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * (a @ b.T)
    return np.exp(-gamma * np.maximum(squares, 0))


def low_rank(
    x: np.ndarray, gamma: float, *, tol: float, max_rank: int = MAX_RANK
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Pivoted incomplete Cholesky factor of the kernel matrix K of x (N, F).

    Returns
    -------
    factor : (N, r) with every entry of K - factor factorᵀ at most `tol` in size: that residual is
        positive semi-definite and its largest diagonal entry is at most `tol`.
    features : the same map, points (n, F) to (n, r), for points that were not in x.

    Raises
    ------
    NotSolvedError
        When rank `max_rank` does not reach `tol`.
    """
    # the factor transposed: each step writes one contiguous row
    from scipy.linalg import solve_triangular

    rows = np.zeros((min(max_rank, len(x)), len(x)))
    residual = np.ones(len(x))
    pivots: list[int] = []
    while residual[pivot := int(residual.argmax())] > tol:
        step = len(pivots)
        if step == len(rows):
            raise NotSolvedError(
                f"the kernel matrix of {len(x)} points has a rank above {max_rank}"
            )
        column = rbf(x[pivot : pivot + 1], x, gamma)[0] - rows[:step, pivot] @ rows[:step]
        rows[step] = column / np.sqrt(residual[pivot])
        residual = np.maximum(residual - rows[step] ** 2, 0)
        residual[pivot] = 0
        pivots.append(pivot)
    factor = np.ascontiguousarray(rows[: len(pivots)].T)
    chosen, lower = x[pivots], np.tril(factor[pivots])
    return factor, lambda points: solve_triangular(lower, rbf(chosen, points, gamma), lower=True).T


def _interior_point(
    z: np.ndarray, y: np.ndarray, costs: np.ndarray, *, tol: float = 1e-7, steps: int = 100
) -> tuple[np.ndarray, float]:
    """Primal-dual predictor-corrector method (Mehrotra) for the linear machine on features z (N, r)
    with a cost for each point.

    Unknowns: v = (w, b), slacks s ≥ 0, distances t = y (z·w + b) - 1 + s ≥ 0, and dual variables 0
    ≤ a ≤ costs. At the optimum w = Σ a y z, 0 = Σ a y, a t = 0 and (costs - a) s = 0. Ends when the
    duality gap is below `tol` of the objective.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    count, rank = z.shape
    g = np.concatenate([z, np.ones((count, 1))], 1)  # (N, r + 1)
    ridge = np.append(np.ones(rank), 0.0)  # b is not penalised
    v, a, s, t = np.zeros(rank + 1), costs / 2, np.ones(count), np.ones(count)
    for _ in range(steps):
        rest = costs - a
        margin, pull = y * (g @ v), g.T @ (y * a)
        primal = 0.5 * v[:-1] @ v[:-1] + costs @ np.maximum(0, 1 - margin)
        dual = a.sum() - 0.5 * pull[:-1] @ pull[:-1]
        if primal - dual <= tol * max(1.0, primal) and abs(pull[-1]) <= tol * costs.sum():
            return v[:-1], float(v[-1])
        diagonal = t / a + s / rest
        system = (g.T / diagonal) @ g
        system[np.diag_indices(rank + 1)] += ridge + 1e-13 * np.trace(system) / (rank + 1)
        try:
            factor = cho_factor(system)
        except LinAlgError as problem:
            raise NotSolvedError("the linear system lost its definiteness") from problem
        gap = t - (margin - 1 + s)

        # solves the linearised conditions for given targets of a·t and rest·s
        def direction(at, rs):
            rho = at / a - rs / rest + gap  # noqa: B023 - used within this pass of the loop only
            dv = cho_solve(factor, pull - ridge * v + g.T @ (y * rho / diagonal))  # noqa: B023
            da = (rho - y * (g @ dv)) / diagonal  # noqa: B023
            return dv, da, (rs + s * da) / rest, (at - t * da) / a  # noqa: B023

        mu = (a @ t + rest @ s) / (2 * count)
        dv, da, ds, dt = direction(-a * t, -rest * s)
        size = _longest_step((a, da), (rest, -da), (s, ds), (t, dt))
        ahead = ((a + size * da) @ (t + size * dt) + (rest - size * da) @ (s + size * ds)) / (
            2 * count
        )
        aim = mu * (ahead / mu) ** 3
        dv, da, ds, dt = direction(aim - a * t - da * dt, aim - rest * s + da * ds)
        size = 0.995 * _longest_step((a, da), (rest, -da), (s, ds), (t, dt))
        if not np.isfinite(size) or not np.isfinite(dv).all():
            break
        v, a, s, t = v + size * dv, a + size * da, s + size * ds, t + size * dt
        # rounding must not put a point on its bound
        a = np.clip(a, costs * 1e-15, costs * (1 - 1e-15))
    raise NotSolvedError(f"no convergence within {steps} steps")


def _longest_step(*pairs: tuple[np.ndarray, np.ndarray]) -> float:
    """The largest step in (0, 1] that keeps every value + step · change at or above 0."""
    ratios = [
        (-value[down] / change[down]).min() for value, change in pairs if (down := change < 0).any()
    ]
    return min([1.0, *ratios])
