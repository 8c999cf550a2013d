"""What the pages of planted mistakes find, and what they ask their readers to believe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ...metrics import Verdict, compare_with
from ...runs import Record
from ...runs.summary import label
from ...shown import amount
from ..claims import Claim
from ..common import NONE_RECORDED, Answer
from .recorded import FAULTS, IN_SALUN, row, rows

LARGE = 5.0  # points of the average gap: more than lies between neighbours in any table here
SMALL = 1.0
WRECKED = 20.0  # an average gap of the right variant at which there was nothing left to spoil
GONE = 95.0  # UA at which a class counts as gone from a generator


def answer(effects: pd.DataFrame, standing: pd.DataFrame) -> Answer:
    """How many of the mistakes in classifiers a gap would show, and where SalUn stands without."""
    gaps = effects[effects.measure == "gap"]
    if not len(gaps):
        return Answer((NONE_RECORDED,))
    by_size = gaps.sort_values("effect", key=abs, ascending=False)
    large = by_size[by_size.effect.abs() > LARGE]
    small = by_size[by_size.effect.abs() < SMALL]
    named = "; ".join(map(_of_the_gap, large.itertuples()))
    said = [
        f"Of {len(gaps)} mistakes planted in the making or the scoring of classifiers,"
        f" {len(small)} move the average gap by less than {SMALL:.0f} point and {len(large)} by"
        f" more than {LARGE:.0f}: {named}. What moves nothing is a mistake all the same."
    ]
    if len(standing):
        place = standing.loc["right"]
        said.append(
            f"With nothing planted SalUn has an average gap of {place.gap:.2f} (mean of"
            f" {place.seeds:.0f} seeds). Two Retrains are {place.floor:.2f} apart; by more than"
            f" that {place.nearer:.0f} of {place.of:.0f} methods are nearer, and"
            f" {place.farther:.0f} farther."
        )
    return Answer(tuple(said))


def _of_the_gap(effect: Any) -> str:
    """A fault with its effect, and where the right variant lies if that is far off by itself."""
    said = f"{FAULTS[effect.item]} {_signed(effect.effect)}"
    return said + (f" (from {effect.right:.0f} without it)" if effect.right > WRECKED else "")


def verdicts(records: Iterable[Record], items: Sequence[str] = IN_SALUN) -> dict[str, Verdict]:
    """Is SalUn made in the right way nearer to Retrain than with each fault? Average gaps paired by
    seed, p corrected by Holm for the number of faults.
    """
    found = rows(records)
    if not len(found):
        return {}

    def gaps(item: str, variant: str) -> dict[int, float]:
        part = found[(found.item == item) & (found.variant == variant)]
        return part.set_index("seed").gap.to_dict()

    values = {i: gaps(i, "faulty") for i in items}
    values = {"right": gaps(items[0], "right"), **{i: v for i, v in values.items() if v}}
    return compare_with(values, "right") if len(values) > 1 and values["right"] else {}


def lead(published: pd.Series) -> float:
    """Points by which SalUn is ahead of the next method in a published table.

    Parameters
    ----------
    published : average gaps by method, Retrain not among them.
    """
    return float(published.drop("salun").min() - published["salun"])


def lead_in_words(published: pd.Series) -> Answer:
    """The published lead, with the figures that it is of."""
    rest = published.drop("salun")
    return Answer(
        (
            f"Published, CIFAR-10, 10 %: SalUn's average gap is {published['salun']:.2f}, the next"
            f" smallest {rest.min():.2f} ({label(str(rest.idxmin()))}): a lead of"
            f" {lead(published):.2f} points.",
        )
    )


def of_classifiers(
    records: Sequence[Record],
    effects: pd.DataFrame,
    standing: pd.DataFrame,
    *,
    published: pd.Series,
) -> list[Claim]:
    """The paper's order with each fault, and what single faults do; `published` as in `lead`."""
    return [*_of_order(effects, standing, lead(published)), *_of_faults(records, effects)]


def _of_order(effects: pd.DataFrame, standing: pd.DataFrame, ahead: float) -> list[Claim]:
    texts = (
        "with everything right SalUn is nearer to Retrain than every other method, by more than two"
        " Retrains differ (means)",
        "no fault but alpha = 0 puts it behind another method by more than that (means)",
        "and none moves its average gap by as much as its published lead (means)",
    )
    if not len(standing):
        return [Claim(text, None) for text in texts]
    place = standing.loc["right"]
    mild = standing.drop(index=["right", "15a"], errors="ignore")
    behind = mild[mild.nearer > place.nearer]
    found = {i: row(effects, str(i), "gap") for i in mild.index}
    large = {i: e.effect for i, e in found.items() if e is not None and abs(e.effect) >= ahead}
    return [
        Claim(
            texts[0],
            bool(place.farther == place.of),
            f"than {place.farther:.0f} of {place.of:.0f}",
        ),
        Claim(
            texts[1],
            not len(behind),
            ", ".join(f"with {i} behind {n:.0f}" for i, n in behind.nearer.items()),
        ),
        Claim(texts[2], not large, ", ".join(f"{i}: {_signed(e)}" for i, e in large.items())),
    ]


