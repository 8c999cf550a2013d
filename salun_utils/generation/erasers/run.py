"""Run an eraser of a class-conditional generator (DDPM, DiT, GAN, VAE) on a copy."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...data.images import Dataset, Images
from ...fitting import ranks
from ...units import numerics
from .common import Stopwatch, pictures, settings, used, warn_of_nothing
from .registry import ERASERS, Erased, erases


@dataclass
class Job:
    """What an eraser is handed.

    `model` is the copy that changes, in evaluation mode; `original` is frozen and gives targets and
    samples. `label` is the class to forget.
    """

    original: Any
    model: Any
    label: int
    seed: int
    data: Dataset | Images | None = None

    @cached_property
    def _pictures(self) -> tuple[Images, Images]:
        found = pictures(self.original, self.label, self.data)
        forget, retain = (part.to(self.original.device) for part in found)
        return forget, retain

    @property
    def forget(self) -> Images:
        """The training pictures of the class; an `InputError` when the data lack them."""
        return self._pictures[0]

    @property
    def retain(self) -> Images:
        """Those of all the others."""
        return self._pictures[1]


@erases("ddpm", "dit", "gan", "vae")
@numerics(1, "eraser/pictures", uses=("data",))
def erase(
    name: str,
    model: Any,
    *,
    concept: str | int,
    seed: int = 0,
    data: Dataset | Images | None = None,
    **params: object,
) -> Erased:
    """Run one of the erasers of a DDPM, a DiT, a GAN or a VAE; see `salun_utils.generation.erase`.

    Parameters
    ----------
    data : the training pictures; those of ``fashion-mini`` when None. Erasers of a GAN need none,
        but for training anew.
    """
    options = settings(name, model.kind, params)
    label = model.label(concept)
    watch = Stopwatch()
    original = copy.deepcopy(model).eval().requires_grad_(False)
    job = Job(original, trainable(copy.deepcopy(model)).eval(), label, seed, data)
    mask, losses = ERASERS[name].steps[model.kind](job, **options)
    ranks.here().spread((*job.model.parameters(), *job.model.buffers()))
    warn_of_nothing(name, original, job.model)
    return Erased(
        job.model.eval(),
        watch.seconds,
        mask,
        used(name, model.classes[label], seed, options),
        losses,
    )


def trainable(model: Any) -> Any:
    """The model with those weights open to change that draw: all of a DDPM or DiT, the generator of
    a GAN, decoder and prior of a VAE.
    """
    return model.freeze() if hasattr(model, "freeze") else model.requires_grad_(True)
