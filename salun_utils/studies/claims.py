"""Claims of a page: a sentence, whether it holds on what was measured, and the figure behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ..errors import InputError
from ..metrics import Verdict, compare_with, holm, least_p
from ..plots.tables import Cell, Table, between, table
from ..shown import amount

# of a paired test, corrected over the comparisons of its table
WORDS = {"yes": "holds", "no": "FAILS", "undecided": "open", "too few": "too few"}
MOST = 8  # claims a page makes
ORDER = ("FAILS", "too few", "open", "holds")


@dataclass(frozen=True)
class Claim:
    """One sentence that a page asks its reader to believe.

    Attributes
    ----------
    text : the sentence. verdict : of a comparison, that of its paired test; true or false for what
        means or counts alone say; None where nothing was recorded.
    figure : what it rests on; that of the test, where none is given.
    """

    text: str
    verdict: Verdict | bool | None
    figure: str = ""

    @property
    def mark(self) -> str:
        """ "holds", "FAILS", "open" or "too few"."""
        if isinstance(self.verdict, Verdict):
            return word(self.verdict)
        return "open" if self.verdict is None else "holds" if self.verdict else "FAILS"

    @property
    def behind(self) -> str:
        """The figure behind it."""
        found = self.verdict
        return self.figure or (in_words(found) if isinstance(found, Verdict) else "")


def word(verdict: Verdict, *, yes: str = WORDS["yes"], no: str = WORDS["no"]) -> str:
    """What a table says of a comparison: "open" and "too few" as everywhere, and where the test has
    decided, which way.

    Parameters
    ----------
    yes, no : the two ways, in the words of the table, such as "better" and "worse".
    """
    return {"yes": yes, "no": no}.get(verdict.answer, WORDS[verdict.answer])


def claims_table(claims: Sequence[Claim]) -> Table:
    """The claims of a page as a table, those that fail first.

    Raises
    ------
    InputError : more than `MOST`.
    """
    if len(claims) > MOST:
        raise InputError(f"a page makes at most {MOST} claims, not {len(claims)}")
    ranked = sorted(claims, key=lambda one: ORDER.index(one.mark))
    rows = {one.text: {"here": one.mark, "the figure behind it": one.behind} for one in ranked}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("claim")
    return table(frame, best=[one.text for one in ranked if one.mark == "FAILS"])


def together(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Verdicts of one table, with p corrected by Holm for their number: as `metrics.compare_with`
    judges them, "too few" is also what so many comparisons of so few pairs could never decide.
    """
    corrected = holm({name: verdict.p for name, verdict in verdicts.items()})
    least = least_p({name: verdict.test for name, verdict in verdicts.items()})
    found = {}
    for name, verdict in verdicts.items():
        p, answer = corrected[name], verdict.answer
        if p >= verdict.alpha:
            answer = "too few" if least[name] >= verdict.alpha else "undecided"
        found[name] = replace(verdict, p=p, answer=answer)
    return found


def paired(
    values: Mapping[str, Mapping[int, float]], ours: str, *, least: int
) -> dict[str, Verdict]:
    """Tests of `ours` against each other one, p corrected by Holm for their number; empty where
    there are none.

    Parameters
    ----------
    values : name -> seed -> value, the smaller the better. least : seeds that two must have in
        common to be compared.
    """
    if ours not in values:
        return {}
    mine = set(values[ours])
    kept = {n: v for n, v in values.items() if n == ours or len(set(v) & mine) >= least}
    return compare_with(kept, ours) if len(kept) > 1 else {}


def difference(verdict: Verdict) -> Cell:
    """The mean difference behind a verdict with its interval, for a table."""
    test = verdict.test
    interval = between(test.interval.low, test.interval.high)
    return Cell(amount(test.difference, 2, signed=True), interval)


def in_words(verdict: Verdict, unit: str = " points") -> str:
    """The figures behind a verdict: "−0.42 points, p = 0.031, 5 pairs".

    Parameters
    ----------
    unit : behind the difference; "" for what has none, such as a correlation.
    """
    test, mean = verdict.test, amount(verdict.test.difference, 2, signed=True)
    return f"{mean}{unit}, p = {verdict.p:.3f}, {test.n} pairs"
