"""Forgetting one class: where its pictures go, and how one class compares with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import nn

from ...data.images import Images
from ...metrics import Scores, predict_logits
from ...plots.tables import Cell, Table, table
from ...runs.summary import label
from ...shown import amount
from ..claims import Claim
from ..common import NONE_RECORDED
from .published import published
from .recorded import Benchmark

RARE = 1.0  # per cent of the pictures: what Retrain hardly ever answers


def answer_shares(
    models: Mapping[str, nn.Module], images: Images, classes: Sequence[str]
) -> pd.DataFrame:
    """One row a model, as prose calls it, one column a class: per cent of `images` that the model
    puts there.
    """
    shares = {}
    for name, model in models.items():
        given = predict_logits(model, images).argmax(1)
        counts = torch.bincount(given, minlength=len(classes)).double()
        shares[label(name)] = (100 * counts / max(1, len(given))).tolist()
    return pd.DataFrame(shares, index=list(classes)).T


def rare_answers(shares: pd.DataFrame, gone: str) -> tuple[list[str], pd.Series]:
    """Classes to which Retrain sends less than `RARE` per cent of the pictures, the forgotten one
    aside, and the share that each model sends there.
    """
    seldom = shares.loc["Retrain"] < RARE
    rare = [c for c in shares.columns if seldom[c] and c != gone]
    return rare, shares[rare].sum(axis=1)


def distances_table(
    training: pd.Series, test: pd.Series, odd: pd.Series, scores: Mapping[str, Scores]
) -> Table:
    """Distances in answers to Retrain, nearest first, beside UA.

    Parameters
    ----------
    training, test : distances on the pictures trained on and on new ones; odd : shares of answers
        that Retrain hardly ever gives; all by name of the model. scores : of each model.
    """
    frame = pd.DataFrame({"training pictures": training, "test pictures": test})
    frame["odd answers, %"] = [amount(float(odd[name]), 0) for name in frame.index]
    ua = {label(m): s.ua for m, s in scores.items()}
    frame["UA"] = [ua[name] for name in frame.index]
    return table(frame.drop(index="Retrain").sort_values("training pictures"), best=["SalUn"])


def live_claims(
    scores: Mapping[str, Scores], shares: pd.DataFrame, apart: pd.Series, odd: pd.Series
) -> list[Claim]:
    """What the run on the page shows: of one seed, so by its figures alone.

    Parameters
    ----------
    shares : of `answer_shares`. apart : distance of each row to Retrain's. odd : of `rare_answers`.
    """
    top = shares.loc["Retrain"].nlargest(2)
    wrong = odd[["RL", "SalUn"]]
    return [
        Claim(
            "Retrain puts more than half of the forgotten pictures in two classes",
            bool(top.sum() > 50),
            f"{top.sum():.0f} % in {' and '.join(top.index)}",
        ),
        Claim(
            "FT is nearer to Retrain in its answers than RL and SalUn, and gives fewer odd ones",
            bool(apart["FT"] < apart[["RL", "SalUn"]].min() and wrong.min() > odd["FT"]),
            ", ".join(
                f"{name} {apart[name]:.0f} and {odd[name]:.0f} %" for name in ("FT", "RL", "SalUn")
            ),
        ),
    ]


def by_class_table(
    bench: Benchmark, classes: Sequence[str], methods: Sequence[str] = ("ft", "rl", "salun")
) -> Table:
    """The average gap by class and method, with the number of seeds; classes that were not recorded
    are named below.
    """
    rows, missing = {}, []
    for number, name in enumerate(classes):
        part = bench.methods(f"class-{number}")
        part = part[part.index.isin(methods)]
        if part.empty:
            missing.append(name)
            continue
        rows[name] = {
            label(m): Cell(f"{part.avg_gap[m]:.2f}", f"({part.seeds[m]:.0f})")
            for m in methods
            if m in part.index
        }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[label(m) for m in methods])
    note = f"Not recorded: {', '.join(missing)}." if missing else ""
    caption = "average gap (seeds)"
    return table(frame, caption=caption, note=note if rows else NONE_RECORDED)


def beside_published(bench: Benchmark, scenario: str = "class-3") -> Table:
    """The published figures of class-wise forgetting beside the means of one class here."""
    theirs, here = published("class"), bench.methods(scenario)
    frame = theirs.rename(columns=lambda m: f"PUBLISHED {m.upper()}")
    for measure in ("ua", "ra", "ta"):
        frame[f"here {measure.upper()}"] = here[measure] if len(here) else float("nan")
    return table(frame.rename(index=label), digits=2, reference=["Retrain"], best=["SalUn"])
