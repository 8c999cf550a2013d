"""Recorded rounds of probes: one row a run and probe, what erasing cost, how much is on record, and
what longer searches found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...generation.measures.probes import PROBES
from ...generation.trials.recorded import label
from ...runs import Record, load_records
from ...runs.records.alike import check_alike
from .study import NAME

ORIGINAL = "original"
# what prose calls the probes
TITLES = {
    "prompt": "prompt",
    "noise": "noise on the way",
    "completion": "completion",
    "inpainting": "inpainting",
    "word": "learned word",
    "words": "found words",
    "vectors": "found vectors",
    "start": "start noise",
}


def recorded(
    model: str = "mini-sd", *, tier: str = "cpu", records: Iterable[Record] | None = None
) -> list[Record]:
    """Rounds on file, one an eraser, concept and seed: the latest. `records` takes these in place
    of those on file.
    """
    found = load_records(tier=tier, method=NAME, model=model) if records is None else records
    latest: dict[tuple, Record] = {}
    for r in sorted(found, key=lambda r: r.created):
        latest[eraser_of(r), str(r.spec["concept"]), r.seeds["unlearning"]] = r
    for name in {key[0] for key in latest}:
        check_alike(r for key, r in latest.items() if key[0] == name)
    return [latest[key] for key in sorted(latest)]


def eraser_of(record: Record) -> str:
    """What a page calls the eraser of a round."""
    return label(record.spec["erased"], record.spec["mask"] or "saliency")


def rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row an eraser, concept, seed and probe.

    Returns
    -------
    search_steps (those of words and vectors), recognised and control (per cent of the erased
    pipeline's pictures), original and original_control (the same of the pipeline before erasing).
    """
    lines = [
        {
            "name": eraser_of(r),
            "concept": str(r.spec["concept"]),
            "seed": r.seeds["unlearning"],
            "search_steps": int(r.spec["search_steps"]),
            "probe": probe,
            "recognised": found["recognised"],
            "control": found["control"],
            "original": r.measurements["original"][probe]["recognised"],
            "original_control": r.measurements["original"][probe]["control"],
        }
        for r in records
        for probe, found in r.measurements["erased"].items()
    ]
    columns = ["name", "concept", "seed", "search_steps", "probe", "recognised", "control"]
    return pd.DataFrame(lines, columns=[*columns, "original", "original_control"])


def costs(records: Iterable[Record]) -> pd.DataFrame:
    """What erasing cost the other classes, one row an eraser, concept and seed.

    Returns
    -------
    change and worst (points of the share recognised, mean over the others and of the one that lost
    most; below 0 is a loss), fid and fid_change, cpu_seconds.
    """
    lines = []
    for r in records:
        kept = r.measurements["interference"].values()
        moved = [one["after"] - one["before"] for one in kept]
        far = r.measurements["distances"]
        lines.append(
            {
                "name": eraser_of(r),
                "concept": str(r.spec["concept"]),
                "seed": r.seeds["unlearning"],
                "change": float(np.mean(moved)),
                "worst": min(moved),
                "fid": far["erased"]["fid"],
                "fid_change": far["erased"]["fid"] - far["original"]["fid"],
                "cpu_seconds": r.cpu_seconds,
            }
        )
    columns = ["name", "concept", "seed", "change", "worst", "fid", "fid_change", "cpu_seconds"]
    return pd.DataFrame(lines, columns=columns)


def means(found: pd.DataFrame, value: str = "recognised") -> pd.DataFrame:
    """Mean of a column of `rows`, one row an eraser and one column a probe, those that give least
    back first; the original last, where the value is "recognised".
    """
    probes = [p for p in PROBES if p in set(found.probe)]
    mean = found.pivot_table(index="name", columns="probe", values=value)[probes]
    mean = mean.loc[mean.mean(axis=1).sort_values(kind="stable").index]
    if value == "recognised":
        mean.loc[ORIGINAL] = found.groupby("probe").original.mean()
    return mean


def coverage(records: Iterable[Record], planned: Iterable[Mapping[str, Any]]) -> str:
    """How many of the rounds that a grid asks for are on record, as a sentence.

    Parameters
    ----------
    planned : the parameters of each run of the grid; none gives "".
    """
    asked = {(label(str(p["eraser"])), str(p["concept"]), int(p["seed"])) for p in planned}
    done = {(eraser_of(r), str(r.spec["concept"]), r.seeds["unlearning"]) for r in records}
    return f"{len(asked & done)} of the grid's {len(asked)} rounds are on record." if asked else ""


def longer(
    model: str = "mini-sd", *, tier: str = "cpu", records: Iterable[Record] | None = None
) -> pd.DataFrame:
    """What a learned word brought back in runs of erasing that were attacked (chapter 9).

    Returns
    -------
    Columns name, concept, steps (of learning the word) and word (per cent recognised, mean over
    seeds), the largest share first. `records` takes these in place of those on file.
    """
    if records is None:
        records = load_records(tier=tier, model=model, where=_attacked)
    lines = [
        {
            "name": label(r.spec["eraser"], r.spec["mask"] or "none"),
            "concept": str(r.spec["concept"]),
            "steps": int(r.spec["attack_steps"]),
            "word": float(r.scores["recovered"]["word"]),
        }
        for r in records
        if _attacked(r)
    ]
    found = pd.DataFrame(lines, columns=["name", "concept", "steps", "word"])
    means = found.groupby(["name", "concept", "steps"], as_index=False).word.mean()
    return means.sort_values("word", ascending=False, kind="stable", ignore_index=True)


def _attacked(record: Record) -> bool:
    return bool(record.spec.get("attack_steps")) and "word" in record.scores.get("recovered", {})


def steps_of(found: pd.DataFrame) -> str:
    """How many steps the rounds searched for: "40 steps"."""
    fewest, most = found.search_steps.min(), found.search_steps.max()
    return f"{most} steps" if fewest == most else f"{fewest} to {most} steps"
