"""What several studies share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import torch

from ..data.images import Images
from ..runs import Record, Task
from ..runs.records.numerics import units_of, units_of_start
from ..runs.records.standing import standing
from ..unlearning import METHODS

__all__ = [
    "NONE_RECORDED",
    "REMEMBERS",
    "Answer",
    "none_recorded",
    "record_of_networks",
    "rounded",
    "some",
    "standing",
    "units_of_networks",
]

DIGITS = 5  # significant ones, in a record
NONE_RECORDED = "There are no recorded runs yet."
# The setting of the network that gets practically all of its training pictures right: `speednet` on
# 12,000 pictures, a tenth of them held out.
REMEMBERS: dict[str, Any] = {
    "dataset": "cifar10_jpeg",
    "arch": "speednet",
    "train_images": 12_000,
}


@dataclass(frozen=True)
class Answer:
    """Sentences that stand large at the top of a page, one paragraph each. What stands between
    backticks is code.
    """

    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        paragraphs = "".join(f"<p>{_html(one)}</p>" for one in self.sentences)
        return {
            "text/plain": str(self),
            "text/html": f'<div class="salun-answer">{paragraphs}</div>',
        }


def _html(sentence: str) -> str:
    """Escaped, with `code` for what stands between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(sentence))


def none_recorded() -> None:
    """Print that a page has nothing to show here."""
    print(NONE_RECORDED)


def some(images: Images, most: int, draws: torch.Generator) -> Images:
    """At most that many pictures, drawn without replacement."""
    return images.subset(torch.randperm(len(images), generator=draws)[:most])


def record_of_networks(
    name: str, plan: Any, task: Task, units: Iterable[str], measured: Mapping[str, Any]
) -> Record:
    """The record of a study that makes networks of several methods. Its `scores` and `gap` are
    empty: it is no row of a comparison of methods.

    Parameters
    ----------
    name : what such records are filed under, where others have their method. plan : a dataclass
        with the `spec` of the runs beside settings of its own. units : that the study touched.
    """
    spec = plan.spec
    own = {k: v for k, v in asdict(plan).items() if k != "spec"}
    own = {k: list(v) if isinstance(v, tuple) else v for k, v in own.items()}
    return Record.of(
        units=units,
        device=task.device,
        id=f"{name}_{spec.id}",
        tier=spec.tier,
        seeds=spec.seeds,
        spec=spec.effective | own | {"dataset": task.data.name, "method": name},
        data=task.facts,
        measurements=dict(measured),
    )


def units_of_networks(study: str, settings: Mapping[str, Any], methods: Iterable[str]) -> list[str]:
    """Units that such a study touches: its own, and those of a run of each method under its own
    mask.
    """
    runs = [{**settings, "method": name, "mask": METHODS[name].mask} for name in methods]
    return [study, *units_of_start(settings), *(u for run in runs for u in units_of(run))]


def rounded(value: Any) -> Any:
    """Every number in a nest of lists and dictionaries, to `DIGITS` significant digits."""
    if isinstance(value, Mapping):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
