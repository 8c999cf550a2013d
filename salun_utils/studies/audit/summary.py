"""Records of `audit.study` as tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ...metrics import bootstrap_interval
from ...runs import Record
from ...unlearning import METHODS
from .study import NAME


def audits(records: Iterable[Record]) -> dict[str, Record]:
    """The records that are audits, by the method that was audited, in the order of the registry; of
    several the latest.
    """
    found = {
        r.spec["audited"]: r
        for r in sorted(records, key=lambda r: r.created)
        if r.spec.get("method") == NAME
    }
    return {method: found[method] for method in METHODS if method in found}


def attack_rows(runs: dict[str, Record]) -> pd.DataFrame:
    """One row a method, pictures ("targets", "watched"), time ("before", "after") and attack.

    Returns
    -------
    auc, low, high (bootstrap 95 % interval, which draws models and pictures anew); tpr_1 and
    tpr_01, the true-positive rates in per cent at 1 % and 0.1 % false positives, each with _low and
    _high.
    """
    rows = []
    for method, record in runs.items():
        for found in record.measurements["attacks"]:
            row = {"method": method, **{k: found[k] for k in ("pictures", "when", "attack", "auc")}}
            row |= dict(zip(("low", "high"), found["auc_interval"]))
            for name, fpr in (("tpr_1", "0.01"), ("tpr_01", "0.001")):
                ends = found["tpr_interval"][fpr]
                row |= {
                    name: 100 * found["tpr"][fpr],
                    f"{name}_low": 100 * ends[0],
                    f"{name}_high": 100 * ends[1],
                }
            rows.append(row)
    columns = ["method", "pictures", "when", "attack", "auc", "low", "high"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def model_rows(runs: dict[str, Record]) -> pd.DataFrame:
    """One row a method: models, means of ua, ra, ta (per cent), and what one model cost in seconds
    of processor time.

    Returns
    -------
    Besides these: mia, the share of unlearned targets that the paper's attack calls non-members,
    and unseen, the same of targets that the model never saw (both per cent); lead, the mean of
    their difference with low and high (bootstrap 95 % interval over models).
    """
    rows = {}
    for method, record in runs.items():
        models = {
            name: np.asarray(values) for name, values in record.measurements["models"].items()
        }
        asked = {
            name: np.asarray(values)
            for name, values in record.measurements["paper"]["after"].items()
        }
        lead = asked["unlearned"] - asked["unseen"]
        low, high = bootstrap_interval(lead)
        rows[method] = {
            "models": len(lead),
            **{m: float(models[m].mean()) for m in ("ua", "ra", "ta")},
            "mia": float(asked["unlearned"].mean()),
            "unseen": float(asked["unseen"].mean()),
            "lead": float(lead.mean()),
            "low": low,
            "high": high,
            "train_seconds": float(models["train_cpu_seconds"].mean()),
            "unlearn_seconds": float(models["unlearn_cpu_seconds"].mean()),
        }
    return pd.DataFrame(rows).T


def curve(
    record: Record,
    *,
    pictures: str = "targets",
    when: str = "after",
    attack: str = "likelihood ratio",
) -> tuple[np.ndarray, np.ndarray]:
    """False- and true-positive rates of one attack, 0 to 1."""
    (found,) = (
        a
        for a in record.measurements["attacks"]
        if (a["pictures"], a["when"], a["attack"]) == (pictures, when, attack)
    )
    return np.asarray(found["roc"]["fpr"]), np.asarray(found["roc"]["tpr"])
