"""Laws through measurements: least squares on the logarithm, with bootstrap intervals for what they
say of other sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from ...errors import InputError
from ...metrics import Interval
from ...seeds import derive

TAILS = (0.025, 0.975)
LEAST = 3  # groups behind a bootstrap
# sizes (..., v) and coefficients (..., k) -> values (...)
Law = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Prediction(NamedTuple):
    """What a law says of one size, and the interval in which a new measurement is expected."""

    value: float
    low: float
    high: float

    def holds(self, measured: float) -> bool:
        """Whether a measurement lies inside."""
        return self.low <= measured <= self.high


@dataclass(frozen=True)
class Fit:
    """A law y = f(x; coefficients).

    Attributes
    ----------
    law : as a formula. coefficients : fitted. draws : (B, k), the coefficients of B resamples.
    residuals : (n,), natural logarithm of measured over fitted. groups : how many were resampled
        (networks, or single measurements).
    smallest, largest : of each variable, where it was measured.
    """

    law: str
    coefficients: dict[str, float]
    draws: np.ndarray
    residuals: np.ndarray
    groups: int
    smallest: dict[str, float]
    largest: dict[str, float]
    function: Law
    seed: int = 0

    @property
    def typical_error(self) -> float:
        """Root mean square of the residuals as a factor: 1.1 means that fitted and measured differ
        by about 10 %.
        """
        return float(np.exp(np.sqrt(np.mean(self.residuals**2))))

    def interval(self, coefficient: str) -> Interval:
        """Bootstrap 95 % interval of one coefficient."""
        return Interval(
            *map(
                float, np.quantile(self.draws[:, list(self.coefficients).index(coefficient)], TAILS)
            )
        )

    def predict(self, **x: float) -> Prediction:
        """The law at `x`, with a 95 % interval for one new measurement: resampled coefficients, and
        a residual drawn to each.
        """
        if wrong := sorted(self.smallest.keys() ^ x.keys()):
            raise InputError(
                f"the law takes {', '.join(self.smallest)}: {wrong[0]} is missing or unknown"
            )
        at = np.array([x[name] for name in self.smallest], dtype=float)
        value = self.function(at, np.array(list(self.coefficients.values())))
        freedom = len(self.residuals) - len(self.coefficients)
        # a law lies closer to its own data than to new ones
        wider = self.residuals * np.sqrt(len(self.residuals) / freedom)
        noise = np.random.default_rng(derive(self.seed, "residuals")).choice(wider, len(self.draws))
        low, high = np.quantile(self.function(at, self.draws) * np.exp(noise), TAILS)
        return Prediction(float(value), float(low), float(high))

    def beyond(self, **x: float) -> float:
        """How many times farther than anything measured `x` lies, in the variable in which it lies
        farthest; 1 within the range.
        """
        return max(
            max(1.0, value / self.largest[name], self.smallest[name] / value)
            for name, value in x.items()
        )


def power_law(
    table: pd.DataFrame,
    y: str,
    by: Sequence[str],
    *,
    groups: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Fit:
    """y = c · Π x_i^(a_i), fitted to log y by least squares.

    Parameters
    ----------
    table : one row a measurement. y, by : columns, all above 0. The exponent of column x is the
        coefficient "x", and "c" the constant.
    groups : a column; rows of one value are resampled together, since what they have in common (a
        network) errs together.

    Raises
    ------
    InputError : a value that is not above 0, or fewer rows or groups than it takes.
    """
    x, target = np.log(_positive(table, by)), np.log(_positive(table, [y])[:, 0])
    design = np.column_stack([np.ones(len(x)), x])

    def solve(rows: np.ndarray) -> np.ndarray:
        constant, *exponents = np.linalg.lstsq(design[rows], target[rows], rcond=None)[0]
        return np.array([np.exp(constant), *exponents])

    def law(at: np.ndarray, c: np.ndarray) -> np.ndarray:
        return c[..., 0] * np.exp((np.log(at) * c[..., 1:]).sum(-1))

    formula = f"{y} = c · " + " · ".join(f"{name}^a" for name in by)
    return _fitted(
        formula, ["c", *by], table, y, by, solve, law, groups=groups, resamples=resamples, seed=seed
    )


def affine(
    table: pd.DataFrame,
    y: str,
    by: Sequence[str],
    *,
    groups: str | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> Fit:
    """y = a + Σ b_i · x_i with a, b_i > 0, fitted to log y by least squares, so that small sizes
    count as much as large ones.

    Parameters
    ----------
    As for `power_law`. The coefficient of column x is "x", and "a" the constant.
    """
    x, target = _positive(table, by), np.log(_positive(table, [y])[:, 0])

    def law(at: np.ndarray, c: np.ndarray) -> np.ndarray:
        return c[..., 0] + (c[..., 1:] * at).sum(-1)

    def solve(rows: np.ndarray) -> np.ndarray:
        # each term its part of the whole
        slopes = np.median(target[rows, None] - np.log(x[rows]), axis=0) - np.log(len(by))
        start = np.array([target[rows].min() - np.log(2), *slopes])
        return np.exp(
            least_squares(lambda p: np.log(law(x[rows], np.exp(p))) - target[rows], start).x
        )

    formula = f"{y} = a + " + " + ".join(f"b · {name}" for name in by)
    return _fitted(
        formula, ["a", *by], table, y, by, solve, law, groups=groups, resamples=resamples, seed=seed
    )


def _fitted(
    formula: str,
    names: list[str],
    table: pd.DataFrame,
    y: str,
    by: Sequence[str],
    solve: Callable[[np.ndarray], np.ndarray],
    law: Law,
    *,
    groups: str | None,
    resamples: int,
    seed: int,
) -> Fit:
    x = table[list(by)].to_numpy(dtype=float)
    labels = np.arange(len(x)) if groups is None else pd.factorize(table[groups])[0]
    members = [np.flatnonzero(labels == k) for k in range(len(set(labels)))]
    if len(x) <= len(names) or len(members) < LEAST:
        raise InputError(
            f"{len(x)} measurements of {len(members)} groups are too few for a law of {len(names)}"
            " coefficients"
        )
    if constant := [name for name, row in zip(by, x.T, strict=True) if len(np.unique(row)) < 2]:
        raise InputError(f"{constant[0]} is the same everywhere: no law can say what it does")
    draws = np.random.default_rng(derive(seed, "bootstrap of a law"))
    found: list[np.ndarray] = []
    while len(found) < resamples:
        rows = np.concatenate([members[k] for k in draws.integers(0, len(members), len(members))])
        # else a coefficient is not determined
        if all(len(np.unique(column)) > 1 for column in x[rows].T):
            found.append(solve(rows))
    best = solve(np.arange(len(x)))
    return Fit(
        law=formula,
        coefficients=dict(zip(names, map(float, best), strict=True)),
        draws=np.array(found),
        residuals=np.log(table[y].to_numpy(dtype=float) / law(x, best)),
        groups=len(members),
        smallest=dict(zip(by, x.min(0), strict=True)),
        largest=dict(zip(by, x.max(0), strict=True)),
        function=law,
        seed=seed,
    )


def _positive(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    values = table[list(columns)].to_numpy(dtype=float)
    if not (np.isfinite(values) & (values > 0)).all():
        raise InputError(
            f"{', '.join(columns)} must be finite and above 0 everywhere: laws are fitted on"
            " logarithmic axes"
        )
    return values
