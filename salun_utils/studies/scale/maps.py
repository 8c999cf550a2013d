"""Maps of epochs and learning rates, and the border on them beyond which a method forgets more than
Retrain does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...errors import InputError
from ...metrics import Interval
from ...seeds import derive

TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Border:
    """Where a signed gap turns from below zero to above it, for each number of epochs.

    Attributes
    ----------
    at : learning rate by epochs, from the mean over seeds: 0 where the gap is above zero already at
        the lowest rate of the map, infinite where it never is.
    intervals : bootstrap 95 % intervals of it over seeds.
    draws : DataFrame, one row a resample.
    """

    at: pd.Series
    intervals: dict[int, Interval]
    draws: pd.DataFrame


def cell_means(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean over seeds of a column, epochs down and learning rates across; NaN where a run of the
    cell diverged.

    Parameters
    ----------
    rows : columns epochs, lr, seed and `measure`, one row a run.
    """
    return rows.pivot_table(
        index="epochs",
        columns="lr",
        values=measure,
        aggfunc=lambda v: v.mean(skipna=False),
        dropna=False,
    )


def crossing(x: Sequence[float], y: Sequence[float]) -> float:
    """The least x at which y passes from below zero to above it, interpolated along log x.

    Parameters
    ----------
    x : ascending, all above 0. y : as many; NaN stands for a diverged run and counts as above zero,
        by nobody knows how much.

    Returns
    -------
    0 where the first y is above zero already, infinity where none is.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) != len(y) or not len(x) or (np.diff(x) <= 0).any() or x[0] <= 0:
        raise InputError("x must ascend from above 0, with one y for each")
    above = np.isnan(y) | (y > 0)
    if not above.any():
        return float("inf")
    k = int(above.argmax())
    if k == 0:
        return 0.0
    share = 0.5 if np.isnan(y[k]) else -y[k - 1] / (y[k] - y[k - 1])
    return float(x[k - 1] * (x[k] / x[k - 1]) ** share)


def border(
    rows: pd.DataFrame, *, measure: str = "gap_ua", resamples: int = 2000, seed: int = 0
) -> Border:
    """The learning rate at which the mean of `measure` rises above zero, for each number of epochs.

    Parameters
    ----------
    rows : columns epochs, lr, seed and `measure`; every seed must have every cell. With `gap_ua`,
        UA minus Retrain's, it is the border of
        over-forgetting. resamples : of the seeds, all cells of a seed together.
    """
    cube = rows.pivot_table(index="seed", columns=["epochs", "lr"], values=measure, dropna=False)
    epochs, rates = (sorted(set(rows[name])) for name in ("epochs", "lr"))
    if len(rows) != len(cube) * len(epochs) * len(rates):
        cells = f"{len(cube)} seeds × {len(epochs)} × {len(rates)} cells"
        raise InputError(
            f"a map needs one run for each of its cells and seeds: {len(rows)} runs are not {cells}"
        )
    values = cube.to_numpy().reshape(len(cube), len(epochs), len(rates))

    def found(mean):
        return [crossing(rates, line) for line in mean]

    draws = np.random.default_rng(derive(seed, "border"))
    picked = [
        found(values[draws.integers(0, len(values), len(values))].mean(0)) for _ in range(resamples)
    ]
    drawn = pd.DataFrame(picked, columns=epochs)
    ends = {
        e: Interval(*(float(v) for v in np.quantile(drawn[e], TAILS, method="nearest")))
        for e in epochs
    }
    return Border(
        pd.Series(found(values.mean(0)), index=epochs, name="lr").rename_axis("epochs"), ends, drawn
    )


def dose(found: Border) -> tuple[float, Interval]:
    """The exponent s of a border lr ∝ epochs^s, and its interval: -1 says that only the product of
    the two counts.

    Epochs at which the border leaves the map are left out. NaN for fewer than two that remain.
    """
    slope = _slope(found.at)
    slopes = [s for _, line in found.draws.iterrows() if (s := _slope(line)) == s]
    ends = np.quantile(slopes, TAILS) if slopes else (float("nan"),) * 2
    return slope, Interval(*map(float, ends))


def _slope(line: pd.Series) -> float:
    inside = line[(line > 0) & np.isfinite(line)]
    if len(inside) < 2:
        return float("nan")
    return float(
        np.polyfit(
            np.log(inside.index.to_numpy(dtype=float)), np.log(inside.to_numpy(dtype=float)), 1
        )[0]
    )
