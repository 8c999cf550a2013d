"""The recorded runs on networks that memorise: tables under every attack, tests, findings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from ...metrics import Verdict, bootstrap_interval, compare_with
from ...runs import Record
from ...runs.summary import AGAIN, cost, label, one_a_seed
from ...runs.tuning import read_tuned
from ...unlearning import METHODS
from ..common import none_recorded

ATTACKS = {
    "confidence": "confidence",
    "correctness": "correctness",
    "entropy": "entropy",
    "modified entropy": "m_entropy",
    "all probabilities": "prob",
}
WITHOUT = "without MIA"
READINGS = (*ATTACKS, WITHOUT)
REFERENCE = "Retrain"
TUNED = "cifar10_jpeg_speednet_random-10.yaml"
LEAST = 3  # seeds that two sides must have in common


def name_of(record: Record) -> str:
    """What a row of the tables is called: the method, and its mask where it isn't its own."""
    method, mask = record.row()["method"], record.row()["mask"]
    if method not in METHODS or mask in (METHODS[method].mask, "none"):
        return label(method)
    return f"{label(method)}, {mask} mask"


def by_name(records: Iterable[Record]) -> dict[str, dict[int, Record]]:
    """name -> seed -> record, of runs on one task; see `runs.summary.one_a_seed`."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(name_of(record), []).append(record)
    return {name: one_a_seed(runs) for name, runs in groups.items()}


def gap(record: Record, reading: str) -> float:
    """The average gap to Retrain of one run, MIA being that of the attack named, or left out.

    Parameters
    ----------
    reading : one of `READINGS`.
    """
    mine, retrain = record.scores, record.reference
    parts = [abs(mine[m] - retrain[m]) for m in ("ua", "ra", "ta")]
    if reading != WITHOUT:
        key = ATTACKS[reading]
        parts.append(abs(mine["mia_variants"][key] - retrain["mia_variants"][key]))
    return sum(parts) / len(parts)


def gap_of_means(runs: Iterable[Record]) -> float:
    """The average gap of the mean scores, which is what published tables give: gaps of opposite
    sign on two seeds cancel in it.
    """
    rows = pd.DataFrame([record.gap for record in runs])[["ua", "ra", "ta", "mia"]]
    return float(rows.mean().abs().mean())


def table(records: Iterable[Record]) -> pd.DataFrame:
    """One row a method, nearest to Retrain first; the second Retrain stands among them.

    Returns
    -------
    Columns seeds, ua, ra, ta, mia (means, per cent), a column for each of `READINGS` (mean average
    gap, points), low and high (bootstrap 95 % interval of that by confidence), gap_of_means, cost
    (of Retrain's time) and pflop where it was counted.
    """
    rows = {}
    for name, runs in by_name(records).items():
        gaps = {reading: [gap(r, reading) for r in runs.values()] for reading in READINGS}
        low, high = bootstrap_interval(gaps["confidence"])
        means = pd.DataFrame([r.scores for r in runs.values()])[["ua", "ra", "ta", "mia"]].mean()
        rows[name] = {
            "seeds": len(runs),
            **means,
            **{reading: sum(values) / len(values) for reading, values in gaps.items()},
            "low": low,
            "high": high,
            "gap_of_means": gap_of_means(runs.values()),
            "cost": sum(map(cost, runs.values())) / len(runs),
        }
    if not rows:
        return pd.DataFrame()
    found = pd.DataFrame(rows).T.astype({"seeds": int})
    return found.sort_values("confidence", kind="stable")


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """`table` as words, for a page."""
    ranked = [name for name in rows.index if name != REFERENCE]
    found = pd.DataFrame(
        {
            "seeds": rows.seeds.astype(str),
            **{m.upper(): rows[m].map("{:.1f}".format) for m in ("ua", "ra", "ta", "mia")},
            "average gap": [
                f"{row.confidence:.2f}"
                + (f" [{row.low:.2f}, {row.high:.2f}]" if row.low == row.low else "")
                for row in rows.itertuples()
            ],
            "of means": rows.gap_of_means.map("{:.2f}".format),
            WITHOUT: rows[WITHOUT].map("{:.2f}".format),
            "time, % of Retrain": (100 * rows.cost).map("{:.0f}".format),
        }
    )
    return found.loc[[n for n in (REFERENCE, *ranked) if n in found.index]]


def places(rows: pd.DataFrame) -> pd.DataFrame:
    """The place of each method under every reading of the attack, 1 the nearest to Retrain; those
    that are no method (Retrain, another Retrain, the original) have none.
    """
    none = [REFERENCE, label(AGAIN), label("original")]
    methods = rows.drop(index=none, errors="ignore")
    return methods[list(READINGS)].rank(method="min").astype(int)


def yardstick(rows: pd.DataFrame, reading: str = "confidence") -> float | None:
    """The average gap of another Retrain, below which no difference is called one."""
    name = label(AGAIN)
    return float(rows.loc[name, reading]) if name in rows.index else None


def verdicts(
    records: Iterable[Record], ours: str, others: Iterable[str], *, reading: str = "confidence"
) -> dict[str, Verdict]:
    """Is `ours` nearer to Retrain than each of the others? Paired by seed, p corrected by Holm;
    those with fewer than `LEAST` seeds in common are left out.
    """
    gaps: dict[str, Mapping[int, float]] = {
        name: {seed: gap(r, reading) for seed, r in runs.items()}
        for name, runs in by_name(records).items()
    }
    if ours not in gaps:
        return {}
    common = {n: g for n, g in gaps.items() if len(set(g) & set(gaps[ours])) >= LEAST}
    wanted = [ours, *(n for n in others if n in common)]
    return compare_with({n: common[n] for n in wanted}, ours) if len(wanted) > 1 else {}


def verdict_rows(found: Mapping[str, Verdict]) -> pd.DataFrame:
    """Verdicts as words, for a page."""
    return pd.DataFrame(
        {
            name: {
                "pairs": str(v.test.n),
                "difference": f"{v.test.difference:+.2f}",
                "95 % interval": f"{v.test.interval.low:+.2f} to {v.test.interval.high:+.2f}",
                "p (Holm)": f"{v.p:.3f}",
                "nearer": v.answer,
            }
            for name, v in found.items()
        }
    ).T


def attack_worth(records: Iterable[Record]) -> pd.DataFrame:
    """What the confidence attack is worth on the original, on Retrain and on each method: balanced
    accuracy on pictures that it was not fitted on (per cent, mean over seeds, with the widest of
    the seeds' intervals), and whether it can tell members at all.
    """
    rows = {}
    for name, runs in by_name(records).items():
        found = [r.scores["attack"] for r in runs.values() if r.scores.get("attack")]
        if found:
            rows[name] = {
                "balanced accuracy": sum(a["balanced_accuracy"] for a in found) / len(found),
                "low": min(a["low"] for a in found),
                "high": max(a["high"] for a in found),
                "can tell": sum(a["low"] > 50 for a in found) / len(found),
            }
    return pd.DataFrame(rows).T


def answer(rows: pd.DataFrame) -> None:
    """Print what the page finds, in one sentence with its figures."""
    if "SalUn" not in rows.index:
        none_recorded()
        return
    methods = places(rows)
    best, salun = methods.confidence.idxmin(), rows.loc["SalUn"]
    floor = yardstick(rows)
    said = (
        f"On a network that remembers its training pictures, SalUn ends {salun.confidence:.2f}"
        f" points from Retrain, place {methods.confidence['SalUn']} of {len(methods)}"
        f" ({methods[WITHOUT]['SalUn']} without the attack)"
    )
    said += "" if best == "SalUn" else f"; nearest is {best} with {rows.confidence[best]:.2f}"
    said += "" if floor is None else f"; another Retrain has {floor:.2f}"
    print(textwrap.fill(said + f". Means of {salun.seeds:.0f} seeds.", width=88))


def tuning(folder: Path) -> pd.DataFrame:
    """What tuning chose, one row an entry of the file: the values, the mean gap on the pilot seeds
    by default and as tuned, the gap on each, trials, edges, and what choosing on one seed costs.

    Parameters
    ----------
    folder : of the files of chosen values.
    """
    rows = {}
    for name, entry in read_tuned(folder / TUNED).items():
        method, _, mask = name.partition("/")
        rows[label(method) + (f", {mask} mask" if mask else "")] = {
            "default": f"{entry['default_gap']:.2f}",
            "tuned": f"{entry['pilot_gap']:.2f}",
            "seeds": " ".join(f"{gap:.1f}" for gap in entry.get("pilot_gaps", [])),
            "trials": f"{entry['trials']} ({entry.get('pruned', 0)} cut)",
            "edges": ", ".join(f"{n} {end}" for n, end in entry.get("edges", {}).items()) or "none",
            "one seed costs": f"{entry['one_seed_costs']:.2f}" if "one_seed_costs" in entry else "",
            "chosen": ", ".join(f"{k} {_short(v)}" for k, v in sorted(entry["params"].items())),
        }
    return pd.DataFrame(rows).T


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
