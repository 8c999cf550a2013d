"""Records of `traces.study`, and of generators that relearn, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ...generation.trials.recorded import label as eraser_label
from ...metrics import bootstrap_interval, klom
from ...runs import Record, over_seeds
from ...runs.records.alike import PROVENANCE, check_alike
from ...runs.summary import label as method_label
from .inside import LAST
from .study import AGAIN, BENIGN, ORACLE, ORIGINAL

LEAST = 5  # networks behind a distribution of margins
FIRST = (ORACLE, AGAIN, ORIGINAL)


def label(network: str) -> str:
    """What prose calls a network of a record."""
    return "Retrain, other seed" if network == AGAIN else method_label(network)


def latest(records: Iterable[Record]) -> list[Record]:
    """One record a scenario and seed, the latest, in this order."""
    found = {}
    for r in sorted(records, key=lambda r: r.created):
        found[r.row()["scenario"], r.seeds["unlearning"]] = r
    for where in {scenario for scenario, _ in found}:
        check_alike(
            (r for key, r in found.items() if key[0] == where), of=("settings", *PROVENANCE)
        )
    return [found[key] for key in sorted(found)]


def _each(records: Iterable[Record]):
    """(scenario, seed, network, what is recorded of it), networks in the order of the record behind
    Retrain and the original.
    """
    for r in latest(records):
        networks = r.measurements["networks"]
        for name in [n for n in FIRST if n in networks] + [n for n in networks if n not in FIRST]:
            yield r.row()["scenario"], r.seeds["unlearning"], name, networks[name]


def network_rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row a scenario, seed and network.

    Returns
    -------
    ua, ra, ta, mia and test_forgotten (per cent; the last NaN where no class was forgotten); class,
    others and member, the accuracies of probes (per cent, NaN where there is none); cka_forget and
    cka_test, the alignment of the last layer with Retrain's.
    """
    rows = [
        {
            "scenario": where,
            "seed": seed,
            "network": name,
            **found["scores"],
            **found["probe"],
            **{f"cka_{part}": layers[LAST] for part, layers in found["cka"].items()},
        }
        for where, seed, name, found in _each(records)
    ]
    columns = [
        "scenario",
        "seed",
        "network",
        "ua",
        "ra",
        "ta",
        "mia",
        "test_forgotten",
        "class",
        "others",
        "member",
        "cka_forget",
        "cka_test",
    ]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:], float))


def layer_rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row a scenario, seed, network, part ("forget", "test") and layer, with its cka to
    Retrain; layers first to last.
    """
    rows = [
        {
            "scenario": where,
            "seed": seed,
            "network": name,
            "part": part,
            "layer": layer,
            "cka": value,
        }
        for where, seed, name, found in _each(records)
        for part, layers in found["cka"].items()
        # a record is sorted by name
        for layer, value in sorted(layers.items(), key=lambda pair: (pair[0] == LAST, pair[0]))
    ]
    return pd.DataFrame(rows, columns=["scenario", "seed", "network", "part", "layer", "cka"])


def relearn_rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row a scenario, seed, network, lesson, bits and look.

    Returns
    -------
    lesson : number of pictures as text, or "benign". bits : 32 as it was, or what its weights were
        rounded to. step. forget, test and
    test_forgotten : accuracies in per cent on pictures of D_f that it was not taught, on the test
        set, and on test pictures of the
    forgotten class (NaN in random forgetting).
    """
    rows = []
    for where, seed, name, found in _each(records):
        curves = [
            (32, lesson, found["relearn"][lesson]) for lesson in sorted(found["relearn"], key=_size)
        ]
        curves += [
            (int(bits), str(small["lesson"]), small["relearn"])
            for bits, small in found["rounded"].items()
        ]
        rows += [
            {
                "scenario": where,
                "seed": seed,
                "network": name,
                "lesson": lesson,
                "bits": bits,
                **look,
            }
            for bits, lesson, curve in curves
            for look in curve
        ]
    columns = [
        "scenario",
        "seed",
        "network",
        "lesson",
        "bits",
        "step",
        "forget",
        "test",
        "test_forgotten",
    ]
    return pd.DataFrame(rows, columns=columns)


def _size(lesson: str) -> float:
    """What lessons are ordered by: their number of pictures, the harmless one last."""
    return float("inf") if lesson == BENIGN else int(lesson)


