"""Masks by rule: the saliency mask and the controls it has to be compared with, at equal density."""

from __future__ import annotations

from torch import nn

from ..data.splits import ForgetSplit
from ..errors import unknown
from ..saliency import SaliencyMask, check_keep, saliency_scores

RULES = ("none", "saliency", "random", "inverted", "magnitude")


def build_mask(
    rule: str | SaliencyMask | None, model: nn.Module, split: ForgetSplit, *, keep: float, seed: int
) -> SaliencyMask | None:
    """Make the mask that `rule` names; None or "none" gives None, a ready mask is checked and returned.

    Parameters
    ----------
    rule : "saliency" (highest gradient of the loss on the forget set), "inverted" (as many weights, of the lowest gradient),
        "random", "magnitude" (highest absolute value), "none", or a `SaliencyMask`.
    keep : share of all weights that may change, 0 to 1. seed : of the random mask.
    """
    if isinstance(rule, SaliencyMask):
        rule.check({n: p for n, p in model.named_parameters() if p.requires_grad})
        return rule
    if rule is None or rule == "none":
        return None
    keep = check_keep(keep)
    if rule == "magnitude":
        return SaliencyMask.magnitude(model, keep)
    if rule == "random":
        return SaliencyMask.random({n: p for n, p in model.named_parameters() if p.requires_grad}, keep, seed)
    if rule not in RULES:
        raise unknown("mask", rule, RULES)
    scores = saliency_scores(model, split.forget)
    return SaliencyMask.top(scores, keep) if rule == "saliency" else SaliencyMask.lowest(scores, keep)._named(f"inverted {keep:g}")
