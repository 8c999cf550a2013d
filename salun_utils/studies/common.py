"""What several studies share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import torch

from ..data.images import Images
from ..runs.records.standing import standing

__all__ = ["NONE_RECORDED", "Answer", "none_recorded", "rounded", "some", "standing"]

DIGITS = 5  # significant ones, in a record
NONE_RECORDED = "There are no recorded runs yet."


@dataclass(frozen=True)
class Answer:
    """Sentences that stand large at the top of a page, one paragraph each."""

    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        paragraphs = "".join(f"<p>{escape(one)}</p>" for one in self.sentences)
        return {
            "text/plain": str(self),
            "text/html": f'<div class="salun-answer">{paragraphs}</div>',
        }


def none_recorded() -> None:
    """Print that a page has nothing to show here."""
    print(NONE_RECORDED)


def some(images: Images, most: int, draws: torch.Generator) -> Images:
    """At most that many pictures, drawn without replacement."""
    return images.subset(torch.randperm(len(images), generator=draws)[:most])


def rounded(value: Any) -> Any:
    """Every number in a nest of lists and dictionaries, to `DIGITS` significant digits."""
    if isinstance(value, Mapping):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
