"""Figures that other people published and this book did not measure: CIFAR-10, ResNet-18, random
forgetting, ten trials.

Source: Fan et al., SalUn, ICLR 2024. `book/published.md` shows the same figures with remarks on
them.
"""

from __future__ import annotations

import math

import pandas as pd

from ...runs.summary import MEASURES
from .rows import Group, Row

# per cent, points, and run time, whose unit is not stated there
COLUMNS = ("ua", "ra", "ta", "mia", "avg_gap", "minutes")
RANDOM: dict[str, dict[str, tuple[float, ...]]] = {
    "random-10": {
        "retrain": (5.24, 100.00, 94.26, 12.88, 0, 43.29),
        "ft": (0.63, 99.88, 94.06, 2.70, 3.78, 2.37),
        "rl": (7.61, 99.67, 92.83, 37.36, 7.15, 2.64),
        "ga": (0.69, 99.50, 94.01, 1.70, 4.12, 0.13),
        "iu": (1.07, 99.20, 93.20, 2.67, 4.06, 3.22),
        "be": (0.59, 99.42, 93.85, 7.47, 2.76, 0.26),
        "bs": (1.78, 98.29, 92.69, 8.96, 2.67, 0.43),
        "l1-sparse": (4.19, 97.74, 91.59, 9.84, 2.26, 2.36),
        "salun": (2.85, 99.62, 93.93, 14.39, 1.15, 2.66),
        "salun-soft": (4.19, 99.74, 93.44, 19.49, 2.19, 2.71),
    },
    "random-50": {
        "retrain": (7.91, 100.00, 91.72, 19.29, 0, 23.90),
        "ft": (0.44, 99.96, 94.23, 2.15, 6.79, 1.31),
        "rl": (4.80, 99.55, 91.31, 41.95, 6.65, 2.65),
        "ga": (0.40, 99.61, 94.34, 1.22, 7.15, 0.66),
        "iu": (3.97, 96.21, 90.00, 7.29, 5.36, 3.25),
        "be": (3.08, 96.84, 90.41, 24.87, 3.72, 1.31),
        "bs": (9.76, 90.19, 83.71, 32.15, 8.13, 2.12),
        "l1-sparse": (1.44, 99.52, 93.13, 4.76, 5.72, 1.31),
        "salun": (7.75, 94.28, 89.29, 16.99, 2.65, 2.68),
        "salun-soft": (3.41, 99.62, 91.82, 31.50, 4.30, 2.72),
    },
}
# Forgetting one class; second-hand, not read in the paper itself. UA, RA, TA.
CLASS_WISE: dict[str, tuple[float, float, float]] = {
    "retrain": (100, 100, 92.47),
    "salun": (99.28, 99.40, 93.51),
    "l1-sparse": (100, 97.92, 92.29),
    "iu": (97.02, 94.78, 89.10),
    "ga": (99.91, 38.92, 38.18),
}


def published(scenario: str) -> pd.DataFrame:
    """The published rows of "random-10" or "random-50" (`COLUMNS`), or of "class" (UA, RA, TA), by
    method.
    """
    if scenario == "class":
        return pd.DataFrame.from_dict(CLASS_WISE, orient="index", columns=list(COLUMNS[:3]))
    return pd.DataFrame.from_dict(RANDOM[scenario], orient="index", columns=list(COLUMNS))


def published_rows() -> list[Row]:
    """Figures of other people, as rows without seeds, interval or place."""
    nan, rows = math.nan, []
    for scenario in (*RANDOM, "class"):
        table = published(scenario)
        retrain = table.loc["retrain"]
        note = (
            "published: Fan et al., ICLR 2024, ten trials"
            if scenario in RANDOM
            else "published, second-hand"
        )
        for method, line in table.iterrows():
            means = {m: float(line[m]) for m in MEASURES if m in line}
            gaps = {m: v - float(retrain[m]) for m, v in means.items()}
            spent = line["minutes"] / retrain["minutes"] if "minutes" in line else nan
            group = Group("published", "cifar10", "resnet18", scenario, note)
            rows.append(
                Row(
                    group,
                    method,
                    "",
                    "published",
                    (),
                    means,
                    gaps,
                    float(line.get("avg_gap", nan)),
                    nan,
                    nan,
                    float(spent),
                )
            )
    return rows
