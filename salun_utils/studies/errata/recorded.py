"""What the mistakes of published implementations do to the figures: recorded runs of chapters 20
and 25 as faulty minus right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ...errors import InputError
from ...metrics import bootstrap_interval
from ...runs import Record, load_records
from ...runs.records.alike import PROVENANCE, check_alike
from ...runs.records.numerics import touched_by, units_of
from ...units import numerics

NAME = "errata"  # what such records are filed under, where others have their method
PARTS = {  # what a run measures -> its measures, by the headings of tables
    "classifiers": {"ua": "UA", "ra": "RA", "ta": "TA", "mia": "MIA", "gap": "average gap"},
    "generators": {
        "ua": "UA",
        "others": "others",
        "fid": "FID",
        "fid_change": "FID change",
        "precision": "precision",
        "recall": "recall",
    },
}
FAULTS = {
    "1": "mask on the gradient only",
    "2a": "mask never applied",
    "2b": "mask of leftover gradients",
    "3a": "label may be the true one",
    "3b": "labels of a fifth of the classes",
    "4a": "original on another split",
    "4b": "SalUn on another split",
    "5": "forget pass, then retain pass",
    "6": "modified entropy wrong twice",
    "7a": "attack fitted on TA's pictures",
    "7b": "attack fitted on augmented ones",
    "8": "statistics of frozen layers move",
    "9": "shadow class scored",
    "10": "anchor set anew each epoch",
    "11": "mask of augmented pictures",
    "12a": "500 real pictures a class",
    "12b": "another class left out of them",
    "12c": "precision and recall swapped",
    "12d": "target from the moving model",
    "12e": "gradient clipped batch by batch",
    "13a": "same batch in every step",
    "13b": "FID of [−1, 1] cast to uint8",
    "13c": "original for a missing model",
    "13d": "two latents for one picture",
    "14": "mask by double argsort",
    "15a": "alpha = 0",
    "15b": "accuracy called UA",
    "15c": "ℓ1 weight 0.2",
}
STANDING = ["seeds", "gap", "nearer", "farther", "of", "floor"]
# faults that give another SalUn model, scored in the right way
IN_SALUN = ("1", "2a", "2b", "3a", "3b", "4b", "5", "11", "15a")


def recorded(
    *, tier: str = "cpu", parts: str = "classifiers", records: Iterable[Record] | None = None
) -> list[Record]:
    """Runs of one part on file, one a seed: the latest. `records` takes these in place of those on
    file.
    """
    if parts not in PARTS:
        raise InputError(f"parts must be one of {', '.join(PARTS)}, not {parts!r}")
    found = load_records(tier=tier, method=NAME, parts=parts) if records is None else records
    by_seed = {
        r.seeds["unlearning"]: r
        for r in sorted(found, key=lambda r: r.created)
        if r.spec.get("parts") == parts
    }
    check_alike(by_seed.values(), of=("settings", *PROVENANCE))
    return [by_seed[seed] for seed in sorted(by_seed)]


def rows(records: Iterable[Record]) -> pd.DataFrame:
    """Every measurement: columns seed, item, variant ("right" or "faulty"), and one a measure."""
    lines = [
        {"seed": r.seeds["unlearning"], **line} for r in records for line in r.measurements["rows"]
    ]
    return pd.DataFrame(lines, columns=None if lines else ["seed", "item", "variant"])


def effects(records: Iterable[Record], measures: Sequence[str] | None = None) -> pd.DataFrame:
    """Faulty minus right, paired by seed.

    Parameters
    ----------
    measures : which ones; by default all that a fault was measured by.

    Returns
    -------
    One row an item and measure, items in the order of `FAULTS`: columns item, measure, seeds, right
    and faulty (means over the seeds that have both), effect (their mean difference), low and high
    (its bootstrap 95 % interval; NaN for one seed).
    """
    found = rows(records)
    wanted = (
        [c for c in found.columns if c not in ("seed", "item", "variant", "model")]
        if measures is None
        else list(measures)
    )
    lines = []
    for item in (key for key in FAULTS if key in set(found.item)):
        part = found[found.item == item].set_index(["seed", "variant"])
        for measure in (m for m in wanted if m in part):
            pairs = (
                part[measure].unstack().reindex(columns=["right", "faulty"]).dropna().astype(float)
            )
            if len(pairs):
                lines.append({"item": item, "measure": measure, **_pair(pairs)})
    return pd.DataFrame(
        lines, columns=["item", "measure", "seeds", "right", "faulty", "effect", "low", "high"]
    )


def _pair(pairs: pd.DataFrame) -> dict[str, float]:
    difference = (pairs.faulty - pairs.right).tolist()
    interval = bootstrap_interval(difference)
    means = {"right": pairs.right.mean(), "faulty": pairs.faulty.mean()}
    return {
        "seeds": len(pairs),
        **means,
        "effect": sum(difference) / len(pairs),
        "low": interval.low,
        "high": interval.high,
    }


def row(table: pd.DataFrame, item: str, measure: str) -> pd.Series | None:
    """One row of `effects`, or None where it was not measured."""
    found = table[(table.item == item) & (table.measure == measure)]
    return found.iloc[0] if len(found) else None


def seen(effect: pd.Series) -> bool | None:
    """Whether the interval of an effect leaves 0 out; None where there is no interval."""
    return None if effect.low != effect.low else bool(effect.low > 0 or effect.high < 0)


def ranks(
    records: Iterable[Record],
    others: Mapping[str, Mapping[int, float]],
    items: Sequence[str] = IN_SALUN,
    *,
    floor: float = 0.0,
) -> pd.DataFrame:
    """How many other methods are nearer to Retrain than SalUn, and how many farther, with each
    fault and without any.

    Parameters
    ----------
    records : of the part "classifiers". others : method -> seed -> average gap; SalUn itself is not
        among them.
    items : faults; "right" is put before them. floor : how far two Retrains are apart; gaps that
        differ by no more are not called different.

    Returns
    -------
    Index "right" and the items: columns seeds (those that all have), gap (mean over them), nearer
    and farther (methods whose mean differs by more than `floor`), of (other methods), floor.
    """
    found = rows(records)
    if not len(found) or not others:
        return pd.DataFrame(columns=STANDING)
    gaps = {
        item: (
            found[(found.item == item) & (found.variant == "faulty")]
            .set_index("seed")
            .gap.to_dict()
        )
        for item in items
    }
    gaps = {
        "right": (
            found[(found.item == "1") & (found.variant == "right")].set_index("seed").gap.to_dict()
        ),
        **gaps,
    }
    lines = {}
    for name, mine in gaps.items():
        seeds = sorted(set(mine).intersection(*others.values()))
        if seeds:
            own = sum(mine[s] for s in seeds) / len(seeds)
            means = [sum(values[s] for s in seeds) / len(seeds) for values in others.values()]
            nearer = sum(own - mean > floor for mean in means)
            farther = sum(mean - own > floor for mean in means)
            lines[name] = [len(seeds), own, nearer, farther, len(others), floor]
    return pd.DataFrame.from_dict(lines, orient="index", columns=STANDING)


@numerics(1, "study/errata")
def units_of_errata(settings: Mapping[str, Any], part: str) -> list[str]:
    """Units that one run of chapter 20 or 25 touches, whose cells hold the experiment itself: what
    they do is versioned here.

    Parameters
    ----------
    settings : in force (`RunSpec.effective`); for the part "generators" none are needed.
    """
    if part == "generators":
        from ...generation.trials.touched import units_of_trial

        trials = [
            {"model": model, "eraser": "salun", "mask": mask}
            for model in ("ddpm-fashion", "mini-sd")
            for mask in ("saliency", "none")
        ]
        return ["study/errata", *(u for trial in trials for u in units_of_trial(trial))]
    methods = {"salun": "saliency", "salun-soft": None, "l1-sparse": None, "be": None, "rl": None}
    runs = [{**settings, "method": m, "mask": rule} for m, rule in methods.items()]
    return ["study/errata", *(unit for run in runs for unit in units_of(run))]


@touched_by("20_errata", "25_errata_of_generators")
def _of_record(record: Record) -> list[str]:
    return units_of_errata(record.spec, str(record.spec["parts"]))
