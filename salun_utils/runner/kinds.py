"""Every kind of run there is: each file `kind.py` of this library registers its own."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..runs import kinds
from ..runs.kinds import Kind

PACKAGE = Path(__file__).resolve().parents[1]


@functools.cache
def load_all() -> None:
    """Import every `kind.py`, which registers what is in it."""
    for path in sorted(PACKAGE.rglob("kind.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        importlib.import_module(".".join((PACKAGE.name, *parts)))


def kind_of(parameters: Mapping[str, Any]) -> Kind:
    """The kind of run that a notebook's parameters describe."""
    load_all()
    return kinds.kind_of(parameters)
