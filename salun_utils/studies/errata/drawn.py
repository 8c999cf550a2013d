"""Mistakes planted in generators, one at a time: what is common to all of them. The mistakes
themselves stand on the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ... import generation
from ...generation.erasers import common as erasing
from ...generation.erasers.diffusion import salun as ddpm_salun
from ...generation.erasers.pipeline import encoded as encoding
from ...generation.erasers.pipeline import salun as steering
from ...generation.erasers.pipeline.loop import Job, train
from ...generation.measures import distances as fidelity
from ...generation.measures.recognition import recognition
from ...generation.trials import run as trials
from ...generation.trials.trial import Trial
from ...metrics.distances import Gaussian
from ...plots.tables import Table
from ...runs import Record
from ...saliency import SaliencyMask
from . import tables
from .recorded import effects, recorded, units_of_errata
from .shared import parameters_in, share_kept

DDPM, SD = "ddpm-fashion", "mini-sd"
GUIDANCE = {DDPM: 2.0, SD: 3.0}
OF_SD = ("lr", "alpha")
OF_DDPM = ("steps", *OF_SD)
Maker = Callable[[], Any]


def _unchanged(pixels: Tensor) -> Tensor:
    return pixels


@dataclass(eq=False)
class Generators:
    """The two shipped generators, and what was measured on them with each mistake and without.

    Attributes
    ----------
    names : the page's parameters; where `per_class` is 0 nothing is drawn, and tables show the
        recorded effects alone. rows : one dict an item and variant, as the record has them.
    """

    names: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.process_time)

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Generators:
        """What a notebook's parameters describe: ``Generators.of(globals())``.

        Raises
        ------
        InputError : another method than SalUn, in which all of them are planted.
        """
        return cls(parameters_in(names))

    @property
    def runs(self) -> bool:
        """Whether anything is drawn."""
        return self.names["per_class"] > 0

    def settings(self, name: str) -> dict[str, Any]:
        """Those of SalUn on a generator."""
        prefix, own = ("ddpm", OF_DDPM) if name == DDPM else ("sd", OF_SD)
        return {k: self.names[f"{prefix}_{k}"] for k in own}

    @cached_property
    def trial(self) -> Callable[[str], Trial]:
        """How a generator is made to forget and drawn from."""
        same = ("tier", "concept", "seed", "keep", "per_class", "concept_samples", "device")
        own = {k: self.names[k] for k in same} | {"steps": self.names["drawing_steps"]}
        return cache(
            lambda name: Trial(
                model=name,
                eraser="salun",
                guidance=GUIDANCE[name],
                params=self.settings(name),
                **own,
            )
        )

    @cached_property
    def scene(self) -> Callable[[str], trials.Scene]:
        """A generator with its judge and its pictures."""
        return cache(lambda name: trials.Scene.of(self.trial(name)))

    @cached_property
    def erased(self) -> Callable[[str], Any]:
        """The right way: one call of the library."""
        return cache(lambda name: self.erase(name))

    def erase(self, name: str, **changed: Any) -> Any:
        """`generation.erase` with the run's settings, but for those given."""
        scene, settings = self.scene(name), self.trial(name).settings | changed
        own = {"concept": self.names["concept"], "seed": self.names["seed"], "data": scene.data}
        return generation.erase("salun", scene.model, **own, **settings).model

    def forgotten(self, name: str) -> int:
        """The class's number."""
        return self.scene(name).judge.label(self.names["concept"])

    # -- what is drawn, and what is seen in it

    @cached_property
    def labels(self) -> Callable[[str], Tensor]:
        """The classes drawn, the same for every model, from the same noises."""
        return cache(lambda name: trials.drawn_labels(self.trial(name), self.scene(name).judge))

    @cached_property
    def drawings(self) -> Callable[..., Tensor]:
        """What a model draws, uint8 (N, C, H, W); the original where none is given."""

        @cache
        def draw(name: str, model: Any = None) -> Tensor:
            trial, scene, labels = self.trial(name), self.scene(name), self.labels(name)
            if model is None:
                return trials.drawn_by_original(trial, scene, labels)
            return trials.draw(model, trial, scene.judge, labels)

        return draw

    @cached_property
    def space(self) -> Callable[[str], fidelity.FeatureSpace]:
        """The judge's features."""
        return cache(
            lambda name: fidelity.feature_space(
                self.scene(name).judge, self.scene(name).model.device
            )
        )

    @cached_property
    def seen(self) -> Callable[..., dict[str, float]]:
        """UA, the share of the other classes that is recognised, and distances of those to all real
        pictures of their classes.
        """
        return cache(self._seen)

    def _seen(self, name: str, model: Any = None) -> dict[str, float]:
        pixels, judge, labels = (
            self.drawings(name, model),
            self.scene(name).judge,
            self.labels(name),
        )
        told = recognition(judge.fit(pixels), labels, judge, forgotten=self.names["concept"])
        gone, space = self.forgotten(name), self.space(name)
        real = trials.real_reference(self.trial(name), self.scene(name).data, gone, space)
        far = fidelity.distances(pixels[labels != gone], real, space, resamples=0)
        found = {m: getattr(far, m) for m in ("fid", "precision", "recall")}
        return {"ua": told.ua, "others": told.retained_mean, **found}

    def fids(
        self, name: str, real: Tensor, convert: Callable[[Tensor], Tensor] = _unchanged
    ) -> dict[str, float]:
        """FID of the classes that are kept, after erasing, and what erasing changed about it.

        Parameters
        ----------
        real : pictures of the reference. convert : what is done to all pictures before.
        """

        def features(pixels: Tensor) -> Tensor:
            return self.space(name).extract(convert(pixels))[0]

        reference, kept = Gaussian.fit(features(real)), self.labels(name) != self.forgotten(name)
        after, before = (
            reference.distance(features(self.drawings(name, model)[kept]))
            for model in (self.erased(name), None)
        )
        return {"fid": after, "fid_change": after - before}

    def all_real(self, name: str) -> Tensor:
        """Every real picture of the classes that are kept."""
        return fidelity.reference(self.scene(name).data.train, self.forgotten(name))

    @cached_property
    def to_all_real(self) -> Callable[[str], dict[str, float]]:
        """The right FID."""
        return cache(lambda name: self.fids(name, self.all_real(name)))

    def some_real(self, name: str, *, left_out: int, most: int = 500) -> Tensor:
        """The first real pictures of each class but one."""
        train = self.scene(name).data.train
        classes = [c for c in range(len(self.scene(name).judge.classes)) if c != left_out]
        first = [(train.labels == c).nonzero().flatten()[:most] for c in classes]
        return train.subset(torch.cat(first)).pixels

    # -- the two loops, with another part

    def pictures(self) -> tuple[Any, Any]:
        """What the DDPM is to forget, and what it is to keep."""
        scene = self.scene(DDPM)
        return erasing.pictures(scene.model, self.forgotten(DDPM), scene.data)

    @cached_property
    def mask(self) -> SaliencyMask:
        """The DDPM's mask, made in the right way."""
        forget = self.pictures()[0]
        found = ddpm_salun.saliency(self.scene(DDPM).model, forget, seed=self.names["seed"])
        return SaliencyMask.top(found, self.names["keep"])

    def shared(self, mask: SaliencyMask) -> float:
        """Share of the mask's weights that another of the same size keeps as well, in per cent."""
        return share_kept(self.mask, mask)

    def with_mask(self, mask: SaliencyMask) -> tuple[Any, dict[str, float]]:
        """The DDPM erased under another mask, and what the two masks share."""
        return self.erase(DDPM, mask=mask), {"same_weights": self.shared(mask)}

    def erased_by(self, loss: Callable[..., Tensor]) -> Any:
        """The text-to-image model after the library's loop with another loss."""
        pipe, seed = self.scene(SD).model, self.names["seed"]
        options = erasing.settings("salun", "mini-sd", self.trial(SD).settings)
        own = {"data": self.scene(SD).data, "pictures": options["pictures"], "seed": seed}
        study = encoding.prepare(pipe, self.names["concept"], **own)
        job = Job.start(pipe, study, seed=seed, **options)
        job.unet.requires_grad_(True)
        scores = steering.scores(job, guidance=options["mask_guidance"])
        train(job, loss, mask=SaliencyMask.top(scores, self.names["keep"]))
        changed = type(pipe)(
            **(pipe.components | {"unet": job.unet}), requires_safety_checker=False
        )
        changed.set_progress_bar_config(disable=True)
        return changed

    # -- side by side

    def compare(self, item: str, name: str, right: Maker, faulty: Maker) -> Table:
        """Run both, note what they make, and show it beside the recorded effect.

        Parameters
        ----------
        right, faulty : each makes a model or measures by name, and, as a second value if it likes,
            other measures.
        """
        for variant, make in {"right": right, "faulty": faulty}.items() if self.runs else ():
            made, more = result if isinstance(result := make(), tuple) else (result, {})
            measured = {**(made if isinstance(made, Mapping) else self.seen(name, made)), **more}
            rounded = {k: float(f"{v:.6g}") for k, v in measured.items()}
            self.rows.append({"item": item, "variant": variant, "model": name, **rounded})
        return tables.of_item(item, self.rows, self._on_file, part="generators", digits=2)

    @cached_property
    def _on_file(self) -> pd.DataFrame:
        return effects(recorded(parts="generators"))

    def record(self) -> Record | None:
        """Everything measured, with the settings in force; None where nothing was drawn."""
        if not self.runs:
            return None
        scene, names = self.scene(SD), self.names
        same = ("concept", "seed", "keep", "per_class", "concept_samples", "drawing_steps")
        about = {"method": "errata", "parts": "generators", "faults_in": names["method"]}
        data = {
            "name": scene.data.name,
            "note": scene.data.note,
            "fingerprint": scene.data.fingerprint,
            "features": self.space(SD).name,
        }
        return Record.of(
            units=units_of_errata({}, "generators"),
            device=torch.device(scene.model.device.type),
            id=f"errata_generators_{str(names['concept']).lower()}_s{names['seed']}",
            tier=names["tier"],
            seeds={"unlearning": names["seed"]},
            spec=about
            | {k: names[k] for k in same}
            | {"settings": {name: self.settings(name) for name in (DDPM, SD)}},
            original={name: self.seen(name) for name in (DDPM, SD)},
            data=data,
            cpu_seconds=time.process_time() - self.started,
            measurements={"rows": self.rows},
        )
