"""Claims of a page: a sentence, whether it holds on what was measured, and the figure behind it."""

from __future__ import annotations

import textwrap

from ..metrics import Verdict

# of a paired test, corrected over the comparisons of its table
WORDS = {"yes": "holds", "no": "FAILS", "undecided": "open", "too few": "too few"}


def claim(text: str, verdict: object, figure: str = "") -> str:
    """Print "[holds] text: figure", wrapped, and return the first word.

    Parameters
    ----------
    verdict : of a comparison, the `Verdict` of its paired test: then "holds" is what the test says
        at its level, "FAILS" that it says the opposite, "open" neither, and "too few" that with so
        few seeds it could have said neither; and the figure, where none is given, is the
        difference. Of anything else something true or false; None where the figures can't decide.

    Returns
    -------
    "holds", "FAILS", "open" or "too few".
    """
    if isinstance(verdict, Verdict):
        mark, figure = WORDS[verdict.answer], figure or in_words(verdict)
    else:
        known = verdict if verdict is None else bool(verdict)
        mark = {True: "holds", False: "FAILS", None: "open"}[known]
    print(
        textwrap.fill(
            f"[{mark}] {text}" + (f": {figure}" if figure else ""),
            width=90,
            subsequent_indent=" " * 8,
        )
    )
    return mark


def in_words(verdict: Verdict) -> str:
    """The figures behind a verdict: "-0.42 points, p = 0.031, 5 pairs"."""
    test = verdict.test
    return f"{test.difference:+.2f} points, p = {verdict.p:.3f}, {test.n} pairs"
