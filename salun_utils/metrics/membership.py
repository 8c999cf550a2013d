"""The paper's membership attack: does the model treat a picture as one it was trained on?

A support vector machine learns to tell pictures that were trained on (members, from the retained
set) from pictures that never were (non-members, from the test set) by one feature of the model's
answer, and is then asked about the forget set. The share it calls "non-member" is the score MIA;
the model retrained without the forget set says what that share ought to be.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..seeds import generator
from ..units import numerics
from .accuracy import check_logits
from .reading import features, positive, probabilities
from .svm import fit_rbf_svm

VARIANTS = ("correctness", "confidence", "entropy", "m_entropy", "prob")
# stands for a probability of 0 inside a logarithm, as in the code of Song and Mittal
SMALLEST = 1e-30


def entropy(p: Tensor | np.ndarray) -> Tensor:
    """-Σ_i p_i log p_i for probabilities p (N, K), in nats; float64 (N,). An entry of 0 adds 0."""
    p = probabilities(p)
    return -torch.xlogy(p, p).sum(1)


def modified_entropy(p: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> Tensor:
    """-(1 - p_y) log p_y - Σ_{i≠y} p_i log(1 - p_i) for probabilities p (N, K) and labels y (N,),
    in nats; float64 (N,).

    Low where the model is sure and right, high where it is sure and wrong. Within a logarithm 0
    counts as 1e-30, so that the largest value is finite (about 138).

    Source: Song and Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning Models",
    USENIX Security 2021, eq. 9.
    """
    p = probabilities(p)
    p, labels = check_logits(p, labels)
    rows = torch.arange(len(p))
    terms = p * (1 - p).clamp_min(SMALLEST).log()
    own = p[rows, labels]
    # one entry of each row, not a column
    terms[rows, labels] = (1 - own) * own.clamp_min(SMALLEST).log()
    return -terms.sum(1)


@numerics(1, "metric/features")
def membership_features(
    logits: Tensor | np.ndarray, labels: Tensor | np.ndarray
) -> dict[str, Tensor]:
    """What each of the five variants of the attack looks at.

    Parameters
    ----------
    logits : (N, K); the softmax is taken in float64. labels : (N,) true classes.

    Returns
    -------
    float64 tensors: "correctness" (N,) 1 where the answer is right and else 0; "confidence" (N,)
    probability of the true class; "entropy" (N,); "m_entropy" (N,), the modified entropy; "prob"
    (N, K), all probabilities.
    """
    logits, labels = check_logits(logits, labels)
    p = logits.double().softmax(1)
    return {
        "correctness": (logits.argmax(1) == labels).double(),
        "confidence": p.gather(1, labels[:, None])[:, 0],
        "entropy": entropy(p),
        "m_entropy": modified_entropy(p, labels),
        "prob": p,
    }


@numerics(1, "metric/membership", uses=("metric/svm",))
def membership_attack(
    member: Tensor | np.ndarray,
    nonmember: Tensor | np.ndarray,
    target: Tensor | np.ndarray,
    *,
    C: float = 3.0,
    gamma: float | str = "auto",
    balance: bool = True,
    solver: str = "auto",
    seed: int = 0,
) -> float:
    """Fit the attack on members against non-members and return the share of `target`, in [0, 1],
    that it calls non-member.

    Parameters
    ----------
    member, nonmember, target : features (N,) or (N, F), NumPy or torch; the numbers of rows may
        differ.
    C : price of a point on the wrong side; 3 in the paper's code.
    gamma : the kernel is exp(-gamma |x - x'|²); "auto" is 1 / F, as in the paper's code.
    balance : draw as many rows of the larger side as the smaller side has, so that the attack has
        no prior opinion.
    solver : "low-rank" (seconds at 20,000 points), "pairwise" (scikit-learn's `SVC`, exact and
        slow), or "auto": the first where it reaches its tolerance, else the second. See
        `metrics.svm`.
    seed : of the draw made by `balance`.

    Notes
    -----
    Where the features say nothing (all equal), no decision is possible and every point is called a
    member: the result is 0.
    """
    member, nonmember, target = (
        features(*pair)
        for pair in (("member", member), ("nonmember", nonmember), ("target", target))
    )
    if not member.shape[1] == nonmember.shape[1] == target.shape[1]:
        widths = ", ".join(str(part.shape[1]) for part in (member, nonmember, target))
        raise InputError(
            f"member, nonmember and target must have the same number of features, not {widths}"
        )
    C, gamma = (
        positive("C", C),
        (1 / member.shape[1] if gamma == "auto" else positive("gamma", gamma)),
    )
    if balance:
        draws = generator(seed, "membership")
        count = min(len(member), len(nonmember))
        member, nonmember = (_draw(part, count, draws) for part in (member, nonmember))
    points = np.concatenate([member, nonmember])
    machine = fit_rbf_svm(
        points, np.arange(len(points)) < len(member), C=C, gamma=gamma, solver=solver
    )
    return 1 - float(machine.predict(target).mean())


def membership_shares(
    retain: tuple[Tensor, Tensor],
    nonmember: tuple[Tensor, Tensor],
    target: tuple[Tensor, Tensor],
    *,
    seed: int = 0,
) -> tuple[dict[str, float], int]:
    """All five variants of the attack. Each argument is (logits (N, K), labels (N,)).

    Returns
    -------
    The share of `target` called non-member, in percent, by variant; and how many members and
    non-members each was fitted on. The larger of the two sides is thinned out to the smaller, and
    every variant sees the same rows.
    """
    count = min(len(retain[1]), len(nonmember[1]))
    member = rows_of(retain, chosen(len(retain[1]), count, seed, "members"))
    nonmember = rows_of(nonmember, chosen(len(nonmember[1]), count, seed, "nonmembers"))
    seen, unseen, asked = (membership_features(*part) for part in (member, nonmember, target))
    return {
        name: 100 * membership_attack(seen[name], unseen[name], asked[name]) for name in seen
    }, count


def rows_of(pair: tuple[Tensor, Tensor], index: Tensor) -> tuple[Tensor, Tensor]:
    """These rows of a pair (logits, labels)."""
    return pair[0][index], pair[1][index]


def chosen(total: int, count: int, seed: int, role: str) -> Tensor:
    """Which `count` of `total` rows take part, by seed and role, in rising order."""
    return torch.randperm(total, generator=generator(seed, role))[:count].sort().values


def _draw(rows: np.ndarray, count: int, draws: torch.Generator) -> np.ndarray:
    return (
        rows
        if len(rows) == count
        else rows[torch.randperm(len(rows), generator=draws)[:count].numpy()]
    )
