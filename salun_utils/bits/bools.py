"""Tensors of True and False, whatever they were written as."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError


def as_bools(name: object, values: object) -> Tensor:
    """A bool tensor of what may stand in a mask."""
    if not isinstance(values, Tensor | np.ndarray):
        raise InputError(
            f"a mask holds tensors of True and False, not {type(values).__name__} at {name!r}"
        )
    tensor = torch.as_tensor(values).detach()
    if tensor.is_meta or tensor.layout != torch.strided:
        raise InputError(f"{name!r} must be a dense tensor with values, to be taken as a mask")
    if tensor.dtype == torch.bool:
        return tensor
    chosen = tensor == 1
    if not (chosen | (tensor == 0)).all():
        raise InputError(
            f"a mask holds True and False, or 0 and 1, but {name!r} has other values: make one of"
            " scores by SaliencyMask.top(scores, keep)"
        )
    return chosen
