"""One recorded audit: what the template `notebooks/00_audit.ipynb` executes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from ...runs import Cache, Record
from ...runs.records.naming import without_younger
from ...runs.records.numerics import units_of
from ...units import numerics
from ..common import rounded
from . import attack, further
from .shadows import Answers, Plan, Shadows

NAME = "u-lira"  # what such records are filed under, where others have their method


@numerics(
    1,
    "study/audit",
    uses=("metric/audit", "metric/likelihood", "metric/membership", "metric/features"),
)
def run(plan: Plan, *, cache: Cache | None = None, progress: bool = False) -> Record:
    """Make (or take from the cache) every shadow model, attack each, and return the record (not yet
    written).
    """
    made = Shadows(plan, cache=cache, progress=progress)
    answers, exact = list(made), None
    if plan.further:
        exact = list(Shadows(plan.retrain, cache=cache, progress=progress))
    return as_record(plan, made, measured(made, answers, exact=exact))


def measured(
    made: Shadows, answers: list[Answers], *, exact: list[Answers] | None = None
) -> dict[str, Any]:
    """Attacks on targets and on watched pictures, before unlearning and after it, and what the
    models score and cost.

    Parameters
    ----------
    exact : answers of the same shadow models under Retrain; with them `further.measured` is asked
        as well.

    Returns
    -------
    "attacks" : list of dicts with "pictures" ("targets" or "watched"), "when" ("before" or
        "after"), "attack" and what `attack.over_models` returns.
    "paper" : for "before" and "after" what `attack.paper_attack` returns.
    "models" : the facts of every model, see `Answers`, as lists.
    "further" : see `further.measured`; only with `exact`.
    """
    member, targets, seed = made.member.numpy(), made.plan.targets, made.plan.spec.seed
    end = targets + made.plan.watched
    parts = {"targets": slice(None, targets), "watched": slice(targets, end)}
    found, paper = [], {}
    for when in ("before", "after"):
        logits = torch.stack([getattr(a, when) for a in answers])
        paper[when] = attack.paper_attack(
            logits[:, :end], made.labels[:end], member[:, :end], targets, seed=seed
        )
        for name, part in parts.items():
            scores = attack.attack_scores(logits[:, part], made.labels[part], member[:, part])
            found += [
                {
                    "pictures": name,
                    "when": when,
                    "attack": kind,
                    **attack.over_models(values, member[:, part], seed=seed),
                }
                for kind, values in scores.items()
            ]
    models = {name: [a.facts[name] for a in answers] for name in answers[0].facts}
    more = {} if exact is None else {"further": further.measured(made, answers, exact)}
    return {"attacks": found, "paper": paper, "models": models, **more}


def as_record(plan: Plan, made: Shadows, found: dict[str, Any]) -> Record:
    """The record of one audit. Its `scores` and `gap` are empty: it is no row of a comparison by
    UA, RA, TA and MIA.
    """
    spec = plan.spec
    own = without_younger({k: v for k, v in asdict(plan).items() if k != "spec"})

    def mean(name):
        return float(np.mean(found["models"][name]))

    return Record.of(
        units=units_of_audit(spec.effective | own),
        device=made.device,
        id=f"{NAME}_{spec.id}_{plan.models}",
        tier=spec.tier,
        seeds=spec.seeds,
        spec=spec.effective
        | own
        | {
            "dataset": made.data.name,
            "method": NAME,
            "audited": spec.method,
        },
        seconds=mean("unlearn_seconds"),
        cpu_seconds=mean("unlearn_cpu_seconds"),
        original_seconds=mean("train_seconds"),
        data=made.facts,
        measurements=rounded(found),
    )


def units_of_audit(settings: Mapping[str, Any]) -> list[str]:
    """Units that one audit touches, from the settings in force of the runs that it audits."""
    more = [further.UNIT, "method/retrain"] if settings.get("further") else []
    return ["study/audit", *more, *units_of(settings)]
