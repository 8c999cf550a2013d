"""Figures of a canary: exact ones, and those with a stated tolerance."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...saliency import SaliencyMask

T = TypeVar("T")

# What another processor, another number of threads or another release of torch may move: a few
# steps of float32 on a tiny network differ by 1e-5 at most, the smallest fault to be seen by 1e-2.
STEPS = 4e-4
ROUNDING = 1e-4
STOPPED = "stopped by"  # in the place of figures: the error in which a canary ended


def some(value: T | None) -> T:
    """What every run of a canary has."""
    if value is None:
        raise TypeError("there is nothing to compare")
    return value


@dataclass(frozen=True)
class Near:
    """Numbers that may differ by `within`: times the largest of them, or in absolute terms."""

    values: tuple[float, ...]
    within: float
    absolute: bool = False

    def plain(self) -> dict[str, Any]:
        """As the canary file has it."""
        kind = "within points" if self.absolute else "within share"
        return {"values": [float(f"{v:.7g}") for v in self.values], kind: self.within}


def holds(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Settings that must be among those found: one more, which changes nothing, is no change."""
    return {"holds": sorted(f"{name}={value}" for name, value in settings.items())}


def near(values: object, within: float = ROUNDING) -> Near:
    """Numbers (a tensor, a list, one) that may differ by the share `within` of the largest."""
    return Near(_numbers(values), within)


def points(values: object, within: float) -> Near:
    """Numbers that may differ by `within`."""
    return Near(_numbers(values), within, absolute=True)


def _numbers(values: object) -> tuple[float, ...]:
    if isinstance(values, Tensor):
        values = values.detach().double().cpu().numpy()
    return tuple(float(v) for v in np.ravel(np.asarray(values, dtype=np.float64)))


def digest(*arrays: object) -> str:
    """A digest of whole numbers, truth values or bytes, for draws that must be exact."""
    found = hashlib.sha256()
    for array in arrays:
        array = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
        if array.dtype.kind not in "biu":
            raise TypeError(f"only whole numbers are exact, not {array.dtype}")
        found.update(str((array.shape, array.dtype.kind)).encode())
        found.update(np.ascontiguousarray(array.astype(np.int64)).tobytes())
    return found.hexdigest()[:16]


def bits(mask: SaliencyMask) -> str:
    """A mask's bits, exactly."""
    return digest(*(mask[name] for name in sorted(mask)))


def projected(tensors: Mapping[str, Tensor], within: float = STEPS) -> Near:
    """What tells many numbers from others: their norm, and their sums under eight random signs."""
    flat = torch.cat([tensors[n].detach().double().flatten().cpu() for n in sorted(tensors)])
    signs = np.random.RandomState(len(flat)).choice((-1.0, 1.0), size=(8, len(flat)))
    sums = signs @ flat.numpy() / math.sqrt(len(flat))
    return Near((float(flat.norm()), *map(float, sums)), within)


def change(before: Mapping[str, Tensor], model: nn.Module, within: float = STEPS) -> Near:
    """`projected` of how far the weights and the running statistics of a model have moved."""
    after = state(model)
    return projected({n: after[n] - before[n] for n in before}, within)


def state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all numbers of a model that are no counts."""
    return {n: t.detach().clone() for n, t in model.state_dict().items() if t.is_floating_point()}


def plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as the canary file has them."""
    return {n: f.plain() if isinstance(f, Near) else _exact(f) for n, f in figures.items()}


def _exact(value: Any) -> Any:
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, Mapping):
        return {str(k): _exact(v) for k, v in value.items()}
    if isinstance(value, Iterable):
        return [_exact(v) for v in value]
    raise TypeError(f"an exact figure is a word, a whole number or a list of them, not {value!r}")


def differing(stored: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Which figures moved: the name of each, with both values where they are short. Figures that
    only one side has are `others`.
    """
    if STOPPED in found:
        return [f"it {STOPPED} {found[STOPPED]}"]
    return [
        f"{name} {_short(stored[name])} -> {_short(found[name])}"
        for name in stored
        if name in found and not agrees(stored[name], found[name])
    ]


def others(stored: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names of figures that only one side has: the canary measures other things by now."""
    return [] if STOPPED in found else sorted(set(stored) ^ set(found))


def agrees(stored: Any, found: Any) -> bool:
    """Whether a figure is the stored one, within the tolerance that is stored with it."""
    if isinstance(stored, Mapping) and "holds" in stored:
        return isinstance(found, Mapping) and set(stored["holds"]) <= set(found.get("holds", ()))
    if not (isinstance(stored, Mapping) and "values" in stored):
        return bool(stored == found)
    if not (isinstance(found, Mapping) and len(found.get("values", ())) == len(stored["values"])):
        return False
    a, b = np.asarray(stored["values"]), np.asarray(found["values"])
    limit = stored.get("within points")
    if limit is None:
        limit = stored["within share"] * float(np.abs(a).max(initial=0.0))
    return bool(np.isfinite(b).all() and (np.abs(a - b) <= limit + 1e-12).all())


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "values" in value:
        value = [float(f"{v:.4g}") for v in value["values"][:3]]
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "…"
