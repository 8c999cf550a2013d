"""RMIA by hand, and on synthetic models whose margins are normal."""

from __future__ import annotations

import numpy as np
import pytest

import salun_utils.metrics as metrics
from salun_utils.errors import InputError

TARGETS, POPULATION = 600, 500


def test_one_reference_by_hand():
    """Ratios of x are 0.9 / ((1.3 * 0.5 + 0.7) / 2) = 4/3 and 2/3; those of z 8/15, 1 and 20/15."""
    prior = (1.3 * 0.5 + 0.7) / 2
    found = metrics.rmia(
        [0.9, 0.45], [[0.5, 0.5]], [0.8 * prior, prior, 4 / 3 * prior - 1e-9], [[0.5, 0.5, 0.5]]
    )
    assert found.tolist() == pytest.approx([1, 0])
    found = metrics.rmia([0.9], [[0.5]], [0.8 * prior, prior], [[0.5, 0.5]], gamma=1.5)
    assert found.tolist() == [0.5]


def test_references_that_had_it_are_averaged_with_those_that_had_not():
    """p(x) = (0.8 + (0.2 + 0.4) / 2) / 2 = 0.55; of the population 0.5, since a is 1."""
    common = ([[0.8], [0.2], [0.4]], [0.5, 0.6], np.full((3, 2), 0.5))
    member = [[True], [False], [False]]
    assert metrics.rmia([0.56], *common, member=member, a=1.0).tolist() == [0.5]
    assert metrics.rmia([0.54], *common, member=member, a=1.0).tolist() == [0.0]
    assert metrics.rmia([0.54], *common, a=1.0).tolist() == [0.5], "without: p(x) = 1.4 / 3"


class Models:
    """Networks whose true-class margin on a picture is normal about the picture's own difficulty,
    and higher by `memory` where they were trained on it.
    """

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.hard = self.rng.normal(0.5, 2.5, TARGETS + POPULATION)

    def probabilities(self, member: np.ndarray, *, memory: float) -> tuple[np.ndarray, np.ndarray]:
        """Of the targets and of the population."""
        margins = self.hard + self.rng.normal(0, 0.6, len(self.hard))
        margins[:TARGETS] += memory * member
        p = 1 / (1 + np.exp(-margins))
        return p[:TARGETS], p[TARGETS:]


@pytest.mark.parametrize("references", [1, 4])
def test_strong_on_a_network_that_remembers_and_a_coin_on_retrain(references):
    models, nobody = Models(references), np.zeros(TARGETS, dtype=bool)
    member = np.arange(TARGETS) % 2 == 0
    others = [models.probabilities(nobody, memory=0) for _ in range(references)]
    theirs = [np.stack(parts) for parts in zip(*others)]

    def attacked(memory: float) -> tuple[np.ndarray, np.ndarray]:
        seen, population = models.probabilities(member, memory=memory)
        return metrics.relative_membership(seen, theirs[0], population, theirs[1]), seen

    audit = metrics.audit(attacked(0.0)[0], member, resamples=300)
    assert audit.auc_interval.low < 0.5 < audit.auc_interval.high, "Retrain"
    scores, alone = (metrics.audit(s, member, resamples=300) for s in attacked(1.5))
    assert scores.auc_interval.low > alone.auc_interval.high, "above the population attack"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"references": np.zeros((0, 2))}, "S at least 1"),
        ({"references": [[0.5, 0.5, 0.5]]}, "references must have shape"),
        ({"observed": [0.0, 0.5]}, "above 0 and up to 1"),
        ({"gamma": 0}, "gamma"),
        ({"a": 2}, "a must be"),
        ({"member": [[True, False]]}, "not trained on it"),
        ({"member": [[True]]}, "shape of references"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, message):
    good = {
        "observed": [0.4, 0.5],
        "references": [[0.5, 0.5]],
        "population": [0.5],
        "population_references": [[0.5]],
    }
    with pytest.raises(InputError, match=message):
        metrics.relative_membership(**{**good, **change})
