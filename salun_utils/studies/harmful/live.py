"""One run of the protocol on the page: what was drawn, erased and seen, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ...data.images import Dataset
from ...generation import shipped
from ...generation.erasers.registry import Erased
from ...generation.measures import harmful
from ...generation.models import pipelines
from ...generation.prompts import Prompt
from ...generation.trials import harmful_run as experiment
from ...generation.trials.harmful_run import Look, Outcome, Scene
from ...generation.trials.harmful_trial import PAPER, HarmfulTrial, at_hand
from ...plots.tables import Cell, Table, between, table
from ...runs import Record
from ...shown import amount

MODELS = ("original", "erased")
FEATURES = {"fid": "FID", "kid": "KID", "fid_to_original": "FID to the original", "clip": "CLIP"}


@dataclass(eq=False)
class Protocol:
    """A trial, and each step of it when it is first asked for."""

    trial: HarmfulTrial

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Protocol:
        """What a notebook's parameters describe.

        Raises
        ------
        InputError : something that it needs isn't on this machine; nothing is put in its place.
        """
        trial = HarmfulTrial.of(parameters)
        trial.check_present()
        return cls(trial)

    @cached_property
    def scene(self) -> Scene:
        """Model, detector, lists, judge."""
        return Scene.of(self.trial)

    @cached_property
    def drawn(self) -> Dataset:
        """The two sets, drawn by the original: label 0 to forget, label 1 to keep."""
        return experiment.two_sets(self.trial, self.scene)

    @cached_property
    def sets(self) -> Look:
        """What is seen in them."""
        return experiment.look(self.drawn.train.pixels, self.scene)

    @cached_property
    def _erased(self) -> tuple[Erased, float]:
        return experiment.erase(self.trial, self.scene, self.drawn)

    @property
    def models(self) -> dict[str, Any]:
        """The original and the erased copy."""
        return dict(zip(MODELS, (self.scene.model, self._erased[0].model), strict=True))

    @cached_property
    def looks(self) -> dict[str, tuple[Look, Look | None]]:
        """Model -> what is seen in its drawings of the list and of the harmless prompts."""
        return {
            name: experiment.looks(self.trial, self.scene, model, cached=name == MODELS[0])
            for name, model in self.models.items()
        }

    @cached_property
    def scores(self) -> dict[str, dict]:
        """Model -> its figures, see `harmful_run.scores`."""
        before = self.looks[MODELS[0]]
        found = self.looks.items()
        return {n: experiment.scores(self.trial, self.scene, one, before) for n, one in found}

    def record(self) -> Record:
        """Of the run; there is neither a prompt nor a picture in it."""
        erased, seconds = self._erased
        before, after = (self.looks[name] for name in MODELS)
        outcome = Outcome(self.drawn, self.sets, erased, before, after, seconds)
        return experiment.record(self.trial, self.scene, outcome)

    @property
    def harmless(self) -> bool:
        """Whether all that the model can draw may be shown: true of the shipped one, which knows
        ten kinds of clothing and nothing else.
        """
        return self.trial.model in shipped.names()

    def showable(self, pixels: Tensor, *, concept: bool) -> Tensor:
        """Pictures as they may be shown: blurred where they are of the concept, and in others where
        the detector sees anything.
        """
        return harmful.showable(pixels, concept=concept)

    def strip(self, count: int = 8) -> dict[str, Tensor]:
        """Model -> what it draws for the first prompts of the list, one noise a column. Shown as
        it is by a harmless model; blurred by any other.
        """
        lines = self.scene.listed[:count]
        return {name: self._shown(model, lines, True) for name, model in self.models.items()}

    def pairs(self, count: int = 9) -> dict[str, Tensor]:
        """Both models on both lists: rows of a grid, those of the concept blurred."""
        rows = {}
        for what, lines in {"concept": self.scene.listed, "harmless": self.scene.harmless}.items():
            for name, model in self.models.items() if lines else ():
                some = harmful.draw(model, lines[:count], steps=self.trial.steps)
                rows[f"{name},\n{what}"] = self.showable(some, concept=what == "concept")
        return rows

    def _shown(self, model: Any, lines: list[Prompt], concept: bool) -> Tensor:
        drawn = harmful.draw(model, lines, steps=self.trial.steps)
        return drawn if self.harmless else self.showable(drawn, concept=concept)

    def two_rows(self, count: int = 8) -> dict[str, Tensor]:
        """The first drawings of either set; those to forget are blurred."""
        train = self.drawn.train
        own, kept = (train.pixels[train.labels == i][:count] for i in (0, 1))
        return {
            f"{self.trial.forget}\n(blurred)": self.showable(own, concept=True),
            self.trial.retain: self.showable(kept, concept=False),
        }

    # -- tables ------------------------------------------------------------------------

    def sets_table(self) -> Table:
        """What the judge and the detector say of the two sets."""
        rows = {}
        for i, name in enumerate(self.drawn.classes):
            part = self.drawn.train.labels == i
            rows[name] = {
                "pictures": str(int(part.sum())),
                "with exposed parts": str(int(self.sets.exposed[part].sum())),
                "recognised, %": self._share(self.sets.judged[part], name),
            }
        return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("drawn as"))

    def _share(self, judged: Tensor, name: str) -> float | None:
        judge = self.scene.judge
        if judge is None or name.lower() not in map(str.lower, judge.classes):
            return None
        return 100 * float((judged == judge.label(name)).double().mean())

    def exposed_table(self) -> Table:
        """Pictures of the list, and of the harmless prompts, with any exposed part, per cent."""
        rows = {
            name: {
                "the list": _shared(one, "exposed"),
                "harmless prompts": _shared(one, "harmless_exposed"),
            }
            for name, one in self.scores.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("exposed parts in, %")
        note = f"{len(self.scene.listed)} prompts of the list, threshold {self.trial.threshold}."
        return table(frame, note=note)

    def scores_table(self) -> Table:
        """What the judge says: UA on the list, RA on the harmless prompts, with intervals."""
        rows = {
            name: {"UA, %": _shared(one, "ua"), "RA, %": _shared(one, "ra")}
            for name, one in self.scores.items()
        }
        return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("one seed"))

    def distances_table(self) -> Table:
        """How far the drawings of harmless prompts are from real pictures and from the original's;
        the FID without an interval, since resampled ones are biased upwards.
        """
        rows = {
            name: {t: amount(one[m], 3) if m in one else None for m, t in FEATURES.items()}
            for name, one in self.scores.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("harmless prompts")
        frame = frame.dropna(axis=1, how="all")
        harmless = self.looks[MODELS[0]][1]
        width = harmless.features.shape[1] if harmless is not None else 0
        real = self.scores[MODELS[1]].get("real", "no")
        note = f"{len(self.scene.harmless)} drawings, {width} features, {real} real pictures."
        return table(frame, note=note)

    def recognised(self) -> pd.DataFrame:
        """What `figures.class_bars` draws: the concept on the list, every other class on the
        harmless prompts.
        """
        judge, lines = self.scene.judge, []
        if judge is None:
            return pd.DataFrame(columns=["class", "model", "recognised"])
        named = experiment.named_classes(self.scene.harmless, judge)
        own = judge.classes[judge.label(self.trial.forget)]
        for name, (listed, kept) in self.looks.items():
            lines.append((own, name, self._share(listed.judged, own)))
            if kept is None:
                continue
            for c in named[named >= 0].unique().tolist():
                right = (kept.judged[named == c] == c).double().mean()
                lines.append((judge.classes[c], name, 100 * float(right)))
        return pd.DataFrame(lines, columns=["class", "model", "recognised"])

    def wordings(self) -> dict[str, tuple[int, int]]:
        """Pictures of the list that no longer show the concept, and all, for the wording that was
        erased and for the others.
        """
        judge = self.scene.judge
        if judge is None:
            return {}
        prompt = pipelines.prompt_for(self.trial.forget, self.trial.template)
        told = torch.tensor([p.text == prompt for p in self.scene.listed])
        gone = self.looks[MODELS[1]][0].judged != judge.label(self.trial.forget)
        parts = {"the wording that was erased": told, "other wordings": ~told}
        return {n: (int(gone[p].sum()), int(p.sum())) for n, p in parts.items() if p.any()}

    def wordings_table(self) -> Table:
        """`wordings` as a table."""
        rows = {
            name: {"gone": str(gone), "of": str(count), "gone, %": 100 * gone / count}
            for name, (gone, count) in self.wordings().items()
        }
        return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("prompts"), digits=0)


def _shared(scores: Mapping[str, Any], measure: str) -> Cell | None:
    if measure not in scores:
        return None
    low, high = scores[f"{measure}_interval"]
    return Cell(amount(float(scores[measure])), between(low, high, 1))


def at_hand_table(eraser: str) -> Table:
    """What of the paper's setting is on this machine."""
    paper: dict[str, Any] = dict(PAPER)
    found = at_hand(HarmfulTrial(eraser=eraser, **paper))
    rows = {
        f"{what}, {which}": {"here": "yes" if here == "yes" else "no"}
        for what, which, here, _ in found.itertuples(index=False)
    }
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("the paper's setting"))
