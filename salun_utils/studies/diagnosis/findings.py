"""What can be wrong with one run: each function looks for one fault and says what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from ...data.splits import ForgetSplit
from ...errors import InputError
from ...metrics import predict_logits
from ...saliency import SaliencyMask, bare_name
from ...unlearning import METHODS

SIGNATURES = ("healthy", "forgets too little", "forgets too much", "differently each time")


SURE = 1e-3  # a fault that only chance speaks against needs a smaller p than this


SPARSE = 0.02  # share of weights below which a mask is a suspect


# cosine between the moves of weights and their shrinking from which weight decay alone explains
# them
DECAY = 0.99


STILL = 0.005  # relative distance from the original below which a network has hardly moved


@dataclass(frozen=True)
class Finding:
    """One likely cause: its name, what speaks for it, and what to do."""

    cause: str
    evidence: str
    advice: str


def named_weights(model: nn.Module) -> dict[str, Tensor]:
    """Its parameters by their names without what wrappers put before them."""
    return {bare_name(name): p for name, p in model.named_parameters()}


def check_same_network(model: nn.Module, original: nn.Module) -> None:
    """Raise `InputError` unless both have the same parameters, of the same shapes."""
    shapes, before = (
        {name: tuple(p.shape) for name, p in named_weights(m).items()} for m in (model, original)
    )
    for name in (*shapes, *before):
        if shapes.get(name) != before.get(name):
            raise InputError(
                f"the model isn't made of its original: {name!r} is"
                f" {shapes.get(name, 'not there')} in the model and"
                f" {before.get(name, 'not there')} in the original"
            )


def mask_broken(model: nn.Module, original: nn.Module, mask: SaliencyMask | None) -> list[Finding]:
    """Weights outside the mask must be those of the original, bit for bit."""
    if mask is None:
        return []
    before, after = (named_weights(m) for m in (original, model))
    moves, start = [], []
    for name in mask:
        if name not in before or before[name].shape != mask[name].shape:
            shape = tuple(before[name].shape) if name in before else "not there"
            raise InputError(
                f"the mask doesn't fit the model: {name!r} is {tuple(mask[name].shape)} in the"
                f" mask, {shape} in the model"
            )
        old, new = before[name].detach().cpu(), after[name].detach().cpu()
        moves.append((new - old)[~mask[name]])
        start.append(old[~mask[name]])
    moves, start = torch.cat(moves).double(), torch.cat(start).double()
    moved = int((moves != 0).sum())
    if not moved:
        return []
    shrunk = float(-(moves @ start) / (moves.norm() * start.norm()).clamp_min(1e-30))
    why = (
        "They shrank in proportion: weight decay did it"
        if shrunk > DECAY
        else "The mask was not applied, or not to all of the step"
    )
    evidence = (
        f"{moved:,} of {len(moves):,} weights outside the mask ({100 * moved / len(moves):.0f} %)"
        " have left their value"
    )
    return [
        Finding(
            "mask not applied",
            evidence,
            f"{why}. Masking the gradient is not enough, the values must be held"
            " (su.masking.hold).",
        )
    ]


def statistics_moved(
    model: nn.Module, original: nn.Module, mask: SaliencyMask | None
) -> list[Finding]:
    """Running statistics of a normalisation layer with all weights held must not move either."""
    if mask is None:
        return []
    before, moved = {bare_name(n): b for n, b in original.named_buffers()}, []
    for name, buffer in ((bare_name(n), b) for n, b in model.named_buffers()):
        layer, _, last = name.rpartition(".")
        own = [mask[f"{layer}.{p}"] for p in ("weight", "bias") if f"{layer}.{p}" in mask]
        if last in ("running_mean", "running_var") and own and not any(part.any() for part in own):
            moved += [layer] if not torch.equal(buffer, before[name].to(buffer.device)) else []
    layers = list(dict.fromkeys(moved))
    if not layers:
        return []
    evidence = (
        f"running statistics of {', '.join(layers[:3])} have moved though all weights there are"
        " held"
    )
    advice = (
        "The same weights now compute something else: keep such layers in evaluation mode"
        " (su.masking.hold does)."
    )
    return [Finding("BatchNorm statistics", evidence, advice)]


def labels_equal(labels: Tensor | None, split: ForgetSplit) -> list[Finding]:
    """A random label that is the true one teaches what was to be forgotten."""
    if labels is None:
        return []
    truth = split.forget.labels.cpu()
    try:
        given = torch.as_tensor(labels).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"labels must be whole numbers, not {str(labels)[:60]!r}") from None
    if given.shape != truth.shape:
        raise InputError(
            f"labels must be one a picture of D_f, {tuple(truth.shape)}, not {tuple(given.shape)}"
        )
    equal = int((given == truth).sum())
    if not equal:
        return []
    return [
        Finding(
            "labels equal",
            f"{equal} of {len(truth)} random labels are the true ones"
            f" ({100 * equal / len(truth):.0f} %)",
            "Those pictures are rehearsed, not forgotten: draw from the other classes"
            " (su.unlearning.random_labels).",
        )
    ]


def wrong_split(original: nn.Module, split: ForgetSplit) -> list[Finding]:
    """A network knows what it was trained on. So it knows D_f as well as D_r, and validation
    pictures no better than test pictures.

    The first fails when part of D_f was never trained on; the second when the whole split is
    another one, in which D_f and D_r both hold pictures that were held out, and the validation part
    holds pictures that were not.
    """
    if split.forget_label is None:
        forget, retain = (_losses(original, part) for part in (split.forget, split.retain))
        border = np.quantile(retain, 0.99)
        high, share = int((forget > border).sum()), float((retain > border).mean())
        p = float(
            stats.binomtest(
                high, len(forget), min(max(share, 1e-6), 1.0), alternative="greater"
            ).pvalue
        )
        if p < SURE:
            shares = f"{100 * high / len(forget):.1f} % of D_f, but {100 * share:.1f} % of D_r"
            return [
                mismatch(f"{shares}, have a loss under the original above {border:.2g} (p {p:.1g})")
            ]
    if not len(split.validation):
        return []
    held, test = _losses(original, split.validation), _losses(original, split.test)
    p = float(stats.mannwhitneyu(held, test, alternative="less").pvalue)
    said = (
        f"the original's loss is {held.mean():.2g} on the validation pictures and {test.mean():.2g}"
        f" on the test set (p {p:.1g})"
    )
    return [mismatch(said)] if p < SURE else []


def _losses(model: nn.Module, images) -> np.ndarray:
    logits = predict_logits(model, images).cpu()
    return (
        nn.functional.cross_entropy(logits, images.labels.cpu(), reduction="none").double().numpy()
    )


def from_settings(
    signature: str, params: Mapping[str, Any], density: float, method: str
) -> list[Finding]:
    """Settings that explain a signature by themselves."""
    found = []
    weights = METHODS[method].retains if method in METHODS else ()
    if signature == SIGNATURES[2] and weights and not any(params.get(w, 1) for w in weights):
        named = " and ".join(weights)
        usual = " and ".join(f"{METHODS[method].defaults[w]:g}" for w in weights)
        found.append(
            Finding(
                f"{named} 0",
                f"{named} {'are' if len(weights) > 1 else 'is'} 0, so the retained pictures have no"
                " say",
                f"Set {named} above 0; {method} has {usual} by default.",
            )
        )
    if signature == SIGNATURES[1] and density < SPARSE:
        found.append(
            Finding(
                "mask too sparse",
                f"only {100 * density:.2g} % of the weights may change",
                "Keep more weights; the paper keeps 50 %.",
            )
        )
    return found


def from_size(
    signature: str, params: Mapping[str, Any], method: str, distance: float | None = None
) -> list[Finding]:
    """The size of the update, where nothing more certain was found: in the method's own settings
    where it is known, else in words that hold for all.
    """
    if signature not in (SIGNATURES[1], SIGNATURES[2]):
        return []
    more = signature == SIGNATURES[1]
    what = "update"
    if params.get("lr") is not None:
        what = "learning rate"
    elif method in METHODS:
        what = "step" if "lr" not in METHODS[method].defaults else "learning rate"
    still = more and distance is not None and distance < STILL
    doubt = "That is next to nothing: was the update run at all? " if still else ""
    return [
        Finding(
            f"{what} too {'small' if more else 'large'}",
            _evidence(params, distance),
            doubt + _way(method, params, more=more),
        )
    ]


def _evidence(params: Mapping[str, Any], distance: float | None) -> str:
    rate = params.get("lr")
    numbered = isinstance(rate, int | float)
    said = f"lr is {rate:g}" if numbered else "no other fault was found"
    if distance is None:
        return said
    return f"{said}, and the weights have moved by {100 * distance:.2g} % of their length"


def _way(method: str, params: Mapping[str, Any], *, more: bool) -> str:
    if method in METHODS and (way := METHODS[method].way(more=more, params=params)):
        return way if more else f"{way} Tune it on a pilot seed (salun tune)."
    if params.get("lr") is not None:
        return "Raise it, or take more epochs." if more else "Lower it, or stop earlier."
    if method in METHODS:  # it has no setting that makes it forget more or less
        return (
            f"{method} is trained on D_r alone: give it the recipe of the original (epochs, lr,"
            " schedule) and the same split."
            if not METHODS[method].takes_mask
            else f"{method} has no setting for that: take another method."
        )
    how = "stronger, longer or on more weights" if more else "weaker, shorter or on fewer weights"
    return (
        f"Make the update {how}, by whichever setting of its method does that (diagnose names it"
        " when given the result of unlearn, or a record)."
    )


def mismatch(evidence: str) -> Finding:
    return Finding(
        "split mismatch",
        evidence,
        "Some of D_f were never trained on: cut the split with the seed that the original was"
        " trained with.",
    )
