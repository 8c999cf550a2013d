"""What the recorded looks say: a sentence, tables and claims, for classifiers and generators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...generation.trials import recorded as trials
from ...generation.trials import relearning
from ...metrics import Verdict, significance
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...runs.summary import AGAIN as MARK
from ...runs.summary import label as method_label
from ...shown import amount
from ..claims import Claim, claims_table, in_words, together
from ..common import NONE_RECORDED, Answer
from . import summary
from .study import AGAIN, BENIGN, NAME, ORACLE, ORIGINAL

CLASS = "class-3"
OURS = "salun"
LEAST = 3  # seeds, or runs of a generator, behind a mean
REFERENCES = (ORACLE, AGAIN, ORIGINAL)


def label(network: str) -> str:
    """What prose calls a network of a record: "another Retrain" for the one of another seed."""
    return method_label(MARK) if network == AGAIN else summary.label(network)


def on_file(*, tier: str = "cpu") -> list[Record]:
    """Recorded looks, of tasks with at least `LEAST` seeds."""
    records = load_records(tier=tier, method=NAME)
    rows = summary.network_rows(records)
    seeds = rows.groupby("scenario").seed.nunique()
    return [r for r in records if seeds.get(r.row()["scenario"], 0) >= LEAST]


def of_class(records: Iterable[Record]) -> pd.DataFrame:
    """`summary.relearn_rows` of the class, in full precision."""
    found = summary.relearn_rows(records)
    return found[(found.scenario == CLASS) & (found.bits == 32)]


def diverged(records: Iterable[Record]) -> str:
    """One line that names the methods which ended in no network on some seeds; "" for none."""
    counts: dict[tuple[str, str], int] = {}
    for r in records:
        for name in r.measurements.get("diverged", {}):
            key = (r.row()["scenario"], label(name))
            counts[key] = counts.get(key, 0) + 1
    said = [f"{name} on {where} in {n} of its seeds" for (where, name), n in counts.items()]
    return f"Diverged, and without a row there: {'; '.join(said)}." if said else ""


def answer(records: Iterable[Record]) -> Answer:
    """How much of the class ten steps on one picture bring back, and how alike features are."""
    records = list(records)
    look = _after(of_class(records), "1", 10)
    rows = summary.network_rows(records)
    rows = rows[rows.scenario == CLASS].groupby("network").cka_forget.mean()
    if OURS not in look or OURS not in rows:
        return Answer((NONE_RECORDED,))
    others = {label(n): v for n, v in look.items() if n not in (*REFERENCES, OURS)}
    least = min(others, key=lambda n: others[n])
    return Answer(
        (
            f"Ten steps on a single picture bring {look[OURS]:.0f} % of a forgotten class back to"
            f" SalUn, and {look[ORACLE]:.0f} % to Retrain, which never knew it; of the other"
            f" methods {least} gives least back, {others[least]:.0f} %.",
            f"Inside, SalUn's last features of forgotten pictures have an alignment of"
            f" {rows[OURS]:.2f} with Retrain's; those of another Retrain have {rows[AGAIN]:.2f},"
            f" those of the original {rows[ORIGINAL]:.2f}.",
        )
    )


def _after(curves: pd.DataFrame, lesson: str, step: int) -> dict[str, float]:
    """network -> mean accuracy on the forgotten, after so many steps of a lesson."""
    part = curves[(curves.lesson == lesson) & (curves.step == step)]
    return part.groupby("network", sort=False).forget.mean().to_dict()


def network_table(records: Iterable[Record], scenario: str) -> Table:
    """Means over seeds: scores, the probe, alignment of the last features with Retrain's."""
    rows = summary.network_rows(records)
    rows = rows[rows.scenario == scenario]
    probe = "class" if rows["class"].notna().any() else "member"
    columns = {"ua": "UA", "ra": "RA", "ta": "TA", probe: f"probe: {probe}"}
    means = rows.groupby("network", sort=False)
    frame = means[list(columns)].mean().rename(columns=columns)
    frame.insert(0, "seeds", means.seed.nunique().astype(str))
    for part in ("forget", "test"):
        frame[f"CKA, {part}"] = [Cell(f"{v:.3f}") for v in means[f"cka_{part}"].mean()]
    named = frame.rename(index=label).rename_axis("network")
    return table(named, reference=[label(n) for n in REFERENCES if label(n) in named.index])


