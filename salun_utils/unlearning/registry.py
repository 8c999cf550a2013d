"""What an unlearning method is, and the registry that holds them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..errors import unknown
from ..units import family
from .job import COMMON, Job

PAPER, OURS = "paper", "ours: "


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
    search : parameter -> `Range` or tuple of choices, for tuning.
    defaults_from : "paper" where `defaults` are those of `paper` or its authors' code, else
        "ours: " and which are not, or why.
    stronger : parameter -> "raise" or "lower", whichever makes it forget more.
    common : its own values for some of `COMMON`, where its authors' differ.
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
    defaults_from: str = PAPER
    stronger: Mapping[str, str] = field(default_factory=dict)
    common: Mapping[str, Any] = field(default_factory=dict)

    @property
    def search_space(self) -> Mapping[str, Range | tuple]:
        return self.search

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


METHODS: dict[str, Method] = {}
family("method", lambda: {name: method.run for name, method in METHODS.items()})


def method(
    name: str,
    *,
    summary: str,
    paper: str,
    search: Mapping[str, Range | tuple],
    defaults_from: str = PAPER,
    stronger: Mapping[str, str] | None = None,
    common: Mapping[str, Any] | None = None,
    mask: str | None = None,
    takes_mask: bool = True,
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
            mask,
            takes_mask,
            defaults_from,
            dict(stronger or {}),
            dict(common or {}),
        )
        return run

    return register


def get(name: str) -> Method:
    """The method called `name`, else an `InputError` with the nearest known one."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]
