"""Recorded rounds of probes: one row a run and probe, what erasing cost, the table eraser x probe,
and the claims of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from ...generation.measures.probes import PROBES
from ...generation.trials.recorded import label
from ...metrics.significance import (
    Verdict,
    bootstrap_interval,
    compare_with,
    significance,
)
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...runs.records.alike import check_alike
from ..claims import Claim, together
from ..common import NONE_RECORDED, Answer
from .study import NAME

ORIGINAL = "original"
SILENT = 10.0  # per cent recognised, up to which a prompt is called silenced
IN_WORDS = ("prompt", "word", "words", "vectors")
GIVEN = ("completion", "inpainting", "start")  # a part of a picture, or of its noise
# what tables call the probes
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
MOST = {"change": "others, change", "worst": "worst class, change", "fid_change": "FID, change"}


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
    recognised and control (per cent of the erased pipeline's pictures), original and
    original_control (the same of the pipeline before erasing).
    """
    lines = [
        {
            "name": eraser_of(r),
            "concept": str(r.spec["concept"]),
            "seed": r.seeds["unlearning"],
            "probe": probe,
            "recognised": found["recognised"],
            "control": found["control"],
            "original": r.measurements["original"][probe]["recognised"],
            "original_control": r.measurements["original"][probe]["control"],
        }
        for r in records
        for probe, found in r.measurements["erased"].items()
    ]
    columns = ["name", "concept", "seed", "probe", "recognised", "control"]
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
    columns = ["name", "concept", "seed", *MOST, "fid", "cpu_seconds"]
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


def eraser_by_probe(found: pd.DataFrame, cost: pd.DataFrame) -> Table:
    """The table of the page: per cent recognised under each probe, and what erasing cost."""
    mean = means(found)
    shown = mean.rename(columns=TITLES).astype(object)
    for measure, title in MOST.items():
        shown[title] = [
            _cell(cost[cost.name == name][measure]) if name != ORIGINAL else None
            for name in mean.index
        ]
    runs = found.groupby("name").apply(lambda part: part[["concept", "seed"]].drop_duplicates())
    count = runs.groupby(level=0).size()
    shown.insert(0, "runs", [str(count.get(name, "")) for name in mean.index])
    return table(
        shown,
        reference=[ORIGINAL],
        digits=0,
        caption="Share of pictures in which the judge recognises the erased concept, %",
        note="Those that give least back stand first. Changes are points, and FID on the judge's"
        " features, with 95 % intervals over runs.",
    )


def with_controls(found: pd.DataFrame) -> Table:
    """Mean over all erasers of each probe and its control, beside the original's."""
    probes = [p for p in PROBES if p in set(found.probe)]
    columns = {
        "recognised": "erased",
        "control": "its control",
        "original": "original",
        "original_control": "original's control",
    }
    mean = found.groupby("probe")[list(columns)].mean().loc[probes].rename(columns=columns)
    mean.insert(0, "control draws", [PROBES[p].control for p in probes])
    mean.index = [TITLES.get(p, p) for p in probes]
    return table(mean, digits=0, caption="Recognised, %, mean over all erasers and concepts")


def _cell(values: pd.Series) -> Cell:
    low, high = bootstrap_interval(values.to_numpy()) if len(values) > 1 else (np.nan,) * 2
    return Cell(f"{values.mean():+.1f}", between(low, high, 1))


def against_prompt(found: pd.DataFrame, probe: str) -> dict[str, Verdict]:
    """Does a probe bring back more than the prompt does? One verdict an eraser, paired by concept
    and seed, p corrected by Holm for the number of erasers.
    """
    single = {}
    for name, part in found.groupby("name"):
        own, prompt = (_by_run(part[part.probe == p]) for p in (probe, "prompt"))
        single[str(name)] = significance(own, prompt, names=(probe, "prompt"), better="higher")
    return together(single)


def between_erasers(
    found: pd.DataFrame, ours: str, others: Sequence[str], probe: str
) -> dict[str, Verdict]:
    """Does `ours` give less back under a probe than each of the others? Paired by concept and seed,
    p corrected by Holm; others without a common run are left out.
    """
    part = found[found.probe == probe]
    values = {str(n): _by_run(runs) for n, runs in part.groupby("name")}
    if ours not in values:
        return {}
    kept = {
        n: values[n] for n in (ours, *others) if n in values and set(values[n]) & set(values[ours])
    }
    return compare_with(kept, ours, better="lower") if len(kept) > 1 else {}


