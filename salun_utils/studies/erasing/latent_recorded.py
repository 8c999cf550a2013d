"""Recorded erasures of GANs and VAEs: which are complete, a sentence, tables and claims."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ...metrics import Verdict, compare_pairs
from ...plots.tables import Cell, Table, between, table
from ...shown import amount
from ..claims import Claim, word
from ..common import NONE_RECORDED, Answer
from .recorded import OURS, RETRAIN, label, rows, summarise

KINDS = {"GAN": "gan-fashion", "VAE": "vae-fashion"}
UNMASKED = label("rl", "none")
ASCENT = label("ga", "none")
MEASURES = {"ua": ("UA, points", "higher"), "change": ("others, points", "higher")}
MEASURES["fid_change"] = ("FID", "lower")
Rows = Mapping[str, pd.DataFrame]


def on_file() -> dict[str, pd.DataFrame]:
    """Kind -> one row a recorded run, see `recorded.rows`."""
    return {kind: rows(name) for kind, name in KINDS.items()}


def complete(every: pd.DataFrame) -> pd.DataFrame:
    """The runs of erasers that have one of each class and seed: others can't be compared."""
    if not len(every):
        return every
    wanted = every[["concept", "seed"]].drop_duplicates().shape[0]
    counts = every.name.value_counts()
    return every[every.name.map(counts) == wanted]


def missing(every: Rows) -> str:
    """What is left out as incomplete, in a sentence; "" where nothing is."""
    said = []
    for kind, part in every.items():
        kept = set(complete(part).name)
        few = part[~part.name.isin(kept)].name.value_counts()
        wanted = part[["concept", "seed"]].drop_duplicates().shape[0]
        if len(few):
            listed = ", ".join(f"{name} {count}" for name, count in few.items())
            said.append(f"{kind} (of {wanted}): {listed}")
        if RETRAIN not in set(part.name):
            said.append(f"{kind}: Retrain 0")
    return f"Left out, too few runs: {'; '.join(said)}." if said else ""


def answer(every: Rows) -> Answer:
    """How well and how fast each forgets, and what comes of leaving the mask out."""
    said = []
    for kind, part in every.items():
        found = summarise(complete(part))
        if OURS in found.index:
            ours = found.loc[OURS]
            said.append(
                f"the {kind} no longer draws the class in {ours.ua:.1f} % of pictures after"
                f" {ours.cpu_seconds:.0f} seconds, and its other classes change by"
                f" {amount(float(ours.change), signed=True)} points"
            )
    if not said:
        return Answer((NONE_RECORDED,))
    first = f"Forgetting a class takes seconds in both: {'; '.join(said)}."
    tests = against_no_mask(every, "change")
    rest = ", ".join(
        f"{kind} {amount(v.test.difference, signed=True)} points"
        f" ({word(v, yes='better', no='worse')})"
        for kind, v in tests.items()
    )
    second = f"A mask is not needed for it: SalUn minus no mask, in the other classes, is {rest}."
    return Answer((first, second) if rest else (first,))


def against_no_mask(every: Rows, measure: str) -> dict[str, Verdict]:
    """Kind -> does SalUn beat the same loss without a mask? Paired by class and seed, p corrected
    by Holm over the kinds.
    """
    pairs = {}
    for kind, part in every.items():
        sides = [_by_run(part[part.name == name], measure) for name in (OURS, UNMASKED)]
        if all(sides) and set(sides[0]) == set(sides[1]):
            pairs[kind] = (sides[0], sides[1])
    return compare_pairs(pairs, better=MEASURES[measure][1]) if pairs else {}


def _by_run(part: pd.DataFrame, measure: str) -> dict[tuple[str, int], float]:
    return {(r.concept, r.seed): float(getattr(r, measure)) for r in part.itertuples()}


def no_mask_table(every: Rows) -> Table:
    """SalUn minus the same loss without a mask, one row a kind."""
    tests = {m: against_no_mask(every, m) for m in MEASURES}
    if not tests["ua"]:
        return table(pd.DataFrame(), note=NONE_RECORDED)
    cells = {
        kind: {"pairs": str(tests["ua"][kind].test.n)}
        | {MEASURES[m][0]: _cell(found[kind]) for m, found in tests.items()}
        for kind in tests["ua"]
    }
    return table(pd.DataFrame.from_dict(cells, orient="index").rename_axis("SalUn minus no mask"))


def _cell(found: Verdict) -> Cell:
    mark = word(found, yes="better", no="worse")
    ends = between(*found.test.interval, 2)
    return Cell(amount(found.test.difference, 2, signed=True), f"{ends} {mark}")


def claims(every: Rows, overlap: Mapping[str, float], *, kept: float) -> list[Claim]:
    """What the page asks to believe.

    Parameters
    ----------
    overlap : kind -> share of a mask that is in another class's too, per cent, of the run of the
        page. kept : the share that random masks would have in common.
    """
    found = {kind: summarise(complete(part)) for kind, part in every.items()}
    found = {kind: rows_ for kind, rows_ in found.items() if OURS in rows_.index}
    said = []
    for kind, part in found.items():
        ours = part.loc[OURS]
        text = (
            f"{kind}: SalUn forgets (UA of at least 95), and others lose at most 4 points (means)"
        )
        figure = f"UA {ours.ua:.1f}, others {amount(float(ours.change), signed=True)}"
        said.append(Claim(text, bool(ours.ua >= 95 and ours.change >= -4), figure))
    for measure, text in (("ua", "forgets more"), ("change", "spares the others more")):
        for kind, verdict in against_no_mask(every, measure).items():
            said.append(Claim(f"{kind}: SalUn {text} than no mask", verdict))
    ascent = {kind: part.loc[ASCENT] for kind, part in found.items() if ASCENT in part.index}
    if ascent:
        failed = [one.ua < 95 or one.change < -10 for one in ascent.values()]
        figure = ", ".join(
            f"{k} UA {one.ua:.1f}, others {amount(float(one.change))}" for k, one in ascent.items()
        )
        text = "Gradient ascent fails in both: UA below 95, or others lose over 10 points (means)"
        said.append(Claim(text, bool(all(failed)), figure))
    if overlap:
        figure = ", ".join(f"{kind} {share:.0f} %" for kind, share in overlap.items())
        text = f"Masks of two classes share more than random ones, {kept:.0f} % (this run)"
        said.append(Claim(text, min(overlap.values()) > kept, figure))
    return said or [Claim("SalUn forgets", None)]