def rounded_rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row a scenario, seed, network and bits (32: as it was).

    Returns
    -------
    ua, ra, ta (per cent), cka_forget (last layer, to Retrain in full precision), codes_changed
    (share of rounded weights that unlearning moved to another integer, per cent; NaN at 32).
    """
    rows = []
    for where, seed, name, found in _each(records):
        key = {"scenario": where, "seed": seed, "network": name}
        rows.append(
            key
            | {
                "bits": 32,
                **{m: found["scores"][m] for m in ("ua", "ra", "ta")},
                "cka_forget": found["cka"]["forget"][LAST],
            }
        )
        for bits, small in found["rounded"].items():
            own = {m: small[m] for m in ("ua", "ra", "ta")} | {"cka_forget": small["cka"]["forget"]}
            rows.append(
                key | {"bits": int(bits), **own, "codes_changed": 100 * small["codes_changed"]}
            )
    return pd.DataFrame(
        rows,
        columns=[
            "scenario",
            "seed",
            "network",
            "bits",
            "ua",
            "ra",
            "ta",
            "cka_forget",
            "codes_changed",
        ],
    )


def klom_rows(records: Iterable[Record]) -> pd.DataFrame:
    """KLoM of every network to the ensemble of Retrains, one row a scenario, network and part
    ("forget", "retain", "test").

    All records of a scenario must be of one split, so that margin i is of the same picture in each.
    "Retrain, other seed" is what exact unlearning gets with so few models: not 0. With fewer than
    `LEAST` models on a side there is no row.

    Returns
    -------
    klom (mean over pictures, nats), p95 (95th percentile over pictures), low and high (bootstrap 95
    % interval of the mean over pictures, the models as they are), models, pictures.
    """
    margins: dict[tuple[str, str, str], list[list[float]]] = {}
    for where, _, name, found in _each(records):
        for part, values in found["margins"].items():
            margins.setdefault((where, name, part), []).append(values)
    rows = []
    for (where, name, part), values in margins.items():
        oracle = margins[where, ORACLE, part]
        if name == ORACLE or min(len(oracle), len(values)) < LEAST:
            continue
        each = klom(np.array(values), np.array(oracle), estimator="normal")
        low, high = bootstrap_interval(each, resamples=2000)
        rows.append(
            {
                "scenario": where,
                "network": name,
                "part": part,
                "klom": each.mean(),
                "p95": np.quantile(each, 0.95),
                "low": low,
                "high": high,
                "models": len(values),
                "pictures": len(each),
            }
        )
    return pd.DataFrame(
        rows,
        columns=["scenario", "network", "part", "klom", "p95", "low", "high", "models", "pictures"],
    )


def averaged(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Mean of `value` over seeds with its bootstrap 95 % interval: columns mean, low, high, seeds;
    one row a group, in the order found.
    """
    names = {value: "mean", f"{value}_low": "low", f"{value}_high": "high"}
    return (
        over_seeds(rows[rows[value].notna()], by, [value])
        .rename(columns=names)
        .reindex(columns=["mean", "low", "high", "seeds"])
    )


def steps_to(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """The first look at which "forget" has reached `level`, one row a network, lesson and seed;
    infinity where none has.

    Parameters
    ----------
    rows : of `relearn_rows` or `generator_rows`, of one scenario.
    """
    own = [c for c in ("network", "lesson", "bits", "seed") if c in rows]
    reached = rows.assign(step=rows.step.where(rows.forget >= level, np.inf))
    return reached.groupby(own, sort=False).step.min().reset_index()


def generator_rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row a generator, concept, eraser, seed, number of pictures and look, of records of
    `generation.trials.relearning`.

    Returns
    -------
    model, concept, network (what a page calls the eraser), seed, lesson (number of pictures, as
    text), step, forget (share of the concept's drawings that are recognised, per cent), others (the
    same of the other classes; NaN between the first and the last look), original (as forget, before
    erasing).
    """
    found: dict[tuple, dict] = {}
    of_model: dict[str, list[Record]] = {}
    for r in sorted(records, key=lambda r: r.created):
        name = eraser_label(r.spec["erased"], r.spec["mask"] or "saliency")
        of_model.setdefault(r.spec["model"], []).append(r)
        for lesson, curve in r.measurements["curves"].items():
            for look in curve:
                key = {
                    "model": r.spec["model"],
                    "concept": str(r.spec["concept"]),
                    "network": name,
                    "seed": r.seeds["unlearning"],
                    "lesson": lesson,
                    "step": look["step"],
                }
                found[tuple(key.values())] = key | {
                    "forget": look["concept"],
                    "others": look.get("others", np.nan),
                    "original": r.measurements["original"],
                }
    for alike in of_model.values():
        check_alike(alike)
    columns = [
        "model",
        "concept",
        "network",
        "seed",
        "lesson",
        "step",
        "forget",
        "others",
        "original",
    ]
    return pd.DataFrame(list(found.values()), columns=columns)


def lesson_name(lesson: str) -> str:
    """What a page calls a lesson."""
    if lesson == BENIGN:
        return "retained only"
    return "1 picture" if lesson == "1" else f"{lesson} pictures"
