"""Which columns of a table are the picture and the label, and what classes its labels are."""

from __future__ import annotations

import decimal
import json
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import InputError, unknown
from . import table_files

LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "coarse_label", "category",
               "classes", "targets", "label_id", "class_id", "category_id", "class_label",
               "label_name", "class_name", "y")  # fmt: skip
IMAGE_NAMES = ("image", "img", "images", "pixels", "picture", "image_bytes", "image_data", "jpg",
               "png", "photo")  # fmt: skip
CLASS_TYPES = "whole numbers, texts, true and false, floats that are whole, or categories of these"
Label = int | str | None  # None: the row has no label


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are the picture and the label, and the class names it gives."""

    image: str
    label: str
    classes: list[str] | None


def choose(path: Path, *, image: str | None = None, label: str | None = None) -> Columns:
    """Choose the columns of a file: those named, else as the metadata types them, else by name.

    Raises
    ------
    InputError : a column is not there, is there twice, or is of a type that holds no such thing.
    """
    schema = table_files.schema(path)
    for name in {image, label} - {None, *schema.names}:
        raise unknown(f"column of {path}", name, schema.names)
    if image is not None and image == label:
        raise InputError(f"image_column and label_column are both {image!r}")
    features = _features(path, schema)
    label = label or _label(path, schema, features, image)
    image = image or _image(path, schema, features, label)
    for name in (image, label):
        if schema.names.count(name) > 1:
            raise InputError(f"{path} has {schema.names.count(name)} columns called {name!r}")
    if not _holds_bytes(schema.field(image).type):
        raise InputError(
            f"column {image!r} of {path} has the type {_type(schema, image)}; pictures are encoded"
            " bytes (JPEG, PNG, …), plain or with their path, or paths of files beside the table"
        )
    if not _holds_classes(schema.field(label).type):
        raise InputError(
            f"column {label!r} of {path} has the type {_type(schema, label)}, which holds no"
            f" classes; allowed: {CLASS_TYPES}; label_column names another"
        )
    own = features.get(label)
    names = own.get("names") if isinstance(own, dict) else None
    return Columns(image, label, [str(n) for n in names] if isinstance(names, list) else None)


def labels(path: Path, name: str) -> list[Label]:
    """The labels of a file as whole numbers or texts, None where a row has none.

    Raises
    ------
    InputError : a value that is no class, such as 0.5, with its row.
    """
    return [_label_of(value, path, row) for row, value in enumerate(table_files.column(path, name))]


def _label(path: Path, schema: pa.Schema, features: dict, image: str | None) -> str:
    typed = [n for n in _typed(features, "ClassLabel", schema) if n != image]
    known = [n for n in _by_name(schema.names, LABEL_NAMES) if n not in (image, *typed)]
    usable = [n for n in known if _holds_classes(schema.field(schema.names.index(n)).type)]
    # where no type fits, the one of that name is reported with its type
    found = _preferred(typed, LABEL_NAMES) or next(iter([*usable, *known]), None)
    if found is None:
        raise _lacking(path, schema, "label column")
    return found


def _image(path: Path, schema: pa.Schema, features: dict, label: str) -> str:
    typed = [n for n in _typed(features, "Image", schema) if n != label]
    holding = [f.name for f in schema if _holds_bytes(f.type, paths=False) and f.name != label]
    texts = [f.name for f in schema if _is_text(f.type) and f.name != label]
    found = _preferred(typed or holding, IMAGE_NAMES) or next(
        iter(_by_name(texts, IMAGE_NAMES)), None
    )
    if found is None:
        raise _lacking(path, schema, "image column (encoded bytes)")
    return found


def _lacking(path: Path, schema: pa.Schema, what: str) -> InputError:
    word = what.split()[0]
    return InputError(
        f"{path} has no {what}; its columns: {described(schema)}; name it by {word}_column"
    )


def described(schema: pa.Schema) -> str:
    """The columns with their types, for a message."""
    return ", ".join(f"{f.name} ({str(f.type)[:40]})" for f in schema) or "none"


def _typed(features: dict, kind: str, schema: pa.Schema) -> list[str]:
    return [
        name
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == kind and name in schema.names
    ]


def _by_name(found: Sequence[str], preferred: tuple[str, ...]) -> list[str]:
    """Those of `found` that are among `preferred`, in any case, in the order of the latter."""
    return [name for word in preferred for name in found if name.lower() == word]


def _preferred(found: list[str], preferred: tuple[str, ...]) -> str | None:
    return next(iter([*_by_name(found, preferred), *found]), None)


def _features(path: Path, schema: pa.Schema) -> dict:
    """What Hugging Face's `datasets` wrote about the columns, into the file or beside it."""
    try:
        written = (schema.metadata or {}).get(b"huggingface")
        if written is not None:
            features = json.loads(written)["info"]["features"]
        else:
            features = json.loads((path.parent / "dataset_info.json").read_text())["features"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _bare(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves, out of dictionaries and extensions."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _holds_bytes(kind: pa.DataType, *, paths: bool = True) -> bool:
    kind = _bare(kind)
    if pa.types.is_struct(kind):
        return any(f.name == "bytes" and _holds_bytes(f.type, paths=False) for f in kind)
    return _is_bytes(kind) or (paths and _is_text(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    kind = _bare(kind)
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _holds_classes(kind: pa.DataType) -> bool:
    kind = _bare(kind)
    return (
        _is_text(kind)
        or _is_bytes(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def _type(schema: pa.Schema, name: str) -> str:
    return str(schema.field(name).type)[:60]


def _label_of(value: object, path: Path, row: int) -> Label:
    if isinstance(value, bool):  # before int, which a bool is as well
        return str(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value or None
    if isinstance(value, (numbers.Real, decimal.Decimal)):  # of 16 bits it is NumPy's
        if math.isnan(value):
            return None
        number: Any = value  # `Real` declares no rounding
        if math.isfinite(value) and number == int(number):
            return int(number)
    raise InputError(f"{path} row {row}: label {str(value)[:40]} is no whole number")
