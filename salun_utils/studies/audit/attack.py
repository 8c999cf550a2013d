"""Attacks on shadow models: each model plays the one under audit once, and the others serve the
attacker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...metrics import likelihood_ratio, margin, membership_attack, membership_features
from ...metrics.likelihood import audit, roc
from ...seeds import derive

FPRS = (0.001, 0.01)
# false-positive rates at which a curve is kept
GRID = np.concatenate([[0.0], np.logspace(-4, 0, 49)])
ATTACKS = {
    "likelihood ratio": "per picture, with models that had it and models that never did (U-LiRA)",
    "likelihood ratio, out only": "per picture, with models that never had it",
    "margin": (
        "one threshold on log(p_y / (1 - p_y)) for all pictures, which orders them as the"
        " true-class probability does"
    ),
    "entropy": "one threshold on the entropy of the answer",
    "modified entropy": "one threshold on the modified entropy",
}
BEST, BLUNT = next(iter(ATTACKS)), "margin"  # one picture at a time, and one threshold for all


def leave_one_out(margins: np.ndarray, member: np.ndarray, *, with_in: bool = True) -> np.ndarray:
    """Log-likelihood ratios (M, N) of N pictures under each of M models, judged by the M - 2 that
    are left without its pair.

    Of models 2j and 2j + 1 exactly one has each picture. If only the model itself were left out,
    the others would have known one "in" score less of its members and one "out" score less of its
    non-members, which lowers the AUC of an attack that knows nothing.

    Parameters
    ----------
    margins : (M, N) `metrics.margin` of the true class. member : bool (M, N), whether the model was
        trained on the picture.
    with_in : use models that had the picture, and made it forgotten where they were made to; else
        only those that never had it.
    """
    found = np.empty_like(margins, dtype=np.float64)
    for victim in range(len(margins)):
        others = np.arange(len(margins)) // 2 != victim // 2
        inside = np.where(member[others], margins[others], np.nan)
        outside = np.where(member[others], np.nan, margins[others])
        found[victim] = likelihood_ratio(inside if with_in else None, outside, margins[victim])
    return found


def attack_scores(logits: Tensor, labels: Tensor, member: np.ndarray) -> dict[str, np.ndarray]:
    """Each of `ATTACKS` as scores (M, N), high for pictures that the model is taken to have been
    trained on.

    Parameters
    ----------
    logits : (M, N, K) of N pictures under M models. labels : (N,). member : bool (M, N).
    """
    margins = np.stack([margin(z, labels).numpy() for z in logits])
    features = [membership_features(z, labels) for z in logits]
    return {
        "likelihood ratio": leave_one_out(margins, member),
        "likelihood ratio, out only": leave_one_out(margins, member, with_in=False),
        "margin": margins,
        "entropy": -np.stack([f["entropy"].numpy() for f in features]),
        "modified entropy": -np.stack([f["m_entropy"].numpy() for f in features]),
    }


def over_models(
    scores: np.ndarray,
    member: np.ndarray,
    *,
    chosen: np.ndarray | None = None,
    resamples: int = 400,
    seed: int = 0,
) -> dict[str, Any]:
    """AUC and TPR at low FPR of one attack on M models together, with intervals that draw whole
    models and whole pictures anew.

    The scores of one picture under several models share the shadow models that they are judged by,
    so that drawing models alone would give intervals that are too narrow.

    Parameters
    ----------
    scores : (M, N), high for members. member : bool (M, N).
    chosen : bool (M, N), the scores that count; all of them by default. A picture that counts for
        one model of a pair must count for the other.

    Returns
    -------
    "auc", "auc_interval", "tpr" and "tpr_interval" by false-positive rate (as text), and "roc":
    "fpr" and "tpr" on `GRID`.
    """
    counts = np.ones(scores.shape, dtype=bool) if chosen is None else chosen
    flat, inside = scores[counts], member[counts]
    groups = np.argwhere(counts)  # model and picture, in the order of `flat`
    found, curve = (
        audit(flat, inside, groups=groups, fprs=FPRS, resamples=resamples, seed=seed),
        roc(flat, inside),
    )
    reached = [
        float(curve.tpr[np.searchsorted(curve.fpr, f + 1e-12, side="right") - 1]) for f in GRID
    ]
    return {
        "auc": found.auc,
        "auc_interval": list(found.auc_interval),
        "tpr": {f"{f:g}": v for f, v in found.tpr.items()},
        "tpr_interval": {f"{f:g}": list(v) for f, v in found.tpr_interval.items()},
        "roc": {"fpr": GRID.tolist(), "tpr": reached},
        "members": found.members,
        "nonmembers": found.nonmembers,
    }


def paper_attack(
    logits: Tensor, labels: Tensor, member: np.ndarray, targets: int, *, seed: int = 0
) -> dict[str, list[float]]:
    """The paper's attack on every model: an SVM on the true-class confidence, fitted on watched
    pictures, asked about targets.

    Parameters
    ----------
    logits : (M, N, K) of the targets and then the watched pictures. targets : how many of the N are
        targets.

    Returns
    -------
    Per model, in per cent: "unlearned", the share of unlearned targets that it calls non-members
    (the paper's MIA), and "unseen", the same of targets that the model never saw. A model that
    forgot exactly has the same chance of both.
    """
    shares: dict[str, list[float]] = {"unlearned": [], "unseen": []}
    for k, (z, inside) in enumerate(zip(logits, torch.from_numpy(member))):
        confidence = membership_features(z, labels)["confidence"]
        watched, asked = confidence[targets:], confidence[:targets]
        had, had_watched = inside[:targets], inside[targets:]
        for name, part in (("unlearned", asked[had]), ("unseen", asked[~had])):
            share = membership_attack(
                watched[had_watched], watched[~had_watched], part, seed=derive(seed, f"attack {k}")
            )
            shares[name].append(100 * float(share))
    return shares
