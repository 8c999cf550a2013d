"""Erasers run on the page itself, and what attacks bring back from them, as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...data.images import Images
from ...generation.erasers.pipeline import encoded
from ...generation.measures import recovery
from ...generation.models import pipelines
from ...generation.trials import run as experiment
from ...generation.trials.protocol import erased_by
from ...generation.trials.run import Outcome, Scene
from ...generation.trials.trial import Trial
from ...runs import Record
from . import one_run
from .one_run import ORIGINAL

LESSONS = 64  # test pictures that a word is learned from, at most


@dataclass(frozen=True)
class Drawn:
    """Pictures of the concept, uint8 (N, C, H, W), and the share in which the judge sees it, %."""

    pixels: Tensor
    share: float


@dataclass(eq=False)
class Live:
    """A few erasers of one concept of one generator, each drawn from the same noises.

    Attributes
    ----------
    trials : name on the page -> what is run. attack_steps : that a word is learned for.
    alone : name -> model that was erased and not drawn.
    """

    trials: dict[str, Trial]
    attack_steps: int = 60
    alone: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, parameters: Mapping[str, Any], plans: Mapping[str, Mapping[str, Any]]) -> Live:
        """What a notebook's parameters describe, with the settings of each eraser laid over them.

        The attacks are asked for by themselves, so the trials have none.
        """
        trials = {
            name: Trial.of(parameters, **{"keep": None, "attack_steps": 0, **plan})
            for name, plan in plans.items()
        }
        return cls(trials, int(parameters.get("attack_steps", cls.attack_steps)))

    @property
    def first(self) -> Trial:
        """What all trials have in common."""
        return next(iter(self.trials.values()))

    @cached_property
    def scene(self) -> Scene:
        """Generator, judge and pictures."""
        return Scene.of(self.first)

    @cached_property
    def runs(self) -> dict[str, Outcome]:
        """Name -> what the run gave."""
        return {name: experiment.run(trial, self.scene) for name, trial in self.trials.items()}

    @cached_property
    def models(self) -> dict[str, Any]:
        """The original and every erased copy."""
        return {ORIGINAL: self.scene.model} | {n: run.erased.model for n, run in self.runs.items()}

    def model(self, name: str) -> Any:
        """One of `models`; where nothing was run yet it is erased, and nothing drawn of it."""
        if name == ORIGINAL:
            return self.scene.model
        if "runs" in self.__dict__:
            return self.runs[name].erased.model
        if name not in self.alone:
            trial, scene = self.trials[name], self.scene
            self.alone[name] = erased_by(trial, scene.model, trial.concept, scene.data)[0].model
        return self.alone[name]

    @property
    def label(self) -> int:
        """The judge's number of the concept."""
        return self.scene.judge.label(self.first.concept)

    @property
    def labels(self) -> Tensor:
        """The class (N,) that each picture of a run was asked for."""
        return next(iter(self.runs.values())).labels

    def drawings(self) -> dict[str, Tensor]:
        """Name -> pictures of all classes, one for each of `labels`, the original's first."""
        return one_run.pictures(self.runs, torch.arange(len(self.labels)))

    def one_of_each(self) -> dict[str, Tensor]:
        """Of `drawings`, the first picture of every class."""
        first = one_run.first_of_each(self.labels, self.scene.judge.classes)
        return one_run.pictures(self.runs, first)

    @cached_property
    def lessons(self) -> Images:
        """Test pictures of the concept, which neither the generator nor an eraser saw."""
        test = self.scene.data.test
        return test.subset((test.labels == self.label).nonzero().flatten()[:LESSONS])

    def drawn(self, pixels: Tensor) -> Drawn:
        """Pictures with the share in which the judge sees the concept."""
        judge = self.scene.judge
        seen = judge(judge.fit(pixels)) == self.label
        return Drawn(pixels, 100 * float(seen.double().mean()))

    def by_name(self, name: str, count: int = 20) -> Drawn:
        """What a model draws when it is asked for the concept by its name: from the pictures of
        its run, where these are on the page already and enough.
        """
        if (drawn := self._of_run(name, count)) is not None:
            return self.drawn(drawn)
        template = self.first.params.get("template", "a photo of a {}")
        prompt = pipelines.prompt_for(self.scene.judge.classes[self.label], template)
        return self._sampled(name, [prompt] * count)

    def by_word(self, name: str, count: int = 20) -> Drawn:
        """What it draws for a word learned from `lessons`."""
        word, _ = recovery.invert_text(
            self.model(name), self.lessons, steps=self.attack_steps, seed=self.first.seed
        )
        return self._sampled(name, word.expand(count, -1, -1))

    def redrawn(self, name: str, images: Images) -> Tensor:
        """Pictures run backwards into noise and drawn again from there, without any text."""
        pipe, steps = self.model(name), self.first.steps or 50
        noise = recovery.invert_noise(pipe, images, steps=steps)
        return pipelines.sample(pipe, [""] * len(images), noise=noise, steps=steps, guidance=1)

    def shown(self, images: Images) -> Tensor:
        """Real pictures at the size and in the colours of the drawn ones, uint8 (N, 3, H, W)."""
        parts = len(self.scene.model.vae.config.block_out_channels)
        side = self.scene.model.unet.config.sample_size * 2 ** (parts - 1)
        return pipelines.signed_to_uint8(encoded.fit_pixels(images.pixels, side))

    def foreign(self, images: Images, count: int = 20) -> Images:
        """Pictures of something else, at the size of the concept's own."""
        size = tuple(self.lessons.pixels.shape[-2:])
        some = images.subset(range(count))
        return Images(interpolate(some.pixels.float(), size).round().to(torch.uint8), some.labels)

    def records(self) -> list[Record]:
        """One of each run."""
        return [
            experiment.record(self.trials[name], self.scene, run) for name, run in self.runs.items()
        ]

    def _of_run(self, name: str, count: int) -> Tensor | None:
        """The first pictures of the concept that a run drew, which are from the noises of
        `_sampled`; None where nothing was run yet, or less was drawn.
        """
        if "runs" not in self.__dict__:
            return None
        rows = (self.labels == self.label).nonzero().flatten()[:count]
        return one_run.pictures(self.runs, rows)[name] if len(rows) == count else None

    def _sampled(self, name: str, prompts: Any) -> Drawn:
        trial = self.first
        noise = pipelines.fixed_noise(self.scene.model, len(prompts), seed=trial.sample_seed)
        how: dict[str, Any] = {"guidance": trial.guidance, "steps": trial.steps}
        return self.drawn(pipelines.sample(self.model(name), prompts, noise=noise, **how))
