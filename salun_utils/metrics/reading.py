"""How a measure reads what it is given: numbers of any kind, as NumPy or torch hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError


def numbers(name: str, values: Any) -> np.ndarray:
    """float64 of the shape that was given: an array, a tensor of any float (bfloat16 too), lists
    within lists, or the values of a mapping.

    Raises
    ------
    InputError : words, lists of unequal length, or whatever else is no number.
    """
    given = list(values.values()) if isinstance(values, Mapping) else values
    try:
        if isinstance(given, Tensor):
            given = given.detach().cpu()
            given = given.double().numpy() if given.is_floating_point() else given.numpy()
        array = np.asarray(given)
        if array.dtype.kind not in "biufO" or _wordy(array):
            raise TypeError(f"they are of type {array.dtype}")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, RuntimeError) as problem:
        said = " ".join(str(problem).split())[:200]
        raise InputError(f"{name} must be numbers in a rectangular array: {said}") from None


def _wordy(array: np.ndarray) -> bool:
    return array.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in array.flat)


def truths(name: str, values: Any) -> np.ndarray:
    """bool of the shape that was given: True and False, or 1 and 0."""
    array = numbers(name, values)
    if not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} must hold True and False, or 1 and 0, and nothing else")
    return array.astype(bool)


def tensor(name: str, values: Any) -> Tensor:
    """A tensor on the CPU, without its gradient and of the type that was given."""
    try:
        return torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as problem:
        said = " ".join(str(problem).split())[:200]
        raise InputError(f"{name} must be numbers in a rectangular array: {said}") from None


def features(name: str, values: Tensor | np.ndarray) -> np.ndarray:
    """float64 (N, F) of features (N,) or (N, F): at least one, all finite."""
    values = numbers(name, values)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise InputError(
            f"{name} must hold features (N,) or (N, F) with N and F at least 1, not shape"
            f" {values.shape}"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds NaN or infinite features")
    return values


def probabilities(p: Tensor | np.ndarray) -> Tensor:
    """float64 (N, K), checked to lie in [0, 1] and to sum to 1."""
    p = tensor("probabilities", p).double()
    if p.ndim != 2:
        raise InputError(f"probabilities must have shape (N, K), not {tuple(p.shape)}")
    if p.numel() and not (p.min() >= 0 and p.max() <= 1 and (p.sum(1) - 1).abs().max() < 1e-2):
        raise InputError(
            "each row of probabilities must lie in 0 to 1 and sum to 1: pass the softmax, not the"
            " logits"
        )
    return p


def sequence(name: str, values: Any) -> np.ndarray:
    """float64 (n,), n at least 1, all finite."""
    array = numbers(name, values)
    if array.ndim != 1 or not len(array):
        raise InputError(
            f"{name} must be a sequence of at least one number, not of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity: a failed run has no place in a comparison")
    return array


def positive(name: str, value: Any) -> float:
    """A finite number above 0, else `InputError`."""
    if not (_real(value) and value > 0):
        raise InputError(f"{name} must be a number above 0, not {value!r}")
    return float(value)


def share(name: str, value: Any, *, ends: bool = False) -> float:
    """A number between 0 and 1, with `ends` also 0 and 1 themselves, else `InputError`."""
    if not (_real(value) and (0 <= value <= 1 if ends else 0 < value < 1)):
        allowed = "a number from 0 to 1" if ends else "a number above 0 and below 1"
        raise InputError(f"{name} must be {allowed}, not {value!r}")
    return float(value)


def _real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
