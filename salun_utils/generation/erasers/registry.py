"""Which erasers there are and on what they work. A plain table: nothing heavy is imported until one
runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ...saliency import SaliencyMask


@dataclass(frozen=True)
class Eraser:
    """One way to make a generator forget a concept.

    Attributes
    ----------
    summary, paper : what it does in one line, and where it comes from.
    modules : kind of generator (``"ddpm"``, ``"pipeline"``, ``"gan"``, ``"vae"``) -> module with an
        ``erase(name, model, *, concept, seed, **params)``.
    defaults : kind -> parameter -> value. search : parameter -> (low, high) on a log scale, or a
        list of choices.
    """

    name: str
    summary: str
    paper: str
    modules: Mapping[str, str]
    defaults: Mapping[str, Mapping[str, Any]]
    search: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of generator it works on."""
        return tuple(self.modules)

    def run(self, kind: str) -> Callable[..., Erased]:
        """The function that erases on this kind of generator."""
        return importlib.import_module(f".{self.modules[kind]}", __package__).erase


@dataclass(frozen=True)
class Erased:
    """What an eraser returns: the changed copy, the seconds it took, its mask or None, and the
    parameters used.

    `losses` is the loss of each step: one sequence, or one for each part of the loss by name.
    """

    model: Any
    seconds: float
    mask: SaliencyMask | None
    params: Mapping[str, Any]
    losses: tuple[float, ...] | Mapping[str, tuple[float, ...]] = ()


ERASERS: dict[str, Eraser] = {}
"""name -> `Eraser`."""


def register(eraser: Eraser) -> Eraser:
    """Add an eraser to `ERASERS`; one that is there already for other kinds of generator learns the
    new kinds.
    """
    known = ERASERS.get(eraser.name)
    if known is not None:
        merged = [
            {**getattr(known, part), **getattr(eraser, part)}
            for part in ("modules", "defaults", "search")
        ]
        eraser = Eraser(eraser.name, known.summary, known.paper, *merged)
    ERASERS[eraser.name] = eraser
    return eraser


def weights_of(model: Any) -> nn.Module:
    """The module whose weights an eraser changes: the U-Net of a pipeline, else the model."""
    return model.unet if hasattr(model, "text_encoder") else model
