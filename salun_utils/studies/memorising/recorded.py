"""The recorded runs on networks that memorise: tables under every attack, tests, findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ...metrics import Verdict, bootstrap_interval
from ...plots.tables import Cell, Table, between
from ...plots.tables import table as plain_table
from ...runs import Record, load_records
from ...runs.readings import READINGS, WITHOUT, gap, gap_of_means
from ...runs.summary import AGAIN, cost, label, one_a_seed
from ...runs.tuning import read_tuned
from ...unlearning import METHODS
from ..claims import Claim, claims_table, difference, paired, word
from ..common import NONE_RECORDED, REMEMBERS, Answer
from ..yardstick import yardstick

REFERENCE, OURS = "Retrain", "SalUn"
TUNED = "cifar10_jpeg_speednet_{}.yaml"
LEAST = 3  # seeds behind a place, and that two sides of a comparison must have in common
# The same network on other pictures: the first 20 classes of Tiny-ImageNet.
SECOND: dict[str, Any] = {"dataset": "tinyimagenet_32", "arch": "speednet", "train_images": 8000}


def on_file(
    scenario: str = "random-10",
    *,
    tier: str = "cpu",
    setting: Mapping[str, Any] = REMEMBERS,
) -> list[Record]:
    """Recorded runs on a network that remembers, of `REMEMBERS` or `SECOND`."""
    return load_records(tier=tier, scenario=scenario, **setting)


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


def table(records: Iterable[Record]) -> pd.DataFrame:
    """One row a method, nearest to Retrain first; the second Retrain stands among them.

    Returns
    -------
    Columns seeds, ua, ra, ta, mia (means, per cent), a column for each of `READINGS` (mean average
    gap, points), low and high (bootstrap 95 % interval of that by confidence), gap_of_means, cost
    (of Retrain's time).
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


def shown(rows: pd.DataFrame, note: str = "") -> Table:
    """`table` for a page, Retrain first; the second Retrain and doing nothing are marked. The cost
    is the time, in per cent of Retrain's.
    """
    ranked = [name for name in rows.index if name != REFERENCE]
    found = pd.DataFrame.from_dict(
        {
            name: {
                "seeds": f"{row.seeds:.0f}",
                **{m.upper(): row[m] for m in ("ua", "ra", "ta", "mia")},
                "average gap": Cell(f"{row.confidence:.2f}", between(row.low, row.high)),
                "of means": Cell(f"{row.gap_of_means:.2f}"),
                WITHOUT: Cell(f"{row[WITHOUT]:.2f}"),
                "cost, %": Cell(f"{100 * row.cost:.0f}"),
            }
            for name, row in rows.loc[
                [n for n in (REFERENCE, *ranked) if n in rows.index]
            ].iterrows()
        },
        orient="index",
    )
    none = [n for n in (REFERENCE, label(AGAIN), label("original")) if n in found.index]
    ranks = places(rows).confidence
    marked = [ranks.idxmin()] if len(ranks) else []
    return plain_table(found.rename_axis("method"), reference=none, best=marked, note=note)


def where_made(records: Iterable[Record]) -> str:
    """One line: which copy of the data, on what device."""
    records = list(records)
    notes, devices = (
        "; ".join(sorted({str(part.get(key)) for part in parts}))
        for key, parts in (
            ("note", [r.data for r in records]),
            ("name", [r.device for r in records]),
        )
    )
    return f"Data: {notes}; device: {devices}."


def places(rows: pd.DataFrame) -> pd.DataFrame:
    """The place of each method under every reading of the attack, 1 the nearest to Retrain; those
    that are no method (Retrain, another Retrain, the original, a method under a mask that isn't its
    own) have none, nor has one with fewer than `LEAST` seeds.
    """
    none = [REFERENCE, label(AGAIN), label("original")]
    controls = [name for name in rows.index if str(name).endswith(" mask")]
    if rows.empty:
        return pd.DataFrame(columns=list(READINGS))
    enough = rows[rows.seeds >= LEAST]
    methods = enough.drop(index=[*none, *controls], errors="ignore")
    return methods[list(READINGS)].rank(method="min").astype(int)


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
    wanted = {name: gaps[name] for name in (ours, *others) if name in gaps}
    return paired(wanted, ours, least=LEAST)


def verdict_table(found: Mapping[str, Verdict], bare: Mapping[str, Verdict]) -> Table:
    """Is SalUn nearer to Retrain? One row a rival: the difference with its interval, p and the
    answer, by confidence and without MIA.
    """
    rows = {
        name: {
            "pairs": str(v.test.n),
            "SalUn − it": difference(v),
            "p (Holm)": Cell(f"{v.p:.3f}"),
            "nearer?": word(v),
            "without MIA": difference(bare[name]) if name in bare else None,
            "p": Cell(f"{bare[name].p:.3f}") if name in bare else None,
            "nearer then?": word(bare[name]) if name in bare else None,
        }
        for name, v in found.items()
    }
    return plain_table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("rival"))


