"""What becomes of each class when one concept is erased, or several, or one whose word is part of
another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ...generation.models import pipelines
from ...plots.tables import Table, table
from .live import Live


def shares(live: Live, models: Mapping[str, Any], *, per_class: int) -> pd.DataFrame:
    """One row a model, one column a class of the judge: per cent of `per_class` pictures, drawn
    from the same noises for all, in which the judge sees the class that was asked for.
    """
    judge, first = live.scene.judge, live.first
    how: dict[str, Any] = {"steps": first.steps, "guidance": first.guidance}
    how |= {"seed": first.sample_seed, "per_class": per_class}
    rows = {}
    for name, pipe in models.items():
        pixels, labels = pipelines.sample_classes(pipe, judge.classes, **how)
        right = (judge(judge.fit(pixels)) == labels).double().unflatten(0, (-1, per_class))
        rows[name] = (100 * right.mean(1)).tolist()
    return pd.DataFrame(rows, index=list(judge.classes)).T


def company(found: pd.DataFrame, erased: Mapping[str, Sequence[str]]) -> Table:
    """One row a model: what is still seen of what it erased, of the mean other class, and of the
    class that lost most.

    Parameters
    ----------
    found : of `shares`. erased : row -> the classes that it erased; none for the original.
    """
    rows = {name: _company(row, erased.get(name, ())) for name, row in found.iterrows()}
    frame = pd.DataFrame(rows).T
    frame.index.name = "erased"
    return table(frame, note="Per cent recognised of what the prompt asked for.")


def _company(row: pd.Series, gone: Sequence[str]) -> dict[str, str]:
    others = row.drop(list(gone))
    least = others.idxmin()
    return {
        "what was erased": ", ".join(f"{row[c]:.0f}" for c in gone) or "",
        "the others": f"{others.mean():.0f}",
        "least of them": f"{least}: {others[least]:.0f}",
    }