def _by_run(part: pd.DataFrame) -> dict[tuple[str, int], float]:
    return {(r.concept, r.seed): r.recognised for r in part.itertuples()}


def claims(found: pd.DataFrame, same: bool) -> list[Claim]:
    """What the page asks its reader to believe.

    Parameters
    ----------
    same : the closed form by hand, on the page, is the library's.
    """
    by_hand = Claim("the closed form by hand is the library's", same)
    if not len(found):
        return [by_hand]
    mean = means(found).drop(index=ORIGINAL)
    made = [_at_most(mean, ("prompt",), "the prompt is silenced by every eraser")]
    made.append(
        _at_most(mean, ("word", "words"), "neither a learned word nor found words undo an eraser")
    )
    made += [_of_a_probe(found, p) for p in ("vectors", "completion", "start") if p in mean]
    for ours, theirs in (("RECE", "UCE"), ("AdvUnlearn", "ESD-x")):
        verdict = between_erasers(found, ours, [theirs], "vectors").get(theirs)
        text = f"{ours} gives less back than {theirs} under {TITLES['vectors']}"
        made.append(Claim(text, verdict))
    return [*made, by_hand]


def _at_most(mean: pd.DataFrame, probes: Sequence[str], text: str) -> Claim:
    part = mean[[p for p in probes if p in mean]]
    loudest = part.max(axis=1).idxmax()
    return Claim(
        f"{text}: at most {SILENT:.0f} % on average",
        bool(part.max().max() <= SILENT),
        f"most {part.loc[loudest].max():.1f} % ({loudest})",
    )


def _of_a_probe(found: pd.DataFrame, probe: str) -> Claim:
    verdicts = against_prompt(found, probe)
    yes = [n for n, v in verdicts.items() if v.answer == "yes"]
    no = [n for n, v in verdicts.items() if v.answer == "no"]
    more = np.mean([v.test.difference for v in verdicts.values()])
    holds = True if len(yes) == len(verdicts) else False if no else None
    decided = f"{len(yes)} of {len(verdicts)} erasers" + (
        f", less from {', '.join(no)}" if no else ""
    )
    return Claim(
        f"{TITLES[probe]} brings more back than the prompt, from every eraser",
        holds,
        f"decided for {decided}; {more:+.1f} points on average",
    )


def for_today(found: pd.DataFrame, cost: pd.DataFrame) -> Answer:
    """What the table means for someone who must erase a concept today."""
    if not len(found):
        return Answer((NONE_RECORDED,))
    mean = means(found).drop(index=ORIGINAL)
    fid: Mapping[str, float] = cost.groupby("name").fid_change.mean().to_dict()
    asked = mean[[p for p in IN_WORDS if p in mean]]
    most = asked.max(axis=1).sort_values()
    quiet, loud = most[most <= SILENT], most[most > SILENT]
    said = [
        f"Asked in words alone, {len(quiet)} of {len(mean)} erasers draw the concept in at most"
        f" {SILENT:.0f} % of the pictures"
        + (
            f": {', '.join(f'{n} {v:.0f} % (FID {fid[n]:+.2f})' for n, v in quiet.items())}."
            if len(quiet)
            else "."
        )
        + "".join(
            f" {TITLES[asked.loc[name].idxmax()].capitalize()} bring back {share:.0f} % from"
            f" {name}."
            for name, share in loud.items()
        )
    ]
    given = mean[[p for p in GIVEN if p in mean]]
    if given.shape[1]:
        least, worst = given.max(axis=1).min(), given.max(axis=1).max()
        said.append(
            f"Given a part of a picture, or the noise that leads to one, no eraser holds: the"
            f" strongest such probe brings back {least:.0f} to {worst:.0f} %."
            if least > SILENT
            else f"Given a part of a picture, or the noise that leads to one,"
            f" {given.max(axis=1).idxmin()} still holds ({least:.0f} %)."
        )
    return Answer(tuple(said))
