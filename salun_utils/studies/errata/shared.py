"""What the mistakes planted in classifiers and those planted in generators have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError
from ...saliency import SaliencyMask


def parameters_in(names: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook's parameters among its names.

    Raises
    ------
    InputError : another method than SalUn, in which all mistakes are planted.
    """
    if names["method"] != "salun":
        raise InputError(
            f"method must be 'salun', in which the faults are planted, not {names['method']!r}"
        )
    return {k: v for k, v in names.items() if isinstance(v, str | int | float | None)}


def share_kept(mask: SaliencyMask, other: SaliencyMask) -> float:
    """Share of the mask's weights that another of the same size keeps as well, in per cent."""
    return 100 * sum(int((mask[n] & other[n]).sum()) for n in other) / mask.kept
