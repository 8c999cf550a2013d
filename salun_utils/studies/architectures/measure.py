"""One recorded look at where saliency sits: several networks, one seed; what the template
`notebooks/00_anatomy.ipynb` executes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from ...errors import InputError, unknown
from ...runs import Record, RunSpec, Task, prepare
from ...runs.records.numerics import units_of_start
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ...texts import each_once
from ...units import numerics
from .anatomy import anatomy, idle
from .study import label

NAME = "anatomy"  # what such records are filed under, where others have their method
SETTINGS = ("arch", "width", "train_lr", "train_epochs")  # what may differ from network to network


def specs(networks: str, base: RunSpec | None = None, **shared: Any) -> list[RunSpec]:
    """The networks that a JSON list names, such as ``[{"arch": "resnet18", "width": 0.25}]``, as
    runs that share all other settings: those of `base`, and `shared` laid over them.

    Raises
    ------
    InputError : no such JSON, no network, or a setting that all networks share.
    """
    try:
        listed = json.loads(networks, object_pairs_hook=each_once)
    except InputError:
        raise
    except (TypeError, ValueError, RecursionError):
        listed = None
    if (
        not isinstance(listed, list)
        or not listed
        or not all(isinstance(one, dict) and "arch" in one for one in listed)
    ):
        raise InputError(
            'networks must be a JSON list such as [{"arch": "resnet18", "width": 0.25}], not'
            f" {networks!r}"
        )
    for one in listed:
        if wrong := next((name for name in one if name not in SETTINGS), None):
            raise unknown("setting of a network", wrong, SETTINGS)
    base = (base or RunSpec()).but(**shared)
    return [base.but(**one) for one in listed]


@numerics(1, "study/anatomy", uses=("saliency", "masks"))
def look(task: Task) -> dict[str, Any]:
    """The saliency mask of one network for one forget set.

    Returns
    -------
    "rows", the table of `anatomy` as columns (the share left out); "retain", the overlap (Jaccard
    index) of the mask with one made from as many pictures of D_r; "idle", the share of weights with
    next to no gradient on D_f (see `anatomy.idle`); "original", the scores of θ_o.
    """
    model, split, keep = task.original, task.split, task.spec.keep
    order = torch.randperm(
        len(split.retain), generator=generator(task.spec.seed, "retained, as many")
    )
    scores, others = (
        saliency_scores(model, part)
        for part in (split.forget, split.retain.subset(order[: len(split.forget)]))
    )
    mask, other = (SaliencyMask.top(s, keep) for s in (scores, others))
    return {
        "rows": anatomy(model, mask).drop(columns="share").round(4).to_dict("list"),
        "retain": round(mask.overlap(other), 5),
        "idle": round(sum(idle(scores).values()) / mask.numel, 5),
        "original": task.original_scores.to_dict(),
    }


def measure(networks: Sequence[RunSpec], scenarios: Sequence[str] = ("random", "class")) -> Record:
    """`look` at every network for every scenario, as one record (not yet written). Its `scores` are
    empty: it is no row of a comparison.
    """
    tasks = [
        prepare(spec.model_copy(update={"scenario": scenario}))
        for spec in networks
        for scenario in scenarios
    ]
    found = [
        {"arch": t.spec.arch, "width": t.spec.width, "scenario": t.split.name, **look(t)}
        for t in tasks
    ]
    first = tasks[0]
    shared = {
        k: v for k, v in first.spec.effective.items() if k not in (*SETTINGS, "scenario", "params")
    }
    return Record.of(
        units=units_of_anatomy([t.spec.effective for t in tasks]),
        device=first.device,
        id=f"{NAME}_{first.spec.id}",
        tier=first.spec.tier,
        seeds=first.spec.seeds,
        spec=shared | {"dataset": first.data.name, "method": NAME},
        data={
            "name": first.data.name,
            "note": first.spec.data_note or first.data.note,
            "fingerprint": first.data.fingerprint,
        },
        measurements={"masks": found},
    )


def units_of_anatomy(settings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Units that the masks of several networks touch, from the settings in force of each."""
    return ["study/anatomy", *(unit for one in settings for unit in units_of_start(one))]


def tables_of(records: Iterable[Record]) -> pd.DataFrame:
    """Every parameter of every mask on record: scenario, network (its `label`), seed, and the
    columns of `anatomy`.
    """
    parts = [
        pd.DataFrame(one["rows"]).assign(
            scenario=one["scenario"],
            network=label(one["arch"], one["width"]),
            seed=r.seeds["unlearning"],
        )
        for r in records
        for one in r.measurements.get("masks", ())
    ]
    rows = (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["scenario", "network", "seed", "weights", "kept"])
    )
    return rows.assign(share=rows.kept / rows.weights)


def overlaps_of(records: Iterable[Record]) -> pd.DataFrame:
    """One row a mask on record: scenario, network, seed, retain and idle as in `look`, and ra and
    ta of the original.
    """
    return pd.DataFrame(
        [
            {
                "scenario": one["scenario"],
                "network": label(one["arch"], one["width"]),
                "seed": r.seeds["unlearning"],
                "retain": one["retain"],
                "idle": one["idle"],
                **{m: one["original"][m] for m in ("ra", "ta")},
            }
            for r in records
            for one in r.measurements.get("masks", ())
        ]
    )
