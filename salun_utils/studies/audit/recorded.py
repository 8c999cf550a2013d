"""What the recorded audits say: a sentence, tables, claims."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...runs.summary import label
from ..claims import Claim, claims_table
from ..common import NONE_RECORDED, Answer
from .attack import BEST, BLUNT
from .summary import attack_rows, audits, model_rows

PRIORS = (0.1, 0.01)  # shares of members among the pictures that an attacker asks about
FPR = 0.01
OURS = "salun"
NOT_METHODS = ("retrain", "original")
WIDTH = 88  # of a printed line


def on_file(*, tier: str = "cpu", further: bool = False) -> dict[str, Record]:
    """Method -> its audit on the small data set, without canaries; or, of those that hold what
    `further.measured` finds, its audit with them.
    """
    found = load_records(tier=tier, method="u-lira", dataset="fashion-mini", arch="small-cnn")
    return audits(r for r in found if bool(r.spec.get("further")) == further)


def precision(tpr: float, fpr: float, prior: float) -> float:
    """Of those that an attack accuses, the share that are members; NaN where it accuses nobody.

    Parameters
    ----------
    tpr, fpr : of the attack, 0 to 1. prior : share of members among all that it is asked about.
    """
    right, wrong = prior * tpr, (1 - prior) * fpr
    return right / (right + wrong) if right + wrong > 0 else float("nan")


def of(
    rows: pd.DataFrame, method: str, *, attack: str = BEST, pictures: str = "targets", when="after"
) -> Any:
    """The one row of `summary.attack_rows` that is asked for."""
    found = rows[
        (rows.method == method)
        & (rows.attack == attack)
        & (rows.pictures == pictures)
        & (rows.when == when)
    ]
    return next(found.itertuples())


def blind(row: Any) -> bool:
    """Whether an attack's interval holds one half: it can't be told from guessing."""
    return row.low <= 0.5 <= row.high


def above(a: Any, b: Any) -> bool | None:
    """Whether interval a lies above interval b (True), below it (False), or overlaps it (None)."""
    return True if a.low > b.high else False if a.high < b.low else None


def methods_of(rows: pd.DataFrame) -> list[str]:
    """The audited methods: neither Retrain nor doing nothing."""
    return [m for m in rows.method.unique() if m not in NOT_METHODS]


def removed(rows: pd.DataFrame) -> dict[str, float]:
    """Method -> how much it takes away of what the strong attack sees before unlearning and not
    with Retrain, in per cent; needs an audit of Retrain.
    """
    exact = of(rows, "retrain").auc
    found = {}
    for method in methods_of(rows):
        before, after = (of(rows, method, when=when).auc for when in ("before", "after"))
        found[method] = 100 * (before - after) / (before - exact)
    return found


def answer(runs: Mapping[str, Record]) -> Answer:
    """What the strong attack sees after SalUn, and how much of it each method takes away."""
    rows = attack_rows(dict(runs))
    if not {OURS, "retrain"} <= set(runs):
        return Answer((NONE_RECORDED,))
    methods, taken = methods_of(rows), removed(rows)
    hidden = [label(m) for m in methods if blind(of(rows, m))]
    ours, threshold = of(rows, OURS), of(rows, OURS, attack=BLUNT)
    before, exact = of(rows, OURS, when="before"), of(rows, "retrain")
    most = max(taken, key=taken.__getitem__)
    others = "the most of all" if most == OURS else f"{label(most)} the most, {taken[most]:.0f} %"
    reached = (
        f"{', '.join(hidden)} can't be told from guessing"
        if hidden
        else (
            f"none of {len(methods)} methods has an interval that holds one half, which is guessing"
        )
    )
    return Answer(
        (
            f"An attacker that takes each picture for itself tells SalUn's forgotten pictures from"
            f" those never seen with an AUC of {ours.auc:.3f} [{ours.low:.3f}, {ours.high:.3f}];"
            f" one threshold for all pictures has {threshold.auc:.3f}.",
            f"Before unlearning this AUC is {before.auc:.3f}, with Retrain {exact.auc:.3f}. Of the"
            f" difference SalUn takes away {taken[OURS]:.0f} %, {others}; {reached}.",
        )
    )


def forgotten_table(rows: pd.DataFrame) -> Table:
    """One row a method, on pictures that were to be forgotten, after unlearning: the strong attack
    with its intervals, and one threshold.
    """
    found = {}
    for method in rows.method.unique():
        one = of(rows, method)
        found[label(method)] = {
            "AUC": Cell(f"{one.auc:.3f}", between(one.low, one.high, 3)),
            "TPR at 1 % FPR": Cell(f"{one.tpr_1:.1f}", between(one.tpr_1_low, one.tpr_1_high, 1)),
            "at 0.1 %": Cell(f"{one.tpr_01:.2f}", between(one.tpr_01_low, one.tpr_01_high)),
            "one threshold": Cell(f"{of(rows, method, attack=BLUNT).auc:.3f}"),
        }
    return _of_methods(found)


def accused_table(rows: pd.DataFrame) -> Table:
    """One row a method: of those whom the strong attack accuses, the per cent that are members, by
    how many members there are.
    """
    found = {}
    for method in rows.method.unique():
        tpr = of(rows, method).tpr_1 / 100
        found[label(method)] = {
            f"right, of {100 * prior:.0f} % members": Cell(
                f"{100 * precision(tpr, FPR, prior):.1f} %"
            )
            for prior in PRIORS
        }
    return _of_methods(found)


def _of_methods(found: Mapping[str, Mapping[str, Cell]]) -> Table:
    frame = pd.DataFrame.from_dict(found, orient="index").rename_axis("method")
    return table(frame, reference=[label(m) for m in NOT_METHODS if label(m) in frame.index])


def cost_table(runs: Mapping[str, Record]) -> Table:
    """Means over models: the usual scores, the paper's attack on unlearned targets beside those
    never seen, and processor seconds.
    """
    facts = model_rows(dict(runs))
    shown = facts[["ua", "ra", "ta", "mia", "unseen", "train_seconds", "unlearn_seconds"]]
    shown = shown.astype(float).rename(index=label).rename_axis("method")
    shown.columns = ["UA", "RA", "TA", "MIA", "never seen", "train, s", "unlearn, s"]
    return table(shown)


def kept_table(rows: pd.DataFrame) -> Table:
    """AUC of the strong attack on retained pictures, before and after."""
    found = {}
    for method in rows.method.unique():
        ends = {w: of(rows, method, pictures="watched", when=w) for w in ("before", "after")}
        found[label(method)] = {
            when: Cell(f"{one.auc:.3f}", between(one.low, one.high, 3))
            for when, one in ends.items()
        }
    return table(pd.DataFrame.from_dict(found, orient="index").rename_axis("method"))


def data_line(runs: Mapping[str, Record]) -> str:
    """Pictures, networks, targets, device, in lines as wide as a page."""
    first = next(iter(runs.values()))
    facts = model_rows(dict(runs))
    said = (
        f"{first.data['name']} ({first.data['note']}), {facts.models.max():.0f} shadow models,"
        f" {first.data['targets']:,} targets, {first.data['watched']:,} watched pictures;"
        f" {first.device.get('name', '')}."
    )
    return textwrap.fill(said, WIDTH)


def live_table(here: pd.DataFrame) -> Table:
    """AUC of each attack on pictures that were to be forgotten, in a live run.

    Parameters
    ----------
    here : `summary.attack_rows` of it, `when` being "before" or "after METHOD".
    """
    part = here[here.pictures == "targets"]
    wide = part.pivot_table(index="attack", columns="when", values="auc", sort=False)
    wide.columns.name = None
    return table(wide.astype(float), digits=2)


def claims(runs: Mapping[str, Record], live: Sequence[Claim]) -> Table:
    """The claims of the page.

    Parameters
    ----------
    live : those about the run on the page itself.
    """
    rows = attack_rows(dict(runs))
    return claims_table([*live, *(_recorded_claims(rows) if len(rows) else [])])


def _recorded_claims(rows: pd.DataFrame) -> list[Claim]:
    first = next(iter(rows.method))
    start, blunt = (of(rows, first, attack=a, when="before") for a in (BEST, BLUNT))
    made = [
        Claim(
            "before unlearning the likelihood ratio sees more than one threshold (intervals)",
            above(start, blunt),
            f"AUC {start.auc:.3f} against {blunt.auc:.3f}",
        )
    ]
    known = set(rows.method)
    if "retrain" in known:
        exact = of(rows, "retrain")
        told = "the attack on Retrain can't be told from guessing (interval)"
        made.append(Claim(told, blind(exact), _auc(exact)))
    if OURS not in known:
        return made
    ended, fooled = of(rows, OURS), of(rows, OURS, attack=BLUNT)
    seen = None if blind(ended) else above(ended, fooled)
    before, after = (of(rows, OURS, pictures="watched", when=w) for w in ("before", "after"))
    worse = above(after, before)
    left = [label(m) for m in methods_of(rows) if not blind(of(rows, m))]
    return [
        *made,
        Claim(
            "after SalUn the likelihood ratio can't be told from guessing (interval)",
            blind(ended),
            _auc(ended),
        ),
        Claim(
            "one threshold sees less of what is left after SalUn than the ratio (intervals)",
            seen,
            f"AUC {ended.auc:.3f} against {fooled.auc:.3f}",
        ),
        Claim(
            "SalUn does not expose the retained pictures further (intervals)",
            None if worse is None else not worse,
            f"AUC {before.auc:.3f} before, {after.auc:.3f} after",
        ),
        Claim(
            "every audited method leaves something that the likelihood ratio sees (intervals)",
            len(left) == len(methods_of(rows)),
            f"{len(left)} of {len(methods_of(rows))}: {', '.join(left)}",
        ),
    ]


def _auc(row: Any) -> str:
    return f"AUC {row.auc:.3f} {between(row.low, row.high, 3)}"


def titles(methods: Sequence[str]) -> dict[str, str]:
    """Method -> what a page calls it."""
    return {method: label(method) for method in methods}
