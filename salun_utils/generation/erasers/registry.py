"""What an eraser is, and the registry that holds them all. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import InputError
from ...saliency import SaliencyMask
from ...shown import block, inline, table


@dataclass(frozen=True)
class Eraser:
    """One way to make a generator forget a concept.

    Attributes
    ----------
    summary, paper : what it does in one line, and where it comes from.
    steps : kind of generator (``"ddpm"``, ``"dit"``, ``"pipeline"``, ``"gan"``, ``"vae"``) -> the
        decorated function: it takes the job of that kind and its settings, changes the job's model,
        and returns (mask or None, losses).
    defaults : kind -> parameter -> value; a small pipeline has its own under ``"mini-sd"``.
    search : parameter -> (low, high) on a log scale, or a list of choices.
    """

    name: str
    summary: str
    paper: str
    steps: Mapping[str, Callable[..., Any]]
    defaults: Mapping[str, Mapping[str, Any]]
    search: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of generator it works on."""
        return tuple(self.steps)

    def run(self, kind: str) -> Callable[..., Erased]:
        """The function ``(name, model, *, concept, seed, **settings)`` that erases on this kind."""
        return BY_KIND[kind]


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

    def __repr__(self) -> str:
        held = "no mask" if self.mask is None else f"mask of {100 * self.mask.density:.1f} %"
        steps = len(next(iter(self._parts().values()), ()))
        losses = f"{steps} losses" if steps else ""
        return inline("Erased", type(self.model).__name__, f"{self.seconds:.1f} s", held, losses)

    def _parts(self) -> dict[str, tuple[float, ...]]:
        losses = self.losses
        return dict(losses) if isinstance(losses, Mapping) else {"loss": losses} if losses else {}

    def _repr_html_(self) -> str:
        rows = [(name, str(value)) for name, value in self.params.items()]
        ends = [(n, f"{v[0]:.4g} → {v[-1]:.4g}") for n, v in self._parts().items() if len(v)]
        rows += [(f"{name}, first → last step", text) for name, text in ends]
        mask = "" if self.mask is None else self.mask._repr_html_()
        return block(repr(self), table(["parameter", "value"], rows), mask)


ERASERS: dict[str, Eraser] = {}
"""name -> `Eraser`."""

BY_KIND: dict[str, Callable[..., Erased]] = {}
"""kind of generator -> what copies it, hands the copy to an eraser and times it."""


def eraser(
    name: str,
    *,
    kinds: tuple[str, ...],
    summary: str,
    paper: str,
    defaults: Mapping[str, Mapping[str, Any]],
    search: Mapping[str, Any] | None = None,
):
    """Register the decorated function ``f(job, *, setting, …) -> (mask, losses)`` under `name`.

    A name that is there already for other kinds of generator learns the new ones.
    """
    if missing := [kind for kind in kinds if kind not in defaults]:
        raise InputError(f"the eraser {name} has no defaults for {', '.join(missing)}")

    def register(step: Callable[..., Any]) -> Callable[..., Any]:
        own = Eraser(name, summary, paper, dict.fromkeys(kinds, step), defaults, search or {})
        ERASERS[name] = merged(ERASERS[name], own) if name in ERASERS else own
        return step

    return register


def merged(known: Eraser, more: Eraser) -> Eraser:
    """One eraser that works on the kinds of both."""
    parts = [
        {**getattr(known, part), **getattr(more, part)} for part in ("steps", "defaults", "search")
    ]
    return Eraser(known.name, known.summary, known.paper, *parts)


def erases(*kinds: str):
    """Register the decorated function as what runs the erasers of these kinds of generator."""

    def register(erase: Callable[..., Erased]) -> Callable[..., Erased]:
        BY_KIND.update(dict.fromkeys(kinds, erase))
        return erase

    return register
