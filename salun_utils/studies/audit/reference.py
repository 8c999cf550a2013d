"""RMIA among shadow models: each of them plays the audited one once, and one or more of the others
are its references.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...metrics import relative_membership

ONE, MANY, BOTH = "RMIA, one reference", "RMIA, all references", "RMIA, in and out"
NAMES = (ONE, MANY, BOTH)
SMALLEST = 1e-30  # a probability that is 0 in floating point


def true_class(logits: Tensor, labels: Tensor) -> np.ndarray:
    """Probability of the true class, float64 (M, N), from logits (M, N, K)."""
    p = logits.double().softmax(2)
    return p.gather(2, labels.expand(len(p), -1)[..., None])[..., 0].clamp_min(SMALLEST).numpy()


def relative_scores(
    p: np.ndarray, population: np.ndarray, member: np.ndarray
) -> dict[str, np.ndarray]:
    """RMIA's scores (M, N) of N pictures under each of M models, high for members.

    Parameters
    ----------
    p : (M, N) probabilities of the true class. population : (M, Z) the same of pictures that no
        model was trained on. member : bool (M, N); of models 2j and 2j + 1 exactly one has each
        picture.

    Returns
    -------
    `ONE` : of the next pair the network that never saw the picture. `MANY` : of every other pair
    the one that never saw it. `BOTH` : every other pair as a whole, networks that had the picture
    and networks that never did (the "online" attack).
    """
    found: dict[str, list[np.ndarray]] = {ONE: [], MANY: [], BOTH: []}
    for victim in range(len(p)):
        pairs = (victim // 2 + 1 + np.arange(len(p) // 2 - 1)) % (len(p) // 2)
        others = np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()
        seen = p[victim], population[victim]
        found[ONE].append(_never_saw(*seen, p, population, member, others[:2]))
        found[MANY].append(_never_saw(*seen, p, population, member, others))
        known = p[others], seen[1], population[others]
        found[BOTH].append(relative_membership(seen[0], *known, member=member[others]))
    return {name: np.stack(rows) for name, rows in found.items()}


def _never_saw(observed, asked, p, population, member, others) -> np.ndarray:
    """With half of the networks named as references, for each picture those that never saw it."""
    # sorted by membership, the first half of each column are models that never saw the picture
    order = np.argsort(member[others], axis=0, kind="stable")[: len(others) // 2]
    references = np.take_along_axis(p[others], order, axis=0)
    # twice, so that there are as many of them as networks that answer on the population: the mean
    # over them, which is all that counts, is the same
    return relative_membership(
        observed, np.repeat(references, 2, axis=0), asked, population[others]
    )
