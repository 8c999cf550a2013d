"""The average gap under each attack for the MIA, and without any; over seeds as the mean of gaps or
the gap of means.
"""

from __future__ import annotations

from collections.abc import Iterable

from .records.record import Record

# what a reader calls an attack -> its key in a record
ATTACKS = {
    "confidence": "confidence",
    "correctness": "correctness",
    "entropy": "entropy",
    "modified entropy": "m_entropy",
    "all probabilities": "prob",
}
WITHOUT = "without MIA"
READINGS = (*ATTACKS, WITHOUT)


def signed_gaps(record: Record, reading: str) -> dict[str, float]:
    """Signed gaps of one run to Retrain, points, by measure.

    Parameters
    ----------
    reading : one of `READINGS`.
    """
    mine, retrain = record.scores, record.reference
    gaps = {m: mine[m] - retrain[m] for m in ("ua", "ra", "ta")}
    if reading != WITHOUT:
        key = ATTACKS[reading]
        gaps["mia"] = mine["mia_variants"][key] - retrain["mia_variants"][key]
    return gaps


def gap(record: Record, reading: str) -> float:
    """The average gap to Retrain of one run, MIA being that of the attack named, or left out."""
    gaps = signed_gaps(record, reading).values()
    return sum(map(abs, gaps)) / len(gaps)


def mean_of_gaps(runs: Iterable[Record], reading: str) -> float:
    """The mean over runs of `gap`, which is what this book gives."""
    gaps = [gap(record, reading) for record in runs]
    return sum(gaps) / len(gaps)


def gap_of_means(runs: Iterable[Record], reading: str = "confidence") -> float:
    """The average gap of the mean scores, which is what published tables give: gaps of opposite
    sign on two seeds cancel in it.
    """
    signed = [signed_gaps(record, reading) for record in runs]
    means = [sum(gaps[m] for gaps in signed) / len(signed) for m in signed[0]]
    return sum(map(abs, means)) / len(means)
