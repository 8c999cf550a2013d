"""What is asked of `salun erase`, and what of it is refused before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import InputError, unknown
from ...seeds import check_seed
from ..erasers.registry import ERASERS
from ..files import bare
from ..models import pipelines

SHIPPED = "mini-sd"


@dataclass(frozen=True)
class Request:
    """What is to be erased, from what, and where the result goes.

    Attributes
    ----------
    pipeline : a shipped name, a folder or a Hub id. concept : its words, in any language the
        pipeline reads; or several concepts, a tuple of words, erased one after another.
    out : a folder that isn't there yet, or an empty one.
    method : one of `ERASERS` that works on pipelines. params : its settings.
    substitute : what the concept is steered to, by the methods that steer. keep : what must not
        change; drawn and scored beside the concept, and kept by the methods that learn to.
    template : the prompt around the words.
    samples : pictures of each prompt that are drawn before and after. steps, guidance : how; None
        for the pipeline's own.
    judge : name or folder of a judge that knows the concept; for mini-sd its own, where it does.
    clip : CLIP weights (a folder or a Hub id) for the scores, "none" for no scores; by default
        `clip.BASE` where no judge knows the concept, and none if it can't be had.
    data : a data set with pictures of the concept, in the place of what the pipeline draws.
    blur : blur the pictures of the concept.
    """

    pipeline: str
    concept: str | tuple[str, ...]
    out: str | os.PathLike
    method: str = "esd-x"
    substitute: str | None = None
    keep: tuple[str, ...] = ()
    template: str = "a photo of a {}"
    samples: int = 4
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    judge: str | None = None
    clip: str | None = None
    data: str | None = None
    device: str = "auto"
    blur: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        fitting = [name for name, eraser in ERASERS.items() if "pipeline" in eraser.kinds]
        if self.method not in fitting:
            raise unknown("method for a pipeline", self.method, fitting)
        named = [*self.concepts, *self.kept]
        if not self.concepts or not all(isinstance(w, str) and w for w in named):
            raise InputError("the concept, its substitute and what is kept must be words")
        lower = [word.lower() for word in named]
        if twice := next((w for w in lower if lower.count(w) > 1), None):
            raise InputError(f"{twice!r} is named twice, of the concept and what is kept")
        pipelines.check_template(self.template)
        check_seed(self.seed)
        steps = 1 if self.steps is None else self.steps
        pipelines.check_sampling(self.samples, self.guidance or 0, steps)
        if taken := {"template", "substitute"} & set(self.params):
            raise InputError(f"give --{taken.pop()} in the place of the parameter of that name")

    @property
    def concepts(self) -> tuple[str, ...]:
        """All that is to be erased."""
        words = self.concept if isinstance(self.concept, list | tuple) else (self.concept,)
        return tuple(map(bare, words))

    @property
    def kept(self) -> tuple[str, ...]:
        """The substitute, where there is one, and what must not change."""
        first = (bare(self.substitute),) if self.substitute is not None else ()
        return first + tuple(w for w in map(bare, self.keep) if w not in first)
