"""RMIA, the robust membership attack: a picture was trained on if the audited model favours it more
than it favours pictures at large, each measured against reference models. One reference will do.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..units import numerics
from .likelihood import Array
from .reading import numbers, positive, share, truths


@numerics(1, "metric/relative-membership")
def relative_membership(
    observed: Array,
    references: Array,
    population: Array,
    population_references: Array,
    *,
    member: Array | None = None,
    gamma: float = 1.0,
    a: float = 0.3,
) -> np.ndarray:
    """RMIA: per target x, the share of the population's pictures z for which
    (p(x | theta) / p(x)) / (p(z | theta) / p(z)) is at least `gamma`; float64 (N,) from 0 to 1,
    high for members.

    Parameters
    ----------
    observed : (N,) probabilities of the true class of N targets under the audited model, above 0.
    references : (S, N) the same under S reference models, S at least 1. population : (M,), and
        population_references : (S, M), those of M pictures that none of the models was trained on.
    member : bool (S, N), which references were trained on which target; needed where any was. A
        target that some were and some weren't has p(x) = (mean in + mean out) / 2 (the "online"
        attack); one that none was trained on p(x) = ((1 + a) mean out + 1 - a) / 2 ("offline").
        None: no reference was trained on any target.
    gamma : above 0. a : how close a model that had x comes to one that had not, from 0 to 1; the
        authors take 0.3 on CIFAR-10, and tune it on a reference where there are two.

    Raises
    ------
    InputError : no reference, other shapes, probabilities outside (0, 1], a target that all
        references were trained on.

    Source: Zarifzadeh, Liu and Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML
    2024. p(z) is found as p(x) is, offline.
    """
    seen, ours = (
        _probabilities("observed", observed, 1),
        _probabilities("references", references, 2),
    )
    others = _probabilities("population", population, 1)
    theirs = _probabilities("population_references", population_references, 2)
    _check_shapes(seen, ours, others, theirs)
    positive("gamma", gamma)
    share("a", a, ends=True)
    ratio_x = seen / _prior(ours, _members(member, ours.shape), a)
    ratio_z = np.sort(others / _prior(theirs, np.zeros(theirs.shape, dtype=bool), a))
    return np.searchsorted(ratio_z, ratio_x / gamma, side="right") / len(ratio_z)


rmia = relative_membership


def _prior(references: np.ndarray, member: np.ndarray, a: float) -> np.ndarray:
    """p(x) (N,) from reference models (S, N)."""
    have, lack = member.sum(0), (~member).sum(0)
    outside = np.where(member, 0, references).sum(0) / lack
    inside = np.where(member, references, 0).sum(0) / np.maximum(have, 1)
    offline = ((1 + a) * outside + 1 - a) / 2
    return np.where(have > 0, (inside + outside) / 2, offline)


def _members(member: Array | None, shape: tuple[int, ...]) -> np.ndarray:
    if member is None:
        return np.zeros(shape, dtype=bool)
    found = truths("member", member)
    if found.shape != shape:
        raise InputError(f"member must have the shape of references {shape}, not {found.shape}")
    if found.all(0).any():
        raise InputError("every target needs a reference model that was not trained on it")
    return found


def _probabilities(name: str, values: Array, dimensions: int) -> np.ndarray:
    found = numbers(name, values)
    if found.ndim != dimensions or not found.size:
        what = "(N,)" if dimensions == 1 else "(S, N) with S at least 1"
        raise InputError(f"{name} must have shape {what}, not {found.shape}")
    if not ((found > 0) & (found <= 1)).all():
        raise InputError(f"{name} must hold probabilities above 0 and up to 1")
    return found


def _check_shapes(seen, ours, others, theirs) -> None:
    if ours.shape[1] != len(seen) or theirs.shape != (len(ours), len(others)):
        raise InputError(
            f"references must have shape (S, {len(seen)}) and population_references (S,"
            f" {len(others)}), not {ours.shape} and {theirs.shape}"
        )
