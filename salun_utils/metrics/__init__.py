"""Measures of forgetting: accuracies, membership attacks, likelihood-ratio audits, significance and
distances.
"""

from .accuracy import accuracy, evaluation_mode, predict_logits
from .distances import (
    frechet_distance,
    frechet_from_moments,
    kernel_distance,
    klom,
    linear_cka,
    linear_probe,
)
from .divergence import jensen_shannon, retrain_free_divergence, zero_retrain_forgetting
from .forgetting import Forgetting, forgetting_by_models, forgetting_score
from .intervals import Interval, bootstrap_interval
from .likelihood import Audit, Roc, auc, audit, likelihood_ratio, margin, roc, tpr_at_fpr
from .membership import (
    VARIANTS,
    entropy,
    membership_attack,
    membership_features,
    membership_shares,
    modified_entropy,
)
from .relative import relative_membership, rmia
from .scores import (
    PROTOCOLS,
    Gap,
    Scores,
    check_protocol,
    confidence_worth,
    evaluate,
    halves_by_class,
)
from .significance import (
    PairedTest,
    Verdict,
    compare_pairs,
    compare_with,
    holm,
    least_p,
    paired_test,
    significance,
)
from .worth import CANT_TELL, AttackWorth, attack_worth, tells

__all__ = [
    "CANT_TELL",
    "PROTOCOLS",
    "VARIANTS",
    "AttackWorth",
    "Audit",
    "Forgetting",
    "Gap",
    "Interval",
    "PairedTest",
    "Roc",
    "Scores",
    "Verdict",
    "accuracy",
    "attack_worth",
    "auc",
    "audit",
    "bootstrap_interval",
    "check_protocol",
    "compare_pairs",
    "compare_with",
    "confidence_worth",
    "entropy",
    "evaluate",
    "evaluation_mode",
    "forgetting_by_models",
    "forgetting_score",
    "frechet_distance",
    "frechet_from_moments",
    "halves_by_class",
    "holm",
    "jensen_shannon",
    "kernel_distance",
    "klom",
    "least_p",
    "likelihood_ratio",
    "linear_cka",
    "linear_probe",
    "margin",
    "membership_attack",
    "membership_features",
    "membership_shares",
    "modified_entropy",
    "paired_test",
    "predict_logits",
    "relative_membership",
    "retrain_free_divergence",
    "rmia",
    "roc",
    "significance",
    "tells",
    "tpr_at_fpr",
    "zero_retrain_forgetting",
]
