"""What a measure is told besides its numbers: words and numbers out of range are named in a line,
whatever the measure.
"""

from __future__ import annotations

import numpy as np
import pytest

from salun_utils import metrics
from salun_utils.errors import InputError

MARGINS = np.random.default_rng(0).normal(size=(6, 4))
P = np.full(4, 0.5)
HALF = [0, 1, 0, 1]

OPTIONS = [
    (name, call, option)
    for name, call, options in (
        (
            "bootstrap_interval",
            lambda **o: metrics.bootstrap_interval([1.0, 2.0], **o),
            ("level", "resamples"),
        ),
        (
            "paired_test",
            lambda **o: metrics.paired_test([1.0] * 20, [2.0] * 20, **o),
            ("level", "resamples"),
        ),
        (
            "significance",
            lambda **o: metrics.significance([1.0, 2.0], [2.0, 3.0], **o),
            ("alpha", "level", "resamples"),
        ),
        (
            "compare_with",
            lambda **o: metrics.compare_with({"a": [1.0], "b": [2.0]}, "a", **o),
            ("alpha",),
        ),
        (
            "audit",
            lambda **o: metrics.audit(P, HALF, **o),
            ("level", "resamples", "fprs"),
        ),
        ("tpr_at_fpr", lambda **o: metrics.tpr_at_fpr(P, HALF, **o), ("fpr",)),
        (
            "likelihood_ratio",
            lambda **o: metrics.likelihood_ratio(MARGINS, MARGINS, P, **o),
            ("floor",),
        ),
        ("rmia", lambda **o: metrics.rmia(P, P[None], P, P[None], **o), ("gamma", "a")),
        (
            "attack_worth",
            lambda **o: metrics.attack_worth(P, P, **o),
            ("level", "resamples"),
        ),
        (
            "membership_attack",
            lambda **o: metrics.membership_attack(P, P, P, **o),
            ("C", "gamma"),
        ),
        (
            "forgetting_score",
            lambda **o: metrics.forgetting_score(MARGINS, MARGINS, **o),
            ("delta", "step"),
        ),
        ("klom", lambda **o: metrics.klom(MARGINS, MARGINS, **o), ("bins", "clip", "floor")),
        (
            "kernel_distance",
            lambda **o: metrics.kernel_distance(MARGINS, MARGINS, **o),
            ("subset_size", "subsets"),
        ),
        (
            "linear_probe",
            lambda **o: metrics.linear_probe(MARGINS, [0, 1] * 3, MARGINS, [0, 1] * 3, **o),
            ("C", "max_iter"),
        ),
    )
    for option in options
]


@pytest.mark.parametrize(
    ("call", "option"),
    [pytest.param(call, option, id=f"{name}-{option}") for name, call, option in OPTIONS],
)
@pytest.mark.parametrize("value", ["word", None, -1, float("nan"), True])
def test_an_option_that_is_no_such_number_is_named(call, option, value):
    with pytest.raises(InputError) as caught:
        call(**{option: value})
    assert "\n" not in str(caught.value) and repr(value) in str(caught.value)


def test_thresholds_that_no_memory_holds_are_refused():
    with pytest.raises(InputError, match=r"step must be at least 0\.001"):
        metrics.forgetting_score(MARGINS, MARGINS, step=1e-7)


def test_values_of_p_are_numbers():
    with pytest.raises(InputError, match="p must be numbers"):
        metrics.holm(["small"])
