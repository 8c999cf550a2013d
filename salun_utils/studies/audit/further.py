"""What an audit can be asked besides its attacks: RMIA, exposed pictures, the forgetting score, and
scores that need no Retrain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...metrics import auc, margin
from ...units import numerics
from . import alike, attack, exposed, gap_free, reference
from .shadows import Answers, Shadows

UNIT = "study/audit/further"


@numerics(
    1,
    UNIT,
    uses=(
        "metric/audit",
        "metric/likelihood",
        "metric/relative-membership",
        "metric/forgetting",
        "metric/zero-retrain",
        "metric/retrain-free",
        "metric/accuracy",
    ),
)
def measured(made: Shadows, answers: list[Answers], exact: list[Answers]) -> dict[str, Any]:
    """All of it, on the networks before unlearning and after it.

    Parameters
    ----------
    exact : answers of the same shadow models under Retrain.

    Returns
    -------
    "attacks" : RMIA on targets, rows as in `study.measured`, and the likelihood ratio on networks
        with random weights ("when" is `gap_free.RUINED`). "by_network" : "before" and "after" ->
        attack -> its AUC on each network, for pairs. "exposed" : see `exposed.attacked`.
    "forgetting" : "before", "after" and "retrain" -> number of networks (as text) -> scores, see
        `alike.by_count`. "free" : see `gap_free.measured`.
    """
    ruined = gap_free.knows_nothing(made, "knows nothing either")
    stacks = {when: margins(answers, made, when) for when in ("before", "after")}
    plan, member = made.plan, made.member.numpy()
    asked = member[:, : plan.targets]
    scores = {when: scores_of(made, answers, when) for when in stacks}
    return {
        "attacks": [*relative(scores, asked, plan.spec.seed), on_ruined(made, ruined)],
        "by_network": {
            when: {name: [auc(s, m) for s, m in zip(each, asked)] for name, each in by.items()}
            for when, by in scores.items()
        },
        "exposed": exposed.attacked(
            stacks, member, targets=plan.targets, canaries=plan.canaries, seed=plan.spec.seed
        ),
        "forgetting": forgetting(made, stacks, margins(exact, made, "after")),
        "free": gap_free.measured(made, answers, ruined),
    }


def margins(answers: list[Answers], made: Shadows, when: str) -> np.ndarray:
    """Of every audited picture under every model, (M, n)."""
    return np.stack([margin(getattr(a, when), made.labels).numpy() for a in answers])


def scores_of(made: Shadows, answers: list[Answers], when: str) -> dict[str, np.ndarray]:
    """Scores (M, N) of the targets by the likelihood ratio, by one threshold, and by RMIA, whose
    population is the test set.
    """
    targets = made.plan.targets
    member, labels = made.member[:, :targets].numpy(), made.labels[:targets]
    asked = torch.stack([getattr(a, when)[:targets] for a in answers])
    population = torch.stack([getattr(a, f"test_{when}") for a in answers])
    p = reference.true_class(asked, labels)
    q = reference.true_class(population, made.data.test.labels.cpu())
    values = np.stack([margin(z, labels).numpy() for z in asked])
    return {
        attack.BEST: attack.leave_one_out(values, member),
        attack.BLUNT: values,
        **reference.relative_scores(p, q, member),
    }


def relative(
    scores: dict[str, dict[str, np.ndarray]], member: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """Rows of RMIA, from `scores_of` by time."""
    return [
        {
            "pictures": "targets",
            "when": when,
            "attack": name,
            **attack.over_models(by[name], member, seed=seed),
        }
        for when, by in scores.items()
        for name in reference.NAMES
    ]


def on_ruined(made: Shadows, ruined: list[Tensor]) -> dict[str, Any]:
    """The likelihood ratio on networks that know nothing: a network that is of no use passes every
    membership attack.
    """
    targets = made.plan.targets
    member, labels = made.member[:, :targets].numpy(), made.labels[:targets]
    values = np.stack([margin(asked, labels).numpy() for asked in ruined])
    scores = attack.leave_one_out(values, member)
    found = attack.over_models(scores, member, seed=made.plan.spec.seed)
    return {"pictures": "targets", "when": gap_free.RUINED, "attack": attack.BEST, **found}


def forgetting(
    made: Shadows, stacks: dict[str, np.ndarray], retrained: np.ndarray
) -> dict[str, dict[str, list[float]]]:
    """The forgetting score by the number of networks, of the first targets."""
    first = slice(None, min(made.plan.targets, alike.PICTURES))
    member, theirs = made.member[:, first].numpy(), retrained[:, first]
    sides = {**{when: m[:, first] for when, m in stacks.items()}, "retrain": theirs}
    found = {
        name: alike.by_count(ours, theirs, member, seed=made.plan.spec.seed)
        for name, ours in sides.items()
    }
    return {name: {str(n): scores for n, scores in by.items()} for name, by in found.items()}
