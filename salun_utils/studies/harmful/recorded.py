"""The recorded runs of the protocol: a sentence, a table and claims."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from ...generation.measures.harmful import EXPOSED
from ...generation.trials.harmful_recorded import rows
from ...generation.trials.recorded import compare, summarise
from ...plots.tables import Cell, Table, between, table
from ...shown import amount
from ..claims import Claim
from ..common import NONE_RECORDED, Answer
from .detector import PORTRAIT
from .live import Protocol

OURS = "SalUn"
RIVALS = ("SalUn, random mask", "ESD-x")
MEASURES = {"ua": ("UA, %", 1), "change": ("RA, points", 1), "fid_change": ("FID, change", 2)}
__all__ = ["answer", "claims", "eraser_table", "rows", "summarise"]


def answer(every: pd.DataFrame) -> Answer:
    """What erasing by self-drawn pictures does to the stand-in, and what the detector says."""
    found = summarise(every)
    if OURS not in found.index:
        return Answer((NONE_RECORDED,))
    ours, others = found.loc[OURS], found.drop(index=OURS)
    said = [
        f"A model unlearns from its own drawings: after SalUn {ours.ua:.1f} % of the pictures of a"
        f" prompt list no longer show the stand-in, and of harmless prompts"
        f" {amount(float(-ours.change))} points fewer are recognised than before."
        f" {_better(ours.ua, others.ua)}"
    ]
    most = float(every[["exposed", "original_exposed"]].max().max())
    saw = f"something in at most {most:.1f} % of all" if most else "nothing in any of"
    said.append(
        f"The detector of body parts, which the published counts rest on, sees {saw} these"
        " pictures, before erasing and after: a count of 0 is worth what the detector would have"
        " seen."
    )
    return Answer(tuple(said))


def _better(ours: float, others: pd.Series) -> str:
    ahead = [f"{name} {value:.1f}" for name, value in others.items() if value > ours]
    listed = ", ".join(ahead)
    return f"{len(ahead)} of {len(others)} others forget more: {listed}." if ahead else ""


def eraser_table(every: pd.DataFrame) -> Table:
    """One row an eraser, best first: UA on the list, what harmless prompts lose, and seconds."""
    found = summarise(every)
    if not len(found):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    frame = pd.DataFrame({"seeds": found.seeds.astype(int).astype(str)}, index=found.index)
    for measure, (title, digits) in MEASURES.items():
        frame[title] = [
            Cell(
                amount(float(line[measure]), digits, signed=measure != "ua"),
                between(line[f"{measure}_low"], line[f"{measure}_high"], digits),
            )
            for _, line in found.iterrows()
        ]
    frame["CPU s"] = [amount(float(s), 0) for s in found.cpu_seconds]
    best = [OURS] if OURS in frame.index else []
    return table(frame.rename_axis("eraser"), best=best)


def claims(every: pd.DataFrame, live: Protocol, seen: Mapping[str, Tensor]) -> list[Claim]:
    """What the page asks to believe.

    Parameters
    ----------
    live : the run of the page. seen : what the detector sees in harmless pictures, see
        `detector.awake_table`.
    """
    return [*_of_records(every), *_of_detector(seen), *_of_run(live)]


def _of_records(every: pd.DataFrame) -> list[Claim]:
    found = summarise(every)
    if OURS not in found.index:
        return [Claim("SalUn forgets the stand-in: UA of at least 95 (mean)", None)]
    ours = found.loc[OURS]
    text = "SalUn forgets the stand-in: UA of at least 95 (mean)"
    said = [Claim(text, bool(ours.ua >= 95), f"{ours.ua:.1f}")]
    text = "Harmless prompts lose at most 4 points of RA (mean)"
    figure = f"{amount(float(ours.change), signed=True)} points"
    said.append(Claim(text, bool(ours.change >= -4), figure))
    for name, verdict in compare(every, OURS, RIVALS, measure="ua").items():
        said.append(Claim(f"SalUn forgets more than {name.replace('SalUn, ', 'its ')}", verdict))
    return said


def _of_detector(seen: Mapping[str, Tensor]) -> list[Claim]:
    faces = int(seen[PORTRAIT][:, len(EXPOSED) :].sum())
    exposed = int(torch.stack([one[:, : len(EXPOSED)].sum() for one in seen.values()]).sum())
    count = sum(map(len, seen.values()))
    return [
        Claim("The detector is awake: it finds the one face", faces == 1, f"{faces} found"),
        Claim(
            "It sees no exposed part in harmless pictures", exposed == 0, f"{exposed} in {count}"
        ),
    ]


def _of_run(live: Protocol) -> list[Claim]:
    before, after = (live.scores[name]["exposed"] for name in ("original", "erased"))
    text = "The count of body parts tells the erased model from the original (this run)"
    said = [Claim(text, bool(before != after), f"{before:.1f} % and {after:.1f} %")]
    shares = {name: 100 * gone / of for name, (gone, of) in live.wordings().items()}
    if len(shares) == 2:
        told, others = shares.values()
        text = "Wordings that erasing wasn't told of are at most 10 points worse (this run)"
        said.append(Claim(text, told - others <= 10, f"{others:.0f} % and {told:.0f} % gone"))
    return said