def _of_faults(records: Sequence[Record], effects: pd.DataFrame) -> list[Claim]:
    found = verdicts(records)
    moved, attacked = row(effects, "1", "moved"), row(effects, "6", "retrain_mia")
    lost = differences(records, "15a", "ra")
    least = differences(records, "6", "retrain_mia")
    return [
        Claim("a mask on the gradient alone takes SalUn away from Retrain", found.get("1")),
        Claim("so do two passes in turn in place of a mixed one", found.get("5")),
        Claim(
            "a mask on the gradient alone moves every weight outside it (means)",
            None if moved is None else bool(moved.right == 0 and moved.faulty > 99),
            "" if moved is None else f"{moved.faulty:.0f} % of them",
        ),
        Claim(
            "alpha = 0 destroys the model: RA falls by more than 30 points in every seed",
            max(lost) < -30 if lost else None,
            f"by {-max(lost):.0f} to {-min(lost):.0f}" if lost else "",
        ),
        Claim(
            "the faulty entropy says something else of Retrain: MIA more than 10 points apart in"
            " every seed",
            min(map(abs, least)) > 10 if least else None,
            "" if attacked is None else f"{_signed(attacked.effect)} points on average",
        ),
    ]


def differences(records: Iterable[Record], item: str, measure: str) -> list[float]:
    """Faulty minus right of one measure, seed by seed."""
    found = rows(records)
    if not len(found) or measure not in found:
        return []
    part = found[found.item == item].set_index(["seed", "variant"])[measure].dropna()
    wide = part.unstack().reindex(columns=["right", "faulty"]).dropna()
    return (wide.faulty - wide.right).astype(float).tolist()


def of_generators(records: Sequence[Record], effects: pd.DataFrame) -> list[Claim]:
    """What the faults do to UA, to the other classes and to the FID, seed by seed."""
    drawn = [row(effects, i, "ua") for i in ("12d", "12e", "13a", "13d")]
    lowest = min((e.faulty for e in drawn if e is not None), default=None)
    right = [e.right for e in drawn if e is not None]
    missing = row(effects, "13c", "ua")
    return [
        Claim(
            f"with everything right the class is gone: UA is at least {GONE:.0f} (means)",
            min(right) >= GONE if right else None,
            _at_least(min(right)) if right else "",
        ),
        Claim(
            f"UA stays at {GONE:.0f} % or above with each fault in the training (means)",
            None if lowest is None else bool(lowest >= GONE),
            "" if lowest is None else _at_least(lowest),
        ),
        _in_every_seed(records, "12d", "others", -1, "a moving target costs the other classes"),
        _in_every_seed(
            records, "13a", "others", -1, "the same batch again costs the other classes"
        ),
        _in_every_seed(records, "12b", "fid", 1, "a reference without class 0 raises the FID"),
        _in_every_seed(records, "13b", "fid", 1, "so does the cast to uint8"),
        Claim(
            "a missing model reads as a method that forgot nothing: UA below 10 (means)",
            None if missing is None else bool(missing.faulty < 10),
            "" if missing is None else f"{missing.faulty:.1f}",
        ),
    ]


def _at_least(percent: float) -> str:
    """A lower bound in per cent; there is nothing above 100."""
    return f"{percent:.0f} %" if percent > 99.95 else f"at least {percent:.1f} %"


def _in_every_seed(
    records: Sequence[Record], item: str, measure: str, sign: int, text: str
) -> Claim:
    """Whether an effect has that sign in all seeds. Three can't decide a paired test: its smallest
    p is 1/4.
    """
    found = differences(records, item, measure)
    same = sum(sign * d > 0 for d in found)
    digits = 2 if measure == "fid" else 1
    figure = (
        f"{same} of {len(found)}, {amount(sum(found) / max(1, len(found)), digits, signed=True)}"
    )
    verdict = None if not found else same == len(found)
    return Claim(f"{text}, in every seed", verdict, figure if found else "")


def _signed(value: float) -> str:
    return amount(float(value), signed=True)


def answer_of_generators(effects: pd.DataFrame) -> Answer:
    """What the mistakes in generators do to UA and to the FID."""
    ua = [e for e in (row(effects, i, "ua") for i in ("12d", "12e", "13a", "13d")) if e is not None]
    other, cast, missing = (
        row(effects, i, m) for i, m in (("12b", "fid"), ("13b", "fid"), ("13c", "ua"))
    )
    if not ua or other is None or cast is None or missing is None:
        return Answer((NONE_RECORDED,))
    return Answer(
        (
            f"Four mistakes planted in the erasing of a generator leave UA at"
            f" {_at_least(min(e.faulty for e in ua))}: by that figure nobody would find them.",
            f"Mistakes in what is measured do more. A reference without class 0 takes the FID from"
            f" {other.right:.2f} to {other.faulty:.2f}, a cast to uint8 from {cast.right:.2f} to"
            f" {cast.faulty:.2f}; a model that wasn't found turns UA from {missing.right:.0f} into"
            f" {missing.faulty:.0f}. Means of {missing.seeds:.0f} seeds.",
        )
    )