def relearn_table(curves: pd.DataFrame) -> Table:
    """Steps until half of the class is recognised, median over seeds, for each lesson; and how much
    is after ten steps on one picture.
    """
    soon = summary.steps_to(curves, 50)
    lessons = list(dict.fromkeys(soon.lesson))
    middle = soon.pivot_table(
        index="network", columns="lesson", values="step", aggfunc="median", sort=False
    )[lessons]
    frame = middle.map(lambda v: "never" if np.isinf(v) else f"{v:g}").rename(
        columns=summary.lesson_name
    )
    ends = summary.averaged(
        curves[(curves.lesson == "1") & (curves.step == 10)], ["network"], "forget"
    )
    frame["1 picture, 10 steps, %"] = [
        Cell(f"{ends['mean'][n]:.1f}", between(ends.low[n], ends.high[n], 1)) for n in frame.index
    ]
    named = frame.rename(index=label).rename_axis("network")
    return table(named, reference=[label(n) for n in REFERENCES if label(n) in named.index])


def klom_table(distances: pd.DataFrame, scenario: str) -> Table:
    """KLoM on each kind of pictures, nats."""
    part = distances[distances.scenario == scenario]
    wide = part.pivot_table(index="network", columns="part", values="klom", sort=False)
    wide.columns.name = None
    named = wide.rename(index=label).rename_axis("network")
    known = [label(n) for n in REFERENCES if label(n) in named.index]
    return table(named, digits=2, reference=known)


def rounded_table(records: Iterable[Record], scenario: str) -> Table:
    """UA and TA with weights of 32, 8 and 4 bits, and the share of weights that unlearning had
    moved to another whole number, all in per cent.
    """
    small = summary.rounded_rows(records)
    small = small[small.scenario == scenario]
    columns: dict[str, pd.Series] = {}
    for measure, title in (("ua", "UA"), ("ta", "TA"), ("codes_changed", "moved")):
        means = small.pivot_table(index="network", columns="bits", values=measure, sort=False)
        columns |= {f"{title}, {b}": means[b] for b in (32, 8, 4) if b in means}
    frame = pd.DataFrame(columns)
    order = [n for n in dict.fromkeys(small.network) if n in frame.index]
    return table(frame.loc[order].rename(index=label).rename_axis("network"))


def generators() -> pd.DataFrame:
    """`summary.generator_rows` of erasers with at least `LEAST` runs."""
    every = summary.generator_rows(load_records(tier="cpu", method=relearning.NAME))
    if not len(every):
        return every
    enough = [
        part for _, part in every.groupby(["model", "network"], sort=False) if _runs(part) >= LEAST
    ]
    return pd.concat(enough) if enough else every.head(0)


def generator_table(every: pd.DataFrame, model: str, lesson: str) -> Table:
    """Drawings of the concept that are recognised, by step, and how the others changed."""
    part = every[(every.model == model) & (every.lesson == lesson)]
    wide = part.pivot_table(index="network", columns="step", values="forget", sort=False)
    wide.columns = [f"{step} steps" for step in wide.columns]
    groups = part.groupby("network", sort=False)
    wide.insert(0, "runs", groups.apply(_runs).reindex(wide.index).astype(str))
    first, last = (part[part.step == s] for s in (part.step.min(), part.step.max()))
    change = last.groupby("network").others.mean() - first.groupby("network").others.mean()
    wide["others, change"] = change.reindex(wide.index)
    return table(wide.rename_axis("eraser"), signed=["others, change"])


def _runs(part: pd.DataFrame) -> int:
    return len(part[["concept", "seed"]].drop_duplicates())


def ways_back(model: str = "mini-sd") -> Table | None:
    """Drawings in which the concept is recognised by a learned word and from inverted noise, beside
    the same of the original; None where nothing is recorded.
    """
    attacked = trials.rows(model)
    attacked = attacked.dropna(subset=["word"]) if len(attacked) else attacked
    if not len(attacked):
        return None
    ways = attacked.groupby("name", sort=False)[["ua", "word", "noise"]].mean()
    ways.loc["original"] = [
        np.nan,
        attacked.original_word.mean(),
        attacked.original_noise.mean(),
    ]
    ways.columns = ["UA before", "learned word, %", "inverted noise, %"]
    return table(ways.rename_axis("eraser"), reference=["original"])


OF_FEATURES = (  # claims of an alignment, which is no percentage
    "SalUn's last features of forgotten pictures are less like Retrain's than another Retrain's"
    " are",
    "they are even less like Retrain's than the original's, which knows the class",
)