RIVALS = {
    "SalUn, random mask": "the saliency mask ends nearer to Retrain than a random one",
    "RL": "the saliency mask ends nearer than no mask",
    "MSG": "SalUn is nearer than MSG, which redraws the weights of smallest gradient",
    "CT": "SalUn is nearer than CT, which needs no forget set",
    "FT": "SalUn is nearer than fine-tuning alone",
}


def claims(records: Iterable[Record], overlap: float, chance: float) -> Table:
    """The claims of the page: SalUn against each of `RIVALS` that is on record, all corrected
    together, and that the two choices of weights meet less often than chance has it.

    Parameters
    ----------
    overlap : the largest share of a layer's weights that both choices take. chance : the share
        that two random choices would take.
    """
    found = verdicts(records, OURS, RIVALS)
    bare = verdicts(records, OURS, RIVALS, reading=WITHOUT)
    made = [Claim(RIVALS[name], verdict) for name, verdict in found.items()]
    if (masked := "SalUn, random mask") in bare:
        made.append(Claim(f"{RIVALS[masked]}, without MIA", bare[masked]))
    said = f"{overlap:.3f} at most, {chance:.2f} by chance"
    made.append(Claim("no layer gives both choices more than chance would", overlap < chance, said))
    return claims_table(made)


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


def worth_table(worth: pd.DataFrame) -> Table:
    """`attack_worth` for a page."""
    rows = {
        name: {
            "balanced accuracy, %": Cell(
                f"{row['balanced accuracy']:.1f}", between(row.low, row.high, 1)
            ),
            "tells members in": f"{100 * row['can tell']:.0f} % of the seeds",
        }
        for name, row in worth.iterrows()
    }
    return plain_table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("network"))


def answer(rows: pd.DataFrame) -> Answer:
    """What the page finds, with its figures."""
    methods = places(rows)
    if OURS not in methods.index:
        return Answer((NONE_RECORDED,))
    best, salun = methods.confidence.idxmin(), rows.loc[OURS]
    floor, random = yardstick(rows, "confidence"), "SalUn, random mask"
    said = (
        f"On a network that remembers its training pictures, SalUn ends {salun.confidence:.2f}"
        f" points from Retrain, place {methods.confidence[OURS]} of {len(methods)}"
        f" ({methods[WITHOUT][OURS]} without the attack)"
    )
    said += "" if best == OURS else f"; nearest is {best} with {rows.confidence[best]:.2f}"
    said += "" if floor is None else f"; another Retrain has {floor:.2f}"
    counts = sorted({int(rows.seeds[name]) for name in methods.index})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    sentences = [said + f". Means of {seeds} seeds."]
    if random in rows.index:
        sentences.append(
            f"Under a random mask of the same size the gap is {rows.confidence[random]:.2f}"
            f" ({rows[WITHOUT][random]:.2f} without the attack, where SalUn has"
            f" {salun[WITHOUT]:.2f})."
        )
    return Answer(tuple(sentences))


def tuning(folder: Path, scenario: str = "random-10") -> Table | None:
    """What tuning chose, one row an entry of the file: the values, the mean gap on the pilot seeds
    by default and as tuned, the gap on each, trials, edges, and what choosing on one seed costs;
    None where nothing is tuned.

    Parameters
    ----------
    folder : of the files of chosen values. scenario : which of them.
    """
    rows = {}
    for name, entry in read_tuned(folder / TUNED.format(scenario)).items():
        method, _, mask = name.partition("/")
        costs = entry.get("one_seed_costs")
        rows[label(method) + (f", {mask} mask" if mask else "")] = {
            "default": Cell(f"{entry['default_gap']:.2f}"),
            "tuned": Cell(
                f"{entry['pilot_gap']:.2f}",
                " ".join(f"{gap:.1f}" for gap in entry.get("pilot_gaps", [])),
            ),
            "trials": Cell(str(entry["trials"]), f"{entry.get('pruned', 0)} cut"),
            "edges": ", ".join(f"{n} {end}" for n, end in entry.get("edges", {}).items()) or "none",
            "one seed costs": None if costs is None else Cell(f"{costs:.2f}"),
            "chosen": ", ".join(f"{k} {_short(v)}" for k, v in sorted(entry["params"].items())),
        }
    if not rows:
        return None
    note = "Gaps on the pilot seeds, mean and each; a cut trial ended after the first of them."
    return plain_table(
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("method"), note=note
    )


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
