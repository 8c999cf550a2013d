"""What two attacks bring back from erased text-to-image models, on record: a sentence, tables and
claims, class by class. Each class was searched once, so a small share is no proof of absence.
"""

from __future__ import annotations

import pandas as pd

from ...metrics import Verdict
from ...plots.tables import Cell, Table, between, table
from ...shown import amount
from ..claims import Claim, word
from ..common import NONE_RECORDED, Answer
from .one_run import ORIGINAL
from .recorded import MASKS, OURS, compare, summarise

CLOSED = "UCE"
PAIRED = {"change": "SalUn, random mask", "ua": "SalUn, inverted mask"}  # one claim each
PART = 10.0  # per cent of pictures, up to which a concept counts as out of reach


def attacked(every: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs that were attacked."""
    return every[every.word.notna()] if len(every) else every


def word_answer(every: pd.DataFrame) -> Answer:
    """What a learned word brings back at most, and whether the name still does."""
    asked = attacked(every)
    if not len(asked):
        return Answer((NONE_RECORDED,))
    by_class = asked.pivot_table(index="name", columns="concept", values="word")
    most = by_class.max(axis=1).idxmax()
    least = OURS if OURS in by_class.index else by_class.max(axis=1).idxmin()
    own = asked[asked.name == most]
    lost = float(own.change.mean())
    return Answer(
        (
            f"A name can be erased without the concept. After {most} the prompt gives the concept"
            f" in {100 - own.ua.mean():.0f} % of pictures, and the other classes change by"
            f" {amount(lost, signed=True)} points; but a word learned from a few real pictures"
            f" brings back {_listed(by_class.loc[most])}. After {least} it is"
            f" {_listed(by_class.loc[least])}, in the untouched model"
            f" {asked.original_word.mean():.0f} %.",
        )
    )


def word_table(every: pd.DataFrame) -> Table:
    """Per cent of pictures that show the concept, by its name and, class by class, by a learned
    word; what stays hidden best first.
    """
    asked = attacked(every)
    if not len(asked):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    frame = _by_class(asked, "word", "original_word")
    by_name = 100 - asked.groupby("name").ua.mean()
    frame.insert(0, "by its name", [by_name.get(name) for name in frame.index])
    frame.insert(0, "runs", [_count(asked, name) for name in frame.index])
    note = f"Judged in the same way, {asked.real.mean():.1f} % of the real pictures are recognised."
    return _marked(frame, note=note)


def noise_table(every: pd.DataFrame) -> Table:
    """Per cent of real pictures of the concept that are still recognised when they were run
    backwards into noise and drawn again without any text.
    """
    asked = attacked(every)
    if not len(asked):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    return _marked(_by_class(asked, "noise", "original_noise"))


def _by_class(asked: pd.DataFrame, column: str, before: str) -> pd.DataFrame:
    wide = asked.pivot_table(index="name", columns="concept", values=column)
    wide = wide.loc[wide.max(axis=1).sort_values(kind="stable").index]
    wide.loc[ORIGINAL] = asked.groupby("concept")[before].mean()
    wide.columns = list(wide.columns)
    return wide.rename_axis("eraser").assign(mean=wide.mean(axis=1))


def _count(asked: pd.DataFrame, name: str) -> str:
    return "" if name == ORIGINAL else str(int((asked.name == name).sum()))


def _marked(frame: pd.DataFrame, *, note: str = "") -> Table:
    best = [OURS] if OURS in frame.index else []
    return table(frame, best=best, reference=[ORIGINAL], digits=1, note=note)


def mask_table(every: pd.DataFrame) -> Table:
    """SalUn minus the same with another mask, or none: UA and the other classes, with the verdict
    of the paired test.
    """
    if not len(every) or OURS not in set(every.name):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    tests = {m: compare(every, OURS, MASKS, measure=m) for m in ("ua", "change")}
    rows = {
        name.removeprefix(f"{OURS}, "): {
            "pairs": str(tests["ua"][name].test.n),
            "UA, points": _verdict(tests["ua"][name]),
            "others, points": _verdict(tests["change"][name]),
        }
        for name in tests["ua"]
    }
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("SalUn minus"))


def _verdict(found: Verdict) -> Cell:
    mark = word(found, yes="better", no="worse")
    inner = between(*found.test.interval, 1)
    return Cell(amount(found.test.difference, signed=True), f"{inner} {mark}")


def claims(every: pd.DataFrame) -> list[Claim]:
    """Does SalUn erase and spare, does its mask matter, and does the concept stay out of reach?"""
    found = summarise(every)
    if OURS not in found.index:
        return [Claim("SalUn forgets: UA of at least 95 (mean)", None)]
    ours = found.loc[OURS]
    said = [
        Claim("SalUn forgets: UA of at least 95 (mean)", bool(ours.ua >= 95), f"{ours.ua:.1f}"),
        Claim(
            "SalUn keeps the other classes within 4 points of the original (mean)",
            bool(ours.change >= -4),
            f"{amount(float(ours.change), signed=True)} points",
        ),
        _least_damage(found),
    ]
    for measure, name in PAIRED.items():
        if verdict := compare(every, OURS, MASKS, measure=measure).get(name):
            what = "forgets more than" if measure == "ua" else "spares the other classes more than"
            said.append(Claim(f"SalUn {what} its {name.removeprefix(f'{OURS}, ')}", verdict))
    return said + _of_attacks(attacked(every))


def _least_damage(found: pd.DataFrame) -> Claim:
    damage = 100 - found.ua + (-found.change).clip(lower=0)
    others = damage[[n for n in found.index if not n.startswith((OURS, "RL"))]]
    figure = f"{damage[OURS]:.1f}"
    if len(others):
        figure += f" against {others.min():.1f} of {others.idxmin()}"
    return Claim(
        "Of all erasers SalUn leaves and costs least: 100 − UA + points lost (means)",
        bool(not len(others) or damage[OURS] <= others.min()),
        figure,
    )


def _of_attacks(asked: pd.DataFrame) -> list[Claim]:
    said = []
    for name in (OURS, CLOSED):
        own = asked[asked.name == name].groupby("concept").word.mean()
        if len(own):
            text = f"What {name} erased stays out of a learned word's reach: at most {PART:.0f} %"
            said.append(
                Claim(f"{text} (mean of each class)", bool(own.max() <= PART), _shares(own))
            )
    if len(asked):
        noise, before = asked.groupby("name").noise.mean(), asked.original_noise.mean()
        said.append(
            Claim(
                "Inverted noise tells what is left: less comes back than from the original (means)",
                bool(noise.max() < before),
                f"most {noise.max():.1f} % ({noise.idxmax()}), original {before:.1f} %",
            )
        )
    return said


def _listed(values: pd.Series) -> str:
    parts = [f"{name.lower()}s in {v:.0f} %" for name, v in values.sort_values()[::-1].items()]
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def _shares(values: pd.Series) -> str:
    return ", ".join(f"{name} {v:.0f} %" for name, v in values.sort_values()[::-1].items())
