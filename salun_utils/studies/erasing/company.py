"""What becomes of each class when one concept is erased, or several, or one whose word is part of
another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from torch import Tensor

from ...generation.models import pipelines
from ...plots.tables import Table, table
from .live import Live


def shares(live: Live, models: Mapping[str, Any], *, per_class: int) -> pd.DataFrame:
    """One row a model, one column a class of the judge: per cent of `per_class` pictures, drawn
    from the same noises for all, in which the judge sees the class that was asked for.
    """
    first, judge = live.first, live.scene.judge
    how: dict[str, Any] = {"steps": first.steps, "guidance": first.guidance}
    how |= {"seed": first.sample_seed, "per_class": per_class}
    drawn = {
        name: pipelines.sample_classes(pipe, judge.classes, **how) for name, pipe in models.items()
    }
    return pd.DataFrame({name: _seen(live, *both) for name, both in drawn.items()}).T


def of_run(live: Live, name: str) -> pd.DataFrame:
    """The same of a run that is on the page already: "nothing" erased, and what `name` erased."""
    run = live.runs[name]
    rows = {"nothing": run.before, str(live.first.concept): run.after}
    return pd.DataFrame({row: _seen(live, pixels, run.labels) for row, pixels in rows.items()}).T


def _seen(live: Live, pixels: Tensor, labels: Tensor) -> dict[str, float]:
    """Per cent of the pictures of each class in which the judge sees that class."""
    judge = live.scene.judge
    right = (judge(judge.fit(pixels)) == labels).double()
    return {c: 100 * float(right[labels == i].mean()) for i, c in enumerate(judge.classes)}


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
