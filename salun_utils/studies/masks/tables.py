"""The recorded runs of four methods under ten masks: sentences, tables, claims."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ...metrics import Verdict, compare_with
from ...metrics.power import smallest_difference
from ...plots.tables import Cell, Table, between, table
from ...runs.summary import MEASURES
from ...shown import amount
from ..claims import Claim
from ..common import NONE_RECORDED, Answer
from ..yardstick import NAME, beside, in_words, note, with_row
from . import compared
from .live import MASKS, called
from .recorded import BEST, CLASS, GA_CLASS, GA_RANDOM, LEAST, RANDOM, SCENARIO, TASK, Recorded

# narrow enough to stand beside one another: a random tenth, a class, each mask at its own rate
HEADS = {
    RANDOM: "SalUn 10 %",
    GA_RANDOM: "GA 10 %",
    "FT, random 10 %": "FT 10 %",
    "IU, random 10 %": "IU 10 %",
    CLASS: "SalUn class",
    GA_CLASS: "GA class",
    BEST: "SalUn own rate",
}
HEADED = "10 %: a random tenth is forgotten. Class: class 3."
OWN_RATE = "Own rate: a random tenth, each mask at the rate that was best on the other seeds."


def answer(found: Recorded, remembering: str | None = None) -> Answer:
    """Whether a mask helps, and whether it matters which, for SalUn and GA.

    Parameters
    ----------
    remembering : a sentence on a network that remembers its pictures, which comes first.
    """
    first = () if remembering is None else (remembering,)
    if not {BEST, CLASS, GA_CLASS} <= set(found.gaps):
        return Answer(first or (NONE_RECORDED,))

    def listed(panel: str) -> str:
        masks = ("saliency", "none", "random")
        said = [f"{called(m)} {found.mean(panel, m)}" for m in masks]
        return ", ".join(said + ([again] if (again := in_words(found.floor(panel))) else []))

    decided = [m for m in ("none", "random") if _decided(found.verdict(BEST, m))]
    told = "the tests tell none of them apart" if not decided else "a test tells some apart"
    return Answer(
        (
            *first,
            "On `fashion-mini`, pictures at random, each mask at its own learning rate, SalUn's"
            f" gap is {listed(BEST)}: {told}.",
            f"Forgetting a class: {listed(CLASS)}; for gradient ascent {listed(GA_CLASS)}. What"
            " helps gradient ascent is that some weights are held, not that saliency chooses them.",
        )
    )


def _decided(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.answer in ("yes", "no")


def mean_table(found: Recorded) -> Table:
    """Mean average gaps, a row a mask and a column a method and scenario; another Retrain last."""
    columns = {
        HEADS[panel]: {called(m): sum(g.values()) / len(g) for m, g in gaps.items()}
        | ({NAME: found.floors[panel]} if panel in found.floors else {})
        for panel, gaps in found.gaps.items()
        if panel != BEST
    }
    order = [*(called(m) for m in MASKS), NAME]
    rows = pd.DataFrame(columns)
    rows = rows.reindex([name for name in order if name in rows.index])
    best, named = ([n] if n in rows.index else [] for n in ("saliency", NAME))
    said = HEADED if columns else NONE_RECORDED
    return table(rows, digits=2, best=best, reference=named, note=said)


def signed_table(found: Recorded, panel: str) -> Table:
    """Average gap with its interval, and the signed gaps; nearest to Retrain first."""
    if panel not in found.gaps:
        return table(pd.DataFrame(), caption=panel, note=NONE_RECORDED)
    part, overall = found.at_tuned, compared.summary(found.gaps[panel])
    signed = part[part.panel == panel].groupby("mask")[[f"gap_{m}" for m in MEASURES]].mean()
    every = overall.join(signed).rename(index=lambda mask: called(str(mask)))
    every = every.rename(columns={"mean": "avg_gap", "low": "avg_gap_low", "high": "avg_gap_high"})
    every = with_row(every, found.again.get(SCENARIO[panel])).sort_values("avg_gap", kind="stable")
    rows = {
        name: {
            "seeds": int(row.seeds),
            "average gap": Cell(f"{row.avg_gap:.2f}", between(row.avg_gap_low, row.avg_gap_high)),
            **{m.upper(): amount(float(row[f"gap_{m}"]), 2, signed=True) for m in MEASURES},
        }
        for name, row in every.iterrows()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    named = [name for name in ("no mask", NAME) if name in frame.index]
    return table(frame, caption=panel, best=["saliency"], reference=named)


def grid_table(found: Recorded, reference: str) -> Table:
    """Differences of the average gap to one mask: a row a mask, a column a method and scenario;
    a star where the test decides.
    """
    columns: dict[str, dict[str, Cell]] = {}
    tested = {panel: compared.differences(gaps, reference) for panel, gaps in found.gaps.items()}
    for panel, tests in tested.items():
        columns[HEADS[panel]] = {
            called(str(mask)): Cell(
                amount(float(row.difference), 2, signed=True),
                "*" if row.answer in ("closer", "further") else "",
            )
            for mask, row in tests.iterrows()
        }
    order = [called(m) for m in MASKS if m != reference]
    rows = pd.DataFrame(columns)
    rows = rows.reindex([name for name in order if name in rows.index]).astype(object)
    star = "Negative: nearer to Retrain. A star: decided, p below 0.05 after Holm's correction."
    below = f"{star}\n{HEADED}" + (f" {OWN_RATE}" if BEST in found.gaps else "")
    below += f"\n{small}" if (small := _small(found, tested)) else ""
    said = f"average gap minus that with {called(reference)}, points"
    return table(
        rows.where(rows.notna(), None), caption=said, note=below if columns else NONE_RECORDED
    )


def _small(found: Recorded, tested: Mapping[str, pd.DataFrame]) -> str:
    """The note on differences below the yardstick, of all columns of a table together."""
    parts: dict[str, dict[str, float]] = {}
    for panel, tests in tested.items():
        own = {f"{HEADS[panel]}, {called(str(m))}": d for m, d in tests.difference.items()}
        parts.setdefault(TASK[SCENARIO[panel]], {}).update(own)
    return note({TASK[s]: float(row.avg_gap) for s, row in found.again.items()}, parts)


def difference_table(found: Recorded) -> Table:
    """Every comparison with its interval and its corrected p."""
    rows = {}
    for panel, gaps in found.gaps.items():
        sides = {name: compared.differences(gaps, name) for name in ("none", "saliency")}
        for mask in (m for m in MASKS if m in gaps):
            row: dict[str, object] = {}
            for name, tests in sides.items():
                one = tests.loc[mask] if mask in tests.index else None
                row[f"minus {called(name)}"] = (
                    None
                    if one is None
                    else Cell(
                        amount(float(one.difference), 2, signed=True), between(one.low, one.high)
                    )
                )
                row[f"p, {called(name)}"] = None if one is None else f"{one.p_holm:.3f}"
            rows[f"{HEADS[panel]}: {called(mask)}"] = row
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, note="" if rows else NONE_RECORDED)


def rate_table(found: Recorded) -> Table:
    """SalUn on random forgetting by learning rate, and at the rate chosen on the other seeds."""
    if BEST not in found.gaps:
        return table(pd.DataFrame(), note=NONE_RECORDED)
    swept, best = found.swept, found.best
    wide = swept.pivot_table(index="mask", columns="factor", values="avg_gap")
    overall = compared.summary(found.gaps[BEST])
    picks = best.groupby("mask").factor.value_counts()
    rows = {
        called(str(mask)): {
            **{f"{f:g}×": f"{wide.loc[mask, f]:.2f}" for f in wide.columns},
            "at the best": Cell(f"{row['mean']:.2f}", between(row.low, row.high)),
            "chosen (seeds)": ", ".join(
                f"{f:g}× ({n})" for f, n in picks[mask].sort_index().items()
            ),
        }
        for mask, row in overall.iterrows()
    }
    said = f"{RANDOM}, average gap; 1× is a learning rate of {found.tuned:.4f}"
    floor = found.floor(BEST)
    below = "" if floor is None else f"{NAME[0].upper()}{NAME[1:]}: {floor:.2f}."
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, best=["saliency"], caption=said, note=below)


def power_table(found: Recorded) -> Table:
    """The smallest true difference that so many seeds would have found four times in five."""
    rows = {}
    for panel, gaps in found.gaps.items():
        row = {}
        for head, rival in (("saliency − no mask", "none"), ("saliency − random", "random")):
            common = sorted(set(gaps["saliency"]) & set(gaps.get(rival, {})))
            if len(common) >= LEAST:
                spread = pd.Series([gaps["saliency"][s] - gaps[rival][s] for s in common]).std()
                small = smallest_difference(len(common), float(spread)) if spread > 0 else 0.0
                row[head] = Cell(f"{small:.2f}", f"({len(common)} seeds)")
        rows[panel] = row
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame.astype(object), note="points" if rows else NONE_RECORDED)


def claims(found: Recorded) -> list[Claim]:
    """Is saliency nearer to Retrain than no mask and than a random one?"""
    asked = (
        (BEST, "none", f"{RANDOM}, each mask at its best rate", "no mask"),
        (BEST, "random", f"{RANDOM}, each mask at its best rate", "a random half"),
        (CLASS, "none", CLASS, "no mask"),
        (CLASS, "random", CLASS, "a random half"),
        (GA_CLASS, "random", GA_CLASS, "a random half"),
    )
    said = [
        beside(
            Claim(
                f"{where}: the saliency mask is nearer to Retrain than {other}",
                found.verdict(p, m),
            ),
            found.floor(p),
        )
        for p, m, where, other in asked
    ]
    bare = compare_with(found.gaps[GA_RANDOM], "none") if GA_RANDOM in found.gaps else {}
    text = f"{GA_RANDOM}: GA is nearer to Retrain without a mask than under the saliency mask"
    return [*said, beside(Claim(text, bare.get("saliency")), found.floor(GA_RANDOM))]
