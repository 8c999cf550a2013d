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
from .likelihood import Audit, Roc, auc, audit, likelihood_ratio, margin, roc, tpr_at_fpr
from .membership import VARIANTS, entropy, membership_attack, membership_features, modified_entropy
from .scores import (
    PROTOCOLS,
    Gap,
    Scores,
    check_protocol,
    evaluate,
    halves_by_class,
    membership_shares,
)
from .significance import (
    Interval,
    PairedTest,
    Verdict,
    bootstrap_interval,
    compare_with,
    holm,
    paired_test,
    significance,
)

__all__ = [
    "PROTOCOLS",
    "VARIANTS",
    "Audit",
    "Gap",
    "Interval",
    "PairedTest",
    "Roc",
    "Scores",
    "Verdict",
    "accuracy",
    "auc",
    "audit",
    "bootstrap_interval",
    "check_protocol",
    "compare_with",
    "entropy",
    "evaluate",
    "evaluation_mode",
    "frechet_distance",
    "frechet_from_moments",
    "halves_by_class",
    "holm",
    "kernel_distance",
    "klom",
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
    "roc",
    "significance",
    "tpr_at_fpr",
]
