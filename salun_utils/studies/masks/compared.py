"""Masks side by side: what each lets through, how far the weights travel under it, and how recorded
runs under several masks compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from torch import Tensor, nn

from ...errors import InputError, unknown
from ...metrics import bootstrap_interval, compare_pairs
from ...runs.records.alike import check_rows
from ...saliency import SaliencyMask
from ..claims import word

Gaps = Mapping[int, float]  # seed -> average gap, points


# -- one network -----------------------------------------------------------------------


def let_through(mask: SaliencyMask, gradient: Mapping[str, Tensor]) -> float:
    """Share of the squared length of a gradient that lies on the weights the mask keeps, 0 to 1; 0
    for a gradient of zero.

    Parameters
    ----------
    gradient : name -> the gradient or its absolute value, for every parameter of the mask.
    """
    mask.check(gradient)
    whole = sum(float(g.double().square().sum()) for g in gradient.values())
    kept = sum(
        float(g.double().square()[mask[name].to(g.device)].sum()) for name, g in gradient.items()
    )
    return kept / whole if whole else 0.0


def travelled(model: nn.Module, start: nn.Module) -> float:
    """Euclidean distance of the trainable weights of two models of one architecture."""
    before = dict(start.named_parameters())
    changes = [
        p.detach().double() - before[name].detach().double()
        for name, p in model.named_parameters()
        if p.requires_grad
    ]
    return math.sqrt(sum(float(change.square().sum()) for change in changes))


def layer_shares(masks: Mapping[str, SaliencyMask]) -> pd.DataFrame:
    """Share of each parameter that each mask keeps, 0 to 1: a row a mask, a column a parameter."""
    return pd.DataFrame(
        {name: mask.per_layer().set_index("parameter").share for name, mask in masks.items()}
    ).T


def overlaps(masks: Mapping[str, SaliencyMask]) -> pd.DataFrame:
    """The Jaccard overlap of every two masks, see `SaliencyMask.overlap`."""
    return pd.DataFrame({a: {b: masks[a].overlap(masks[b]) for b in masks} for a in masks})


# -- recorded runs ---------------------------------------------------------------------


def gaps_by_mask(runs: pd.DataFrame) -> dict[str, dict[int, float]]:
    """mask -> seed -> average gap, from rows of `runs.frame` of one method, scenario and setting;
    runs that diverged have none.

    Raises
    ------
    InputError : when a mask has two runs of one seed; when runs of one mask differ in their
        settings, or any two in data, behaviour of the code or threads.
    """
    _check_single(runs, ["mask", "seed"])
    check_rows(runs, [])
    check_rows(runs, ["mask"], of=("settings",))
    found: dict[str, dict[int, float]] = {mask: {} for mask in dict.fromkeys(runs["mask"])}
    for mask, seed, gap in zip(runs["mask"], runs.seed, runs.avg_gap, strict=True):
        if math.isfinite(gap):
            found[mask][int(seed)] = float(gap)
    return found


def at_best_setting(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that count when a learning rate is chosen on the *other* seeds: no seed has a say in
    the choice it is judged by.

    For each mask and seed, the rate with the smallest mean of the average gap over all other seeds
    is looked up, and the row of this seed under that rate is returned. Rates at which one of the
    other seeds has no run, or has diverged, are not eligible.

    Parameters
    ----------
    runs : rows of `runs.frame` of one method and scenario.

    Returns
    -------
    Rows of `runs`, at most one a mask and seed; none for a mask with a single seed.

    Raises
    ------
    InputError : when a mask has two runs of one seed and rate.
    """
    _check_single(runs, ["mask", "seed", "lr"])
    chosen = []
    for _, part in runs.groupby("mask", sort=False):
        table = part.pivot(index="seed", columns="lr", values="avg_gap")
        for seed in table.index:
            others = table.drop(index=seed)
            means = others.mean().where(others.notna().all() & bool(len(others))).dropna()
            if len(means):
                chosen.append(part[(part.seed == seed) & (part.lr == means.idxmin())])
    return pd.concat(chosen, ignore_index=True) if chosen else runs.iloc[:0]


def _check_single(runs: pd.DataFrame, columns: list[str]) -> None:
    twice = runs.duplicated(columns)
    if twice.any():
        row = ", ".join(f"{column} {runs[twice].iloc[0][column]}" for column in columns)
        raise InputError(
            f"there are several runs with {row}: they differ in another setting, of which one has"
            " to be picked first"
        )


def summary(gaps: Mapping[str, Gaps]) -> pd.DataFrame:
    """One row a mask, the smallest mean first: seeds, mean, and its bootstrap 95 % interval low and
    high (NaN for one seed).
    """
    rows = {}
    for mask, values in gaps.items():
        if values:
            numbers = list(values.values())
            low, high = bootstrap_interval(numbers)
            rows[mask] = {
                "seeds": len(numbers),
                "mean": sum(numbers) / len(numbers),
                "low": low,
                "high": high,
            }
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["seeds", "mean", "low", "high"]
    ).sort_values("mean", kind="stable")


def differences(
    gaps: Mapping[str, Gaps], reference: str, *, least: int = 3, alpha: float = 0.05
) -> pd.DataFrame:
    """Every mask against one of them, paired by seed; p by an exact sign-flip test, corrected by
    Holm for the number of rows.

    Parameters
    ----------
    gaps : see `gaps_by_mask`. reference : the mask that all others are compared with. least : pairs
        below which a mask is left out.

    Returns
    -------
    One row a mask: pairs; difference, low, high (mean of its gap minus the reference's, with
    bootstrap interval, points); closer (pairs in which it is closer to Retrain than the reference);
    p, p_holm; answer: "closer" or "further" where p_holm is below `alpha`, else "open", or "too
    few" where no outcome of so many pairs could have been.
    """
    if reference not in gaps:
        raise unknown("mask", reference, gaps)
    base = gaps[reference]
    shared = {
        mask: sorted(values.keys() & base.keys())
        for mask, values in gaps.items()
        if mask != reference
    }
    pairs = {mask: (gaps[mask], base) for mask, seeds in shared.items() if len(seeds) >= least}
    rows = {
        mask: {
            "pairs": verdict.test.n,
            "difference": verdict.test.difference,
            "low": verdict.test.interval.low,
            "high": verdict.test.interval.high,
            "closer": sum(gaps[mask][seed] < base[seed] for seed in shared[mask]),
            "p": verdict.test.p,
            "p_holm": verdict.p,
            "answer": word(verdict, yes="closer", no="further"),
        }
        for mask, verdict in compare_pairs(pairs, alpha=alpha).items()
    }
    return pd.DataFrame.from_dict(
        rows,
        orient="index",
        columns=["pairs", "difference", "low", "high", "closer", "p", "p_holm", "answer"],
    )
