"""One recorded audit: what the template `notebooks/00_audit.ipynb` executes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from ...runs import Cache, Record
from ...runs.records.numerics import units_of
from ...units import numerics
from ..common import rounded
from . import attack
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
    return as_record(plan, made, measured(made, list(made)))


def measured(made: Shadows, answers: list[Answers]) -> dict[str, Any]:
    """Attacks on targets and on watched pictures, before unlearning and after it, and what the
    models score and cost.

    Returns
    -------
    "attacks" : list of dicts with "pictures" ("targets" or "watched"), "when" ("before" or
        "after"), "attack" and what `attack.over_models` returns.
    "paper" : for "before" and "after" what `attack.paper_attack` returns.
    "models" : the facts of every model, see `Answers`, as lists.
    """
    member, targets, seed = made.member.numpy(), made.plan.targets, made.plan.spec.seed
    parts = {"targets": slice(None, targets), "watched": slice(targets, None)}
    found, paper = [], {}
    for when in ("before", "after"):
        logits = torch.stack([getattr(a, when) for a in answers])
        paper[when] = attack.paper_attack(logits, made.labels, member, targets, seed=seed)
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
    return {"attacks": found, "paper": paper, "models": models}


def as_record(plan: Plan, made: Shadows, found: dict[str, Any]) -> Record:
    """The record of one audit. Its `scores` and `gap` are empty: it is no row of a comparison by
    UA, RA, TA and MIA.
    """
    spec = plan.spec
    own = {k: v for k, v in asdict(plan).items() if k != "spec"}

    def mean(name):
        return float(np.mean(found["models"][name]))

    return Record.of(
        units=units_of_audit(spec.effective),
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
    return ["study/audit", *units_of(settings)]
