"""Scores for whoever has no Retrain: how far answers on forgotten pictures are from those of a
network that knows nothing (ZRF), and from the original's on pictures it never saw (RF-JSD).
"""

from __future__ import annotations

from torch import Tensor

from ...metrics import (
    accuracy,
    predict_logits,
    retrain_free_divergence,
    zero_retrain_forgetting,
)
from ...seeds import derive
from .shadows import Answers, Shadows

RUINED = "random weights"
NAMES = ("zrf", "zrf_unseen", "rf_jsd", "rf_jsd_unseen")


def knows_nothing(made: Shadows, name: str) -> list[Tensor]:
    """Logits on the targets of networks with random weights, one a model.

    Parameters
    ----------
    name : of the stream that the weights are drawn from.
    """
    targets = made.data.train.subset(made.audited[: made.plan.targets])
    tasks = (made.task(k) for k in range(made.plan.models))
    return [predict_logits(t.new_model(derive(t.spec.seed, name)), targets) for t in tasks]


def scores(
    made: Shadows, answers: list[Answers], said: list[Tensor], nothing: list[Tensor]
) -> dict[str, list[float]]:
    """One figure a model.

    Parameters
    ----------
    said : logits on the targets of the networks that are scored, one a model. nothing : of networks
        that know nothing.

    Returns
    -------
    "zrf" and "rf_jsd" on the targets that the model was trained on; "zrf_unseen" and
    "rf_jsd_unseen", the same on those it never saw, which is what a user without a Retrain can hold
    them against.
    """
    targets, labels = made.plan.targets, made.labels[: made.plan.targets]
    unseen = made.data.test.labels.cpu()
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for k, asked in enumerate(said):
        p, q = asked.double().softmax(1), nothing[k].double().softmax(1)
        original = answers[k].test_before.double().softmax(1)
        for end, part in (("", made.member[k, :targets]), ("_unseen", ~made.member[k, :targets])):
            found[f"zrf{end}"].append(zero_retrain_forgetting(p[part], q[part]))
            found[f"rf_jsd{end}"].append(
                retrain_free_divergence(p[part], labels[part], original, unseen)
            )
    return found


def measured(
    made: Shadows, answers: list[Answers], ruined: list[Tensor]
) -> dict[str, dict[str, list[float]]]:
    """`scores` of the originals ("before"), of the unlearned networks ("after") and of networks
    with random weights ("random weights"), whose logits on the targets `ruined` holds; and "ta",
    the test accuracy in per cent. To random weights every picture is one never seen, and theirs is
    on the targets.
    """
    targets, labels = made.plan.targets, made.labels[: made.plan.targets]
    nothing = knows_nothing(made, "knows nothing")
    sides = {w: [getattr(a, w)[:targets] for a in answers] for w in ("before", "after")}
    found = {w: scores(made, answers, s, nothing) for w, s in {**sides, RUINED: ruined}.items()}
    found["before"]["ta"] = [a.facts["ta_before"] for a in answers]
    found["after"]["ta"] = [a.facts["ta"] for a in answers]
    found[RUINED]["ta"] = [accuracy(asked, labels) for asked in ruined]
    return found
