"""What an unlearning method is, and the registry that holds them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..errors import unknown
from ..units import family
from .job import COMMON, LATER, Job

EPOCHS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Range:
    """A declared search range for tuning: numbers from `low` to `high`, on a log scale if `log`,
    whole if both ends are ints.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Method:
    """One unlearning method.

    Attributes
    ----------
    run : takes a `Job` and the method's own parameters, returns the unlearned model.
    defaults : its own parameters with their values; every method also takes those of `COMMON`,
        `mask` and `keep`.
    search : parameter -> `Range` or tuple of choices, for tuning; see `search_space`.
    own_schedule : its learning rate falls by a rule of its own, which `lr_schedule` doesn't change.
    defaults_from : "paper" where `defaults` are those of `paper` or its authors' code, else
        "ours: " and which are not, or why.
    stronger : parameter -> "raise" or "lower", whichever makes it forget more.
    retains : parameters that weigh the retained pictures; all at 0, these have no say.
    common : its own values for some of `COMMON`, where its authors' differ.
    later : parameters that it got after runs had been recorded; at their default they stay out of a
        run's name, so that a record keeps its name.
    mask : the rule used when the caller names none; None means that all weights may change.
    takes_mask : False where a mask has no meaning (retraining from fresh weights).
    """

    name: str
    summary: str
    paper: str
    run: Callable[..., nn.Module]
    defaults: Mapping[str, Any]
    search: Mapping[str, Range | tuple]
    mask: str | None = None
    takes_mask: bool = True
    defaults_from: str = "paper"
    stronger: Mapping[str, str] = field(default_factory=dict)
    retains: tuple[str, ...] = ()
    common: Mapping[str, Any] = field(default_factory=dict)
    later: frozenset[str] = frozenset()
    own_schedule: bool = False

    @property
    def search_space(self) -> dict[str, Range | tuple]:
        """What tuning may choose: `search`, and for every method that trains how many epochs, and
        whether its rate stays or falls along a cosine. All have the same kinds of freedom.
        """
        space = dict(self.search)
        if "lr" in space and "epochs" in self.defaults:
            space.setdefault("epochs", EPOCHS)
            if not self.own_schedule:
                space["lr_schedule"] = ("constant", "cosine")
        return space

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The method's own parameters with `given` ones put in. Unknown names raise `InputError`
        with the nearest right one.
        """
        allowed = [*self.defaults, *COMMON, "keep", "mask", "seed"]
        for name in given:
            if name not in allowed:
                raise unknown(f"parameter of {self.name}", name, allowed)
        return {**self.defaults, **{k: v for k, v in given.items() if k in self.defaults}}

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The common settings in force: this method's values for them, and `given` ones put in."""
        return {**COMMON, **self.common, **{k: v for k, v in given.items() if k in COMMON}}

    def naming(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `params` that a run is named after."""
        usual = {**COMMON, **self.common, **self.defaults}
        silent = {k for k in (*self.later, *LATER) if k in params and params[k] == usual[k]}
        return {k: v for k, v in params.items() if k not in silent}

    def way(self, *, more: bool, params: Mapping[str, Any] | None = None) -> str:
        """How to make it forget more, or less, in its own settings: "Raise lr (0.01), lower alpha
        (10)."; "" where it has none.
        """
        shown = {**self.defaults, **(params or {})}
        parts: dict[str, list[str]] = {"raise": [], "lower": []}
        for name, direction in self.stronger.items():
            which = direction if more else {"raise": "lower", "lower": "raise"}[direction]
            parts[which].append(f"{name} ({_short(shown[name])})")
        said = [f"{verb} {' or '.join(names)}" for verb, names in parts.items() if names]
        text = ", or ".join(said)
        return text[:1].upper() + text[1:] + "." if text else ""


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


METHODS: dict[str, Method] = {}
family("method", lambda: {name: method.run for name, method in METHODS.items()})


def method(
    name: str,
    *,
    summary: str,
    paper: str,
    search: Mapping[str, Range | tuple],
    defaults_from: str,
    stronger: Mapping[str, str] | None = None,
    retains: tuple[str, ...] = (),
    common: Mapping[str, Any] | None = None,
    later: tuple[str, ...] = (),
    mask: str | None = None,
    takes_mask: bool = True,
    own_schedule: bool = False,
):
    """Register the decorated function ``f(job, *, parameter=default, …) -> model`` under `name`."""

    def register(run: Callable[[Job], nn.Module]) -> Callable[..., nn.Module]:
        signature = list(inspect.signature(run).parameters.values())
        defaults = {
            p.name: p.default for p in signature if p.kind is inspect.Parameter.KEYWORD_ONLY
        }
        # salun takes the parameters of rl
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature):
            defaults = {**METHODS["rl"].defaults, **defaults}
        METHODS[name] = Method(
            name,
            summary,
            paper,
            run,
            defaults,
            search,
            mask=mask,
            takes_mask=takes_mask,
            defaults_from=defaults_from,
            stronger=dict(stronger or {}),
            retains=retains,
            common=dict(common or {}),
            later=frozenset(later),
            own_schedule=own_schedule,
        )
        return run

    return register


def get(name: str) -> Method:
    """The method called `name`, else an `InputError` with the nearest known one."""
    if not isinstance(name, str) or name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]
