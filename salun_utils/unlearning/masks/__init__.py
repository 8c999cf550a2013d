"""Masks by rule: the saliency mask and the controls it has to be compared with, at equal density.
One file a family of rules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from torch import nn

from ...data.splits import ForgetSplit
from ...errors import unknown
from ...saliency import SaliencyMask, check_keep
from ...units import family

Rule = Callable[..., SaliencyMask]
RULES: dict[str, Rule | None] = {"none": None}
"""name -> function of (model, split, keep=, seed=) that returns a `SaliencyMask`; "none" stands for
no mask.
"""

family("mask", lambda: {name: rule for name, rule in RULES.items() if rule})


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a function of (model, split, keep=, seed=) as the mask called `name`."""

    def add(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return add


def build_mask(
    rule: str | SaliencyMask | None, model: nn.Module, split: ForgetSplit, *, keep: float, seed: int
) -> SaliencyMask | None:
    """Make the mask that `rule` names; None or "none" gives None, a ready mask is checked and
    returned.

    Parameters
    ----------
    rule : one of `RULES`, or a `SaliencyMask`.
    keep : share of all weights that may change, 0 to 1. seed : of masks that are drawn.
    """
    if isinstance(rule, SaliencyMask):
        rule.check({n: p for n, p in model.named_parameters() if p.requires_grad})
        return rule
    if rule is None or rule == "none":
        return None
    build = RULES.get(rule)
    if build is None:
        raise unknown("mask", rule, RULES)
    return build(model, split, keep=check_keep(keep), seed=seed)


for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
