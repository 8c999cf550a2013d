"""Recorded runs of forgetting in generators as tables: one row a run, one row an eraser, and
erasers compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ...errors import InputError
from ...metrics.intervals import bootstrap_interval
from ...metrics.significance import Verdict, compare_with
from ...runs import Record, load_records
from ...runs.records.alike import check_alike
from ..measures.distances import fid_between

NAMES = {
    "salun": "SalUn",
    "rl": "RL (no mask)",
    "ga": "GA",
    "selective-amnesia": "Selective Amnesia",
    "retrain": "Retrain",
    "esd-x": "ESD-x",
    "esd-u": "ESD-u",
    "uce": "UCE",
    "forget-me-not": "Forget-Me-Not",
    "concept-ablation": "concept ablation",
    "rece": "RECE",
    "erasediff": "EraseDiff",
    "advunlearn": "AdvUnlearn",
    "mace": "MACE",
    "spm": "SPM",
    "salun-cross-attention": "SalUn, cross-attention",
}
MEASURES = ("ua", "others", "change", "fid_change", "precision", "recall", "word", "noise")


def label(eraser: str, mask: str = "saliency") -> str:
    """What a page calls an eraser: "SalUn", and "SalUn, random mask" for a control."""
    name = NAMES.get(eraser, eraser)
    return name if mask in ("saliency", "none") else f"{name}, {mask} mask"


def rows(model: str, *, tier: str = "cpu", records: Iterable[Record] | None = None) -> pd.DataFrame:
    """One row a run of forgetting in `model`, the latest where a run was repeated.

    Returns
    -------
    Columns name (see `label`), concept, seed, seconds, cpu_seconds; in per cent ua, others (mean
    share recognised of the other classes), original (the same before erasing), word and noise (what
    `recovery.attack` brought back, NaN where it wasn't run); change = others - original in points;
    fid, fid_change (minus that of the original), precision and recall of the other classes;
    fid_low and fid_high, the interval over drawn pictures, NaN where it leaves its own value out.
    """
    if records is None:
        records = load_records(tier=tier, model=model, where=_erased)
    keys = {}
    counted: dict[tuple, Record] = {}
    for record in sorted(filter(_erased, records), key=lambda r: r.created):
        row = _row(record)
        keys[row["name"], row["concept"], row["seed"]] = row
        counted[row["name"], row["concept"], row["seed"]] = record
    for name in {key[0] for key in counted}:
        check_alike(record for key, record in counted.items() if key[0] == name)
    columns = [
        "name",
        "concept",
        "seed",
        *MEASURES,
        "original",
        "fid",
        "fid_low",
        "fid_high",
        "seconds",
        "cpu_seconds",
        "original_word",
        "original_noise",
        "real",
    ]
    return pd.DataFrame(list(keys.values()), columns=columns)


def _erased(record: Record) -> bool:
    """Whether a class of the data was forgotten; runs on prompt lists forget none."""
    return bool(record.spec.get("eraser")) and "forgotten" in record.scores


def _row(record: Record) -> dict:
    spec, after, before = record.spec, record.scores, record.original
    far, was = after.get("distances", {}), before.get("distances", {})
    missing = float("nan")
    low, high = fid_between(far) or (missing, missing)
    return {
        "name": label(spec.get("label") or spec["eraser"], spec.get("mask") or "none"),
        "concept": after["forgotten"],
        "seed": record.seeds["unlearning"],
        "ua": after["ua"],
        "others": after["retained_mean"],
        "original": before["retained_mean"],
        "change": after["retained_mean"] - before["retained_mean"],
        "fid": far.get("fid", missing),
        "fid_low": low,
        "fid_high": high,
        "fid_change": far.get("fid", missing) - was.get("fid", missing),
        "precision": far.get("precision", missing),
        "recall": far.get("recall", missing),
        "seconds": record.seconds,
        "cpu_seconds": record.cpu_seconds,
        **{k: after.get("recovered", {}).get(k, missing) for k in ("word", "noise", "real")},
        **{f"original_{k}": before.get("recovered", {}).get(k, missing) for k in ("word", "noise")},
    }


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Means over runs, one row a name, best first: by the share of other classes among those that
    forget as well as the best does.

    Returns
    -------
    Columns runs, concepts, seeds (how many); each of `MEASURES` with its bootstrap 95 % interval in
    <measure>_low and <measure>_high (over runs, which are classes times seeds); seconds and
    cpu_seconds (means).
    """
    lines = {}
    for name, part in table.groupby("name", sort=False):
        line = {"runs": len(part), "concepts": part.concept.nunique(), "seeds": part.seed.nunique()}
        for measure in MEASURES:
            values = part[measure].dropna().to_numpy()
            ends = bootstrap_interval(values) if len(values) else (float("nan"),) * 2
            line |= {
                measure: values.mean() if len(values) else float("nan"),
                f"{measure}_low": ends[0],
                f"{measure}_high": ends[1],
            }
        lines[name] = line | {
            "seconds": part.seconds.mean(),
            "cpu_seconds": part.cpu_seconds.mean(),
        }
    found = pd.DataFrame(lines).T
    if found.empty:
        return found
    # points short of complete forgetting, and points lost elsewhere
    damage = (100 - found.ua) + (-found.change).clip(lower=0)
    return found.loc[damage.sort_values(kind="stable").index]


def compare(
    table: pd.DataFrame,
    ours: str,
    others: Iterable[str],
    *,
    measure: str = "change",
    better: str = "higher",
) -> dict[str, Verdict]:
    """Does `ours` beat each of the `others` in a measure? Paired by concept and seed; p corrected
    by Holm for their number.

    Raises
    ------
    InputError : `ours` has no run. Others without a common run are left out.
    """
    if ours not in set(table.name):
        raise InputError(f"no run of {ours} is recorded")
    values = {
        n: {(r.concept, r.seed): getattr(r, measure) for r in part.itertuples()}
        for n, part in table.groupby("name", sort=False)
    }
    kept = {
        n: values[n] for n in (ours, *others) if n in values and set(values[n]) & set(values[ours])
    }
    return compare_with(kept, ours, better=better) if len(kept) > 1 else {}
