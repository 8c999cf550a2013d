"""Masks by rule: the saliency mask and the controls it has to be compared with, at equal density.
One file a family of rules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from ...data.splits import ForgetSplit
from ...errors import InputError, unknown
from ...models.contract import giving_logits
from ...saliency import SaliencyMask, check_keep
from ...units import family

Rule = Callable[..., SaliencyMask]
RULES: dict[str, Rule | None] = {"none": None}
"""name -> function of (model, split, keep=, seed=) that returns a `SaliencyMask`; "none" stands for
no mask.
"""

# rules that look at no seed: one mask of a model and a split serves all seeds; any other is drawn
SEEDLESS = (
    "saliency",
    "inverted",
    "magnitude",
    "gradient-ratio",
    "wanda",
    "knee",
    "ratio-knee",
    "last-layers",
    "per-layer",
)

family("mask", lambda: {name: rule for name, rule in RULES.items() if rule})


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a function of (model, split, keep=, seed=) as the mask called `name`."""

    def add(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return add


def build_mask(
    rule: str | SaliencyMask | Mapping[str, Tensor] | None,
    model: nn.Module,
    split: ForgetSplit,
    *,
    keep: float,
    seed: int,
) -> SaliencyMask | None:
    """Make the mask that `rule` names; None or "none" gives None, a ready mask is fitted to the
    model (`SaliencyMask.fitted`) and returned.

    Parameters
    ----------
    rule : one of `RULES`, a `SaliencyMask`, or a dictionary that `SaliencyMask.from_bools` takes.
    keep : share of all weights that may change, 0 to 1. seed : of masks that are drawn.
    """
    if isinstance(rule, SaliencyMask | Mapping):
        named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        return SaliencyMask.of(rule).fitted(named)
    if rule is None or rule == "none":
        return None
    if not isinstance(rule, str):
        raise InputError(
            "mask must be the name of a rule, a SaliencyMask or a dictionary of tensors, not"
            f" {type(rule).__name__}"
        )
    build = RULES.get(rule)
    if build is None:
        raise unknown("mask", rule, RULES)
    with giving_logits(model, len(split.classes)):
        return build(model, split, keep=check_keep(keep), seed=seed)


for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
