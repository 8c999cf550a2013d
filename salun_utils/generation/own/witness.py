"""Who looks at the pictures of `salun erase`, and what is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from .. import JUDGES, judge
from ..models import clip, pipelines
from .request import SHIPPED, Request


@dataclass(frozen=True)
class Witness:
    """A judge, a CLIP model, or nobody, and why not."""

    judge: Any = None
    clip: Any = None
    note: str = ""

    @classmethod
    def of(cls, request: Request, device: torch.device) -> Witness:
        """The judge that is named or knows the concept; else CLIP."""
        referee = None
        if request.judge is not None:
            referee = judge(request.judge)
            for concept in request.concepts:
                referee.label(concept)  # it must know it
        elif request.pipeline == SHIPPED:
            known = judge(next(iter(JUDGES)))
            if {c.lower() for c in request.concepts} <= {c.lower() for c in known.classes}:
                referee = known
        if referee is not None:
            referee.model.to(device)
        if request.clip == "none" or (referee is not None and request.clip is None):
            return cls(referee)
        try:
            return cls(referee, clip.ClipScore(request.clip or clip.BASE, device))
        except InputError as error:
            if request.clip is not None:
                raise
            return cls(note=f"no scores: {error}; --clip PATH names CLIP weights")

    def words(self, request: Request) -> list[str]:
        """The words that are drawn, the concept first: what is kept, else what else the judge
        knows.
        """
        if request.kept or self.judge is None:
            return [*request.concepts, *request.kept]
        gone = [c.lower() for c in request.concepts]
        return [*request.concepts, *(c for c in self.judge.classes if c.lower() not in gone)]

    def rows(
        self, request: Request, words: list[str], before: Tensor, after: Tensor
    ) -> list[dict[str, Any]]:
        """One row a prompt: the mean CLIP score, and the share that the judge recognises, per
        cent.

        Parameters
        ----------
        before, after : uint8 (K, S, 3, H, W), S pictures of each of the K words.
        """
        found = []
        for i, word in enumerate(words):
            prompt = pipelines.prompt_for(word, request.template)
            row = {"words": word, "prompt": prompt, "erased": i < len(request.concepts)}
            found.append(row | self._scores(word, prompt, (before[i], after[i])))
        return found

    def _scores(self, word: str, prompt: str, pair: tuple[Tensor, Tensor]) -> dict[str, Any]:
        scores: dict[str, Any] = {}
        if self.clip is not None:
            scores["clip"] = [float(self.clip(x, [prompt] * len(x)).mean()) for x in pair]
        if self.judge is not None and word.lower() in map(str.lower, self.judge.classes):
            label = self.judge.label(word)
            scores["recognised"] = [
                100 * float((self.judge(self.judge.fit(x)) == label).double().mean()) for x in pair
            ]
        return scores
