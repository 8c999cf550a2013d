"""What the records say of the erasers of one generator: a sentence, tables and claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ...generation.trials.recorded import compare, label, rows, summarise
from ...plots.tables import Cell, Table, between, table
from ...runs import records_folder
from ...runs.tuning import read_tuned
from ...shown import amount
from ..claims import Claim
from ..common import NONE_RECORDED, Answer

OURS = "SalUn"
MASKS = ("SalUn, random mask", "SalUn, inverted mask", "SalUn, magnitude mask", "RL (no mask)")
RETRAIN = "Retrain"

__all__ = [
    "MASKS",
    "OURS",
    "answer",
    "chosen_table",
    "claims",
    "class_table",
    "eraser_table",
    "label",
    "rows",
    "summarise",
]


def answer(every: pd.DataFrame) -> Answer:
    """How well SalUn erases, what the other classes lose, and how other masks do."""
    found = summarise(every)
    if OURS not in found.index:
        return Answer((NONE_RECORDED,))
    ours = found.loc[OURS]
    said = [
        f"SalUn erases: asked for the class, the model draws something else in {ours.ua:.1f} % of"
        f" pictures. The other classes change by {_signed(ours.change)} points."
    ]
    masks = [name for name in MASKS if name in found.index]
    if masks:
        rest = ", ".join(f"{_short(name)} {_signed(found.change[name])}" for name in masks)
        better = [name for name in masks if found.change[name] > ours.change]
        many = f"{_word(len(better))} of {_word(len(masks)).lower()} controls"
        words = f"{many} {'spares' if len(better) == 1 else 'spare'}"
        words = words if better else "No control spares"
        said.append(f"{words} the others more on average: {rest}.")
    return Answer(tuple(said))


def eraser_table(every: pd.DataFrame, *, measures: Sequence[str] = ("ua", "change")) -> Table:
    """One row an eraser, best first: each measure with its interval, and the processor seconds."""
    heads = {"ua": "UA, %", "change": "others, points", "fid_change": "distance"}
    found = summarise(every)
    if not len(found):
        return table(pd.DataFrame(columns=[heads[m] for m in measures]), note=NONE_RECORDED)
    frame = pd.DataFrame({"runs": found.runs.astype(int)})
    for measure in measures:
        digits = 2 if measure == "fid_change" else 1
        frame[heads[measure]] = [
            Cell(
                amount(float(line[measure]), digits, signed=measure != "ua"),
                between(line[f"{measure}_low"], line[f"{measure}_high"], digits),
            )
            for _, line in found.iterrows()
        ]
    frame["CPU seconds"] = [amount(float(s), 0) for s in found.cpu_seconds]
    marked = [name for name in (RETRAIN,) if name in frame.index]
    return table(frame, best=[OURS] if OURS in frame.index else [], reference=marked)


def class_table(every: pd.DataFrame) -> Table:
    """UA and the change of the others by class, one row an eraser, best first."""
    if not len(every):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    wide = every.pivot_table(
        index="name", columns="concept", values=["ua", "change"], aggfunc="mean"
    ).loc[summarise(every).index]
    heads = {"ua": "UA", "change": "others"}
    order = [(m, c) for m in heads for c in sorted(every.concept.unique())]
    frame = pd.DataFrame(
        {f"{heads[m]}, {c}": wide[m, c] for m, c in order if (m, c) in wide.columns}
    )
    return table(frame, best=[OURS] if OURS in frame.index else [])


def chosen_table(model: str, *, folder: Path | None = None) -> Table:
    """How each eraser's settings were chosen: one row an eraser, what the first trial and the best
    one lost (points short of complete forgetting, and points that others lose), and the values.

    Parameters
    ----------
    folder : of the files of chosen values; that of this book by default.
    """
    path = (folder or records_folder().parent / "tuned") / f"{model}.yaml"
    if not path.is_file():
        return table(pd.DataFrame(), note="Nothing was tuned.")
    rows = {
        label(name, "none"): {
            "trials": str(entry["trials"]),
            "first": float(entry["default_gap"]),
            "best": float(entry["pilot_gap"]),
            "chosen": ", ".join(f"{k} {_short_number(v)}" for k, v in entry["params"].items()),
            "on": entry["concept"],
        }
        for name, entry in read_tuned(path).items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("eraser")
    on = ", ".join(sorted(set(frame.pop("on"))))
    note = f"Points lost on {on}, which no reported run forgets, and on a seed of its own."
    return table(frame, note=note)


def _short_number(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def claims(every: pd.DataFrame, *, rivals: Sequence[str] = ()) -> list[Claim]:
    """Does SalUn forget, does it spare the others, and more than each control and rival?

    Parameters
    ----------
    rivals : other erasers, compared in a family of their own.
    """
    found = summarise(every)
    if OURS not in found.index:
        return [Claim("SalUn forgets: UA of at least 98 (mean)", None)]
    ours = found.loc[OURS]
    said = [
        Claim("SalUn forgets: UA of at least 98 (mean)", bool(ours.ua >= 98), f"{ours.ua:.1f}"),
        Claim(
            "SalUn keeps the other classes within 3 points of the original (mean)",
            bool(ours.change >= -3),
            f"{_signed(ours.change)} points",
        ),
    ]
    for others in (MASKS, rivals):
        for name, verdict in compare(every, OURS, others).items() if others else ():
            said.append(Claim(f"SalUn spares the other classes more than {_short(name)}", verdict))
    return said


def _word(count: int) -> str:
    words = ("None", "One", "Two", "Three", "Four", "Five")
    return words[count] if count < len(words) else str(count)


def _short(name: str) -> str:
    return name.removeprefix(f"{OURS}, ")


def _signed(value: float) -> str:
    return amount(float(value), signed=True)
