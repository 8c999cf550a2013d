"""The parameters of a notebook: read from its cell, typed, and checked before anything runs."""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data import forget_sets
from ..data.scenarios import make_split
from ..data.splits import check_fraction, check_label
from ..errors import InputError, unknown
from ..runs.inputs import load_dataset, pick_device
from ..runs.spec import RunSpec
from ..saliency import check_keep
from ..seeds import check_seed
from .kinds import kind_of
from .values import parse_value as parse_value
from .values import typed

# what decides which pictures of a data set are taken, and how large
CUT = ("train_images", "train_classes", "image_size")
IN_PATHS = ("tier", "method", "eraser")  # parameters that files are called by
WORD = re.compile(r"[A-Za-z0-9+-][A-Za-z0-9.+_-]{0,99}")
LOWEST = {"epochs": 1, "lr": 0}
NUMBERS = {"epochs": "a whole number", "lr": "a number"}


def check_parameters(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a notebook, `given` over its defaults, with names, types and ranges
    checked.
    """
    defaults = notebook_parameters(path)
    for name in given:
        if name not in defaults:
            raise unknown(f"parameter of {path.stem}", name, defaults)
    effective = {**defaults, **{k: _taken(k, v, defaults[k]) for k, v in given.items()}}
    if effective.get("indices") not in (None, "") and effective.get("scenario") != "indices":
        raise InputError(
            f"indices names a file, but scenario is {effective.get('scenario')!r}: give scenario"
            " indices as well, or leave indices out"
        )
    check_ranges(effective)
    return effective


def _taken(name: str, value: Any, default: Any) -> Any:
    """A given value as the parameter takes it; a class may be given by number or by name."""
    if name in ("forget_class", "concept") and isinstance(value, str | int | None):
        return value
    return typed(name, value, default)


def check_data(effective: Mapping[str, Any]) -> None:
    """Check that the data set can be loaded, that it has the class or the pictures to be forgotten,
    and that the device is there.
    """
    pick_device(effective.get("device", "auto"))
    kind = kind_of(effective)
    kind.check_present(kind.of(effective))
    if name := _dataset_name(effective):
        data = _dataset(name, *(effective.get(k) for k in CUT))
        if effective.get("scenario", "class") == "class" and "forget_class" in effective:
            check_label(effective["forget_class"], data.classes)
        if effective.get("scenario") == "indices" and effective.get("indices"):
            positions = forget_sets.read(str(effective["indices"]), data)
            make_split(data, "indices", seed=0, indices=positions)  # each is one of a picture


def notebook_parameters(path: Path) -> dict[str, Any]:
    """Names and default values in the cell tagged "parameters"."""
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return dict(_parameters_in(path, changed))


@functools.lru_cache(maxsize=64)  # a grid asks for each of its runs
def _parameters_in(path: Path, _changed: int) -> dict[str, Any]:
    import nbformat

    try:
        cells = nbformat.read(path, as_version=4).cells
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is no readable notebook ({type(error).__name__})") from error
    cell = next((c for c in cells if "parameters" in c.get("metadata", {}).get("tags", [])), None)
    if cell is None:
        return {}
    found = {}
    try:
        lines = ast.parse(cell.source).body
    except (SyntaxError, ValueError) as error:  # a magic; a null byte
        where = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise InputError(
            f"{path.name}: the cell of parameters must hold plain Python alone, without magics"
            f" ({getattr(error, 'msg', error)}{where})"
        ) from None
    for node in lines:
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
        ):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except (ValueError, TypeError):  # such as {[]: 1}, which Python itself can't make
                raise InputError(
                    f"{path.name}: parameter {node.targets[0].id!r} is no plain scalar"
                ) from None
    return found


def check_ranges(effective: Mapping[str, Any]) -> None:
    """Check the values whose meaning is known, and those that the kind of run gives one."""
    checks = {
        "forget_fraction": check_fraction,
        "keep": check_keep,
        "seed": check_seed,
        "split_seed": check_seed,
        "training_seed": check_seed,
    }
    for name, check in checks.items():
        if effective.get(name) is not None:
            check(effective[name])
    if effective.get("dataset", "some") == "":
        raise InputError("dataset is empty: name a data set or a folder")
    for name, value in effective.items():
        _check_number(name, value)
    for name in IN_PATHS:
        value = effective.get(name)
        if value is not None and not WORD.fullmatch(str(value)):
            raise InputError(
                f"{name} must be one word of letters, digits and .+-_ (files are called by it), not"
                f" {str(value)[:60]!r}"
            )
    kind_of(effective).of(effective)


def _check_number(name: str, value: Any) -> None:
    """Numbers are finite; epochs and learning rates are numbers in their range."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} must be finite, not {value!r}")
    kind = next((k for k in LOWEST if name == k or name.endswith(f"_{k}")), None)
    if kind is None or value is None:
        return
    number = int if kind == "epochs" else int | float
    if isinstance(value, bool) or not isinstance(value, number):
        raise InputError(f"{name} must be {NUMBERS[kind]}, not {value!r}")
    if value < LOWEST[kind]:
        raise InputError(f"{name} must be at least {LOWEST[kind]}, not {value!r}")


def _dataset_name(effective: Mapping[str, Any]) -> str:
    """The data set that a run names; "" when it names none."""
    return str(effective.get(kind_of(effective).data) or "")


def data_fingerprint(effective: Mapping[str, Any]) -> str:
    """Fingerprint of the data set that the parameters name; "" when they name none."""
    name = _dataset_name(effective)
    return _dataset(name, *(effective.get(k) for k in CUT)).fingerprint if name else ""


@functools.lru_cache(maxsize=4)
def _dataset(
    name: str, train_images: int | None, train_classes: int | None, size: int | None
) -> Any:
    spec = RunSpec(dataset=name, train_images=train_images, train_classes=train_classes)
    return load_dataset(spec, size=size)
