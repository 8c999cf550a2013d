"""What `further.measured` found, as tables of a page; of recorded audits or of a live run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...metrics import Verdict, bootstrap_interval, significance
from ...plots.tables import Cell, Table, between, table
from ...runs import Record
from ...runs.summary import label
from ...shown import amount
from ..claims import Claim
from . import alike
from .attack import BEST, BLUNT
from .gap_free import RUINED
from .recorded import FPR, OURS, PRIORS, WIDTH, blind, precision
from .reference import BOTH, MANY, ONE

ATTACKS = (BEST, BOTH, MANY, ONE, BLUNT)
POINTS = ("auc", "low", "high", "tpr", "tpr_low", "tpr_high")


def richest(kept: Mapping[str, Record], live: Mapping[str, Record]) -> Mapping[str, Record]:
    """The recorded audits that can be asked further, where there are those of SalUn and Retrain;
    else the live ones.
    """
    return kept if {OURS, "retrain"} <= set(kept) else live


def networks(runs: Mapping[str, Record]) -> dict[str, tuple[Record, str]]:
    """What a page calls networks -> the record that tells of them, and when: the original, Retrain,
    and each audited method.
    """
    audited = [m for m in runs if m not in ("retrain", "original")]
    start = {label("original"): (runs[audited[0]], "before")} if audited else {}
    exact = {label("retrain"): (runs["retrain"], "after")} if "retrain" in runs else {}
    return {**start, **exact, **{label(m): (runs[m], "after") for m in audited}}


def rows(runs: Mapping[str, Record]) -> pd.DataFrame:
    """One row for each kind of networks, pictures and attack, at the false-positive rate `FPR`.

    Returns
    -------
    networks, pictures ("targets", "vulnerable" or "canaries"), attack, and `POINTS`: the AUC and
    the true-positive rate, each with the ends of its interval.
    """
    found = []
    for name, (record, when) in networks(runs).items():
        further = record.measurements["further"]
        every = [*record.measurements["attacks"], *further["attacks"], *further["exposed"]]
        for a in every:
            if a["when"] == when and a["pictures"] != "watched":
                at = f"{FPR:g}"
                values = [a["auc"], *a["auc_interval"], a["tpr"][at], *a["tpr_interval"][at]]
                row = {"networks": name, "pictures": a["pictures"], "attack": a["attack"]}
                found.append({**row, **dict(zip(POINTS, values, strict=True))})
    return pd.DataFrame(found, columns=["networks", "pictures", "attack", *POINTS])


def one(
    found: pd.DataFrame, networks: str, *, attack: str = BEST, pictures: str = "targets"
) -> Any:
    """The one row of `rows` that is asked for."""
    part = found[
        (found.networks == networks) & (found.attack == attack) & (found.pictures == pictures)
    ]
    return next(part.itertuples())


def attack_names(runs: Mapping[str, Record]) -> dict[str, str]:
    """What each attack is called where the number of its networks is told."""
    first = next(iter(runs.values()))
    each = (first.spec["models"] - 2) // 2
    return {
        BEST: f"U-LiRA ({each} in, {each} out)",
        BOTH: f"RMIA ({each} in, {each} out)",
        MANY: f"RMIA ({each} out)",
        ONE: "RMIA (1 out)",
        BLUNT: "one threshold (none)",
    }


def attacks_table(runs: Mapping[str, Record]) -> Table:
    """AUC of each attack on the same networks, with its interval."""
    found, names = rows(runs), attack_names(runs)
    lines = {
        names[attack]: {
            who: _auc(one(found, who, attack=attack)) for who in found.networks.unique()
        }
        for attack in ATTACKS
    }
    return _framed(lines, "attack")


def precision_table(runs: Mapping[str, Record]) -> Table:
    """Per cent of the accused that are members, at one false alarm in a hundred, by prior."""
    found, names = rows(runs), attack_names(runs)
    lines = {
        names[attack]: {
            f"{who}, {100 * prior:.0f} %": _right(one(found, who, attack=attack), prior)
            for who in found.networks.unique()
            for prior in PRIORS
        }
        for attack in ATTACKS
    }
    return _framed(lines, "attack")


def exposed_table(runs: Mapping[str, Record]) -> Table:
    """The likelihood ratio on random targets, vulnerable ones and canaries."""
    found = rows(runs)
    told = {"targets": "random", "vulnerable": "vulnerable tenth", "canaries": "canaries"}
    lines = {
        name: {who: _auc(one(found, who, pictures=kind)) for who in found.networks.unique()}
        for kind, name in told.items()
        if (found.pictures == kind).any()
    }
    return _framed(lines, "targets")


def free_table(runs: Mapping[str, Record]) -> Table:
    """Scores without a Retrain on forgotten targets, and by how much they differ from those of
    targets that the same network never saw, with its interval; means over networks.
    """
    found, lines = networks(runs), {}
    any_one = next(iter(found.values()))[0]
    ruined = any_one.measurements["further"]["attacks"]
    areas = {who: one(rows(runs), who).auc for who in found}
    areas[RUINED] = next(a["auc"] for a in ruined if a["when"] == RUINED)
    for who, (record, when) in {**found, RUINED: (any_one, RUINED)}.items():
        scores = record.measurements["further"]["free"][when]
        free = {k: np.mean(v) for k, v in scores.items()}
        lines[who] = {
            "ZRF": Cell(f"{free['zrf']:.3f}"),
            "less unseen": _lead(scores, "zrf"),
            "RF-JSD": Cell(f"{free['rf_jsd']:.3f}"),
            "less unseen's": _lead(scores, "rf_jsd"),
            "TA": Cell(f"{free['ta']:.1f}"),
            "U-LiRA's AUC": Cell(f"{areas[who]:.3f}"),
        }
    return _framed(lines, "networks")


def by_count(runs: Mapping[str, Record]) -> dict[str, dict[int, list[float]]]:
    """What a page calls networks -> N -> forgetting scores."""
    found = {}
    for who, (record, when) in networks(runs).items():
        kept = record.measurements["further"]["forgetting"]
        scores = kept["retrain" if who == label("retrain") else when]
        found[who] = {int(n): values for n, values in scores.items()}
    return found


def normals_line(shift: float = 1.0, models: int = 4000, delta: float = 0.2) -> str:
    """The forgetting score of two normal distributions from draws of them, beside the exact one."""
    score, low, high = alike.of_normals(shift, models, delta=delta)
    exact = alike.exact_score(shift, models, delta=delta)
    return (
        f"{shift:g} σ apart, δ = {delta:g}, N = {models:,}: {score:.2f}"
        f" {between(low, high)}; exactly {exact:.2f}"
    )


def blind_on_retrain(runs: Mapping[str, Record]) -> tuple[bool, str]:
    """Whether none of the attacks can tell Retrain from guessing, and the figures."""
    found = rows(runs)
    left = {a: one(found, label("retrain"), attack=a) for a in (BEST, ONE)}
    said = [f"{r.auc:.2f} {between(r.low, r.high)}" for r in left.values()]
    return all(map(blind, left.values())), f"AUC {' and '.join(said)}"


def cheaper(runs: Mapping[str, Record]) -> tuple[Verdict, str]:
    """Whether RMIA with one reference sees more of the originals than one threshold, paired by
    network, and the mean AUCs.
    """
    record, when = networks(runs)[label("original")]
    by = record.measurements["further"]["by_network"][when]
    verdict = significance(by[ONE], by[BLUNT], better="higher")
    ours, theirs = np.mean(by[ONE]), np.mean(by[BLUNT])
    return verdict, f"AUC {ours:.2f} against {theirs:.2f}, p = {verdict.p:.3f}"


def claims(runs: Mapping[str, Record]) -> list[Claim]:
    """What a page claims of them."""
    return [
        Claim(
            "neither U-LiRA nor RMIA can tell Retrain here from guessing (intervals)",
            *blind_on_retrain(runs),
        ),
        Claim(
            "RMIA with 1 reference sees more of the original here than one threshold (paired)",
            *cheaper(runs),
        ),
    ]


def data_line(runs: Mapping[str, Record]) -> str:
    """Which networks these tables are of."""
    first = runs[OURS] if OURS in runs else next(iter(runs.values()))
    planted = first.data.get("canaries", 0)
    said = (
        f"{first.spec['models']} shadow models, {first.data['targets']:,} targets, {planted}"
        f" canaries; {first.data['name']} ({first.data['note']}),"
        f" {first.data['pool']:,} pictures to draw from, seed {first.seeds['split']};"
        f" {first.device.get('name', '')}."
    )
    return textwrap.fill(said, WIDTH)


def _auc(row: Any) -> Cell:
    return Cell(f"{row.auc:.2f}", between(row.low, row.high))


def _lead(scores: Mapping[str, Sequence[float]], name: str) -> Cell:
    """Forgotten less never seen: mean over networks, and bootstrap interval."""
    differences = np.asarray(scores[name]) - np.asarray(scores[f"{name}_unseen"])
    ends = bootstrap_interval(differences)
    return Cell(amount(float(differences.mean()), 3, signed=True), between(*ends, 3))


def _right(row: Any, prior: float) -> Cell:
    if not row.tpr:
        return Cell("–")  # no threshold accuses anybody at so few false alarms
    low, middle, high = (
        100 * precision(tpr, FPR, prior) for tpr in (row.tpr_low, row.tpr, row.tpr_high)
    )
    return Cell(f"{middle:.0f}", between(low, high, 0))


def _framed(lines: Mapping[str, Mapping[str, Cell]], index: str) -> Table:
    return table(pd.DataFrame.from_dict(lines, orient="index").rename_axis(index))
