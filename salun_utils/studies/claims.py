"""Claims of a page: a sentence, whether it holds on what was measured, and the figure behind it."""

from __future__ import annotations

import textwrap


def claim(text: str, verdict: object, figure: str = "") -> str:
    """Print "[holds] text: figure", wrapped, and return the first word.

    Parameters
    ----------
    verdict : anything true or false; None where the figures can't decide.

    Returns
    -------
    "holds", "FAILS" or "open".
    """
    mark = {True: "holds", False: "FAILS", None: "open"}[
        verdict if verdict is None else bool(verdict)
    ]
    print(
        textwrap.fill(
            f"[{mark}] {text}" + (f": {figure}" if figure else ""),
            width=90,
            subsequent_indent=" " * 8,
        )
    )
    return mark
