"""What a probe is, what it is handed and what it answers; and the registry of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ....data.images import Images
from ....errors import InputError, check_whole, unknown
from ....seeds import derive, generator
from ...models import pipelines
from ...models.precision import in_float32


@dataclass(frozen=True)
class Target:
    """A pipeline under a probe.

    Attributes
    ----------
    pipe : the erased pipeline, in float32. original : the one before erasing.
    images : real pictures of the concept that nobody trained on.
    judge : says what a picture shows. label : the class that is the concept.
    prompt : the concept's own. count : pictures to draw. steps, guidance : how they are drawn.
    search_steps : of probes that search. prefix : words that are put before the prompt.
    """

    pipe: Any
    original: Any
    images: Images
    judge: Any
    label: int
    prompt: str
    count: int = 20
    steps: int = 12
    guidance: float = 3.0
    seed: int = 0
    search_steps: int = 40
    prefix: int = 3

    @classmethod
    def of(cls, pipe, original, images: Images, judge, *, concept, template, **settings) -> Target:
        """The target of a concept by name or number, checked."""
        if not len(images):
            raise InputError("there is no picture of the concept to probe with")
        label = judge.label(concept)
        prompt = pipelines.prompt_for(judge.classes[label], template)
        pipelines.check_sampling(
            settings.get("count", cls.count),
            settings.get("guidance", cls.guidance),
            settings.get("steps", cls.steps),
        )
        for name in ("search_steps", "prefix"):
            check_whole(name, settings.get(name, getattr(cls, name)))
        return cls(in_float32(pipe), in_float32(original), images, judge, label, prompt, **settings)

    @cached_property
    def some(self) -> Images:
        """The first `count` of the real pictures."""
        return self.images.subset(range(min(self.count, len(self.images))))

    def noise(self, round_: int = 0) -> Tensor:
        """Start noises (count, C, h, w), others in each round."""
        seed = self.seed if round_ == 0 else derive(self.seed, f"probe round {round_}")
        return pipelines.fixed_noise(self.pipe, self.count, seed=seed)

    def draws(self, role: str) -> torch.Generator:
        """The random stream of one role."""
        return generator(self.seed, f"probe: {role}")

    def sample(self, prompts, noise: Tensor, guidance: float | None = None) -> Tensor:
        """uint8 pictures by the pipeline's own sampler, one a noise."""
        own = self.guidance if guidance is None else guidance
        return pipelines.sample(self.pipe, prompts, noise=noise, guidance=own, steps=self.steps)

    def hits(self, pixels: Tensor) -> Tensor:
        """Whether the judge recognises the concept, bool (N,)."""
        return self.judge(self.judge.fit(pixels)) == self.label

    def share(self, pixels: Tensor) -> float:
        """The same in per cent."""
        return percent(self.hits(pixels))


def percent(hits: Tensor) -> float:
    return round(100 * float(hits.double().mean()), 2)


@dataclass(frozen=True)
class Found:
    """What a probe answers, in per cent of its pictures.

    Attributes
    ----------
    recognised : in which the judge sees the concept. control : the same without what the probe is
        about. detail : further figures by name.
    """

    recognised: float
    control: float
    detail: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """One way to draw the concept all the same.

    Attributes
    ----------
    summary, control : what it does, and what its control is, in one line each. paper : where it
        comes from.
    """

    name: str
    summary: str
    control: str
    paper: str
    run: Callable[[Target], Found]


PROBES: dict[str, Probe] = {}
"""name -> `Probe`."""


def probe(name: str, *, summary: str, control: str, paper: str):
    """Register the decorated function ``f(target) -> Found`` under `name`."""

    def register(run_: Callable[[Target], Found]) -> Callable[[Target], Found]:
        PROBES[name] = Probe(name, summary, control, paper, run_)
        return run_

    return register


def run(name: str, target: Target) -> Found:
    """One probe; the pipelines are left as they were."""
    if name not in PROBES:
        raise unknown("probe", name, PROBES)
    return PROBES[name].run(target)