def claims(records: Iterable[Record], every: pd.DataFrame) -> Table | None:
    """The claims of the page; None where too little is recorded."""
    records = list(records)
    curves, rows = of_class(records), summary.network_rows(records)
    rows = rows[rows.scenario == CLASS]
    if OURS not in set(rows.network):
        return None
    made = [
        Claim(text, verdict, in_words(verdict, "" if text in OF_FEATURES else " points"))
        for text, verdict in tests(rows, curves).items()
    ]
    made += [_sooner(curves), _harmless(curves), *_ensembles(records), *_taught_again(every)]
    return claims_table(made)


def tests(rows: pd.DataFrame, curves: pd.DataFrame) -> dict[str, Verdict]:
    """Comparisons of SalUn's network, paired by seed, p corrected by Holm for their number."""
    look = curves[(curves.lesson == "1") & (curves.step == 10)]
    asked: dict[str, tuple[Any, Any, str]] = {
        OF_FEATURES[0]: (
            _by_seed(rows, "cka_forget", OURS),
            _by_seed(rows, "cka_forget", AGAIN),
            "lower",
        ),
        OF_FEATURES[1]: (
            _by_seed(rows, "cka_forget", OURS),
            _by_seed(rows, "cka_forget", ORIGINAL),
            "lower",
        ),
        "a probe finds more of the class in SalUn than in another Retrain": (
            _by_seed(rows, "class", OURS),
            _by_seed(rows, "class", AGAIN),
            "higher",
        ),
        "ten steps on one picture bring more of the class back to SalUn than to Retrain": (
            _by_seed(look, "forget", OURS),
            _by_seed(look, "forget", ORACLE),
            "higher",
        ),
    }
    return together(
        {
            text: significance(mine, theirs, better=way)
            for text, (mine, theirs, way) in asked.items()
        }
    )


def _by_seed(rows: pd.DataFrame, column: str, network: str) -> dict[int, float]:
    part = rows[rows.network == network]
    return dict(zip(part.seed, part[column], strict=True))


def _sooner(curves: pd.DataFrame) -> Claim:
    soon = summary.steps_to(curves[curves.lesson == "10"], 50)
    middle = soon.groupby("network", sort=False).step.median()
    methods = middle.drop(index=list(REFERENCES))
    slowest, last = methods.idxmax(), curves.step.max()
    exact = f"{middle[ORACLE]:g} steps" if np.isfinite(middle[ORACLE]) else f"not within {last:g}"
    return Claim(
        "every method gives the class back in fewer steps on ten pictures than Retrain needs"
        " (medians)",
        bool((methods < middle[ORACLE]).all()),
        f"slowest {label(slowest)}, {methods[slowest]:g} steps; Retrain {exact}",
    )


def _harmless(curves: pd.DataFrame) -> Claim:
    part = curves[(curves.lesson == BENIGN) & ~curves.network.isin(REFERENCES)]
    groups = part.groupby(["network", "step"], sort=False).forget.mean().unstack("step")
    gain = groups[groups.columns.max()] - groups[groups.columns.min()]
    return Claim(
        "training on retained pictures brings back less than 5 points of the class, whatever the"
        " method (means)",
        bool(gain.max() < 5),
        f"most {amount(float(gain.max()), signed=True)}, {label(gain.idxmax())}",
    )


def _ensembles(records: list[Record]) -> list[Claim]:
    distances = summary.klom_rows(records)
    part = distances[(distances.scenario == CLASS) & (distances.part == "forget")]
    found: Mapping[str, float] = part.set_index("network").klom.to_dict()
    if not {OURS, AGAIN} <= set(found):
        return []
    return [
        Claim(
            "SalUn's KLoM on forgotten pictures is at most twice that of another set of Retrains"
            " (means)",
            found[OURS] <= 2 * found[AGAIN],
            f"{found[OURS]:.2f} and {found[AGAIN]:.2f} nats",
        )
    ]


def _taught_again(every: pd.DataFrame) -> list[Claim]:
    if not len(every):
        return []
    late = every[(every.lesson == "10") & (every.network != "Retrain")]
    late = late[late.step == late.groupby("model").step.transform("max")]
    means = late.groupby(["model", "network"], sort=False).forget.mean()
    least = means.idxmin()
    return [
        Claim(
            "in generators, a hundred steps on ten pictures bring back more than half of the"
            " concept, whatever erased it (means)",
            bool((means > 50).all()),
            f"least {least[1]} of {least[0]}, {means.min():.0f} %",
        )
    ]
