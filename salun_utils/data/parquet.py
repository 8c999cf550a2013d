"""List a folder of Parquet files in the Hugging Face image layout: an image column of encoded bytes
and a label column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ..errors import InputError
from .decode import Chunk
from .listing import CHUNK, FIXED_SPLIT, Listing, check_classes, check_fixed_split, facts, part_of
from .statistics import fixed_test_rows

LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "coarse_label")
IMAGE_NAMES = ("image", "img", "images", "pixels", "picture")
BROKEN = (pa.ArrowException, OSError)


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are picture and label, and the class names its schema gives."""

    image: str
    label: str
    classes: list[str] | None


def files(root: Path) -> list[Path]:
    """The Parquet files at `root` and up to two folders below, sorted."""
    found = {
        path
        for depth in ("*", "*/*", "*/*/*")
        for path in root.glob(f"{depth}.parquet")
        if path.is_file()
    }
    return sorted(
        path for path in found if not any(p.startswith(".") for p in path.relative_to(root).parts)
    )


def listing(root: Path) -> Listing:
    """List the Parquet files at `root`; one without train, test or val in its name or folder makes
    a flat set with a fixed split.

    Raises
    ------
    InputError : a truncated file, a missing shard, no image or label column, a label out of range,
        one class only, no test part.
    """
    parts = _parts(root)
    train_columns = _columns(parts["train"][0])
    test_columns = _columns(parts["test"][0]) if parts["test"] else train_columns
    values = [
        _labels(path, _columns(path).label) for name in ("train", "test") for path in parts[name]
    ]
    count = sum(len(v) for v in values[: len(parts["train"])])
    classes, values = _as_integers(values, train_columns.classes)
    _check_range(parts["train"] + parts["test"], values, classes)
    labels = torch.cat(values)
    check_classes(root, classes, labels[:count])
    if test_columns.classes not in (None, train_columns.classes):
        raise InputError(f"{parts['test'][0]} names other classes than {parts['train'][0]}")
    known = [facts(path, root) for name in ("train", "test") for path in parts[name]]
    if not parts["test"]:
        check_fixed_split(root, classes, labels)
        held = fixed_test_rows(labels)
        chunks = partial(_chunks, parts["train"], [~held, held])
        return Listing(classes, labels[~held], labels[held], known, chunks, FIXED_SPLIT)
    if count == len(labels):
        raise InputError(f"{parts['test'][0]} has no rows")
    chunks = partial(
        _chunks, parts["train"] + parts["test"], [torch.ones(len(labels), dtype=torch.bool)]
    )
    note = "validation part as test set" if _part(parts["test"][0], root) == "val" else ""
    return Listing(classes, labels[:count], labels[count:], known, chunks, note)


def _parts(root: Path) -> dict[str, list[Path]]:
    """The files of the training and the test part; the test part is empty for a flat set."""
    found: dict[str | None, list[Path]] = {}
    for path in files(root):
        found.setdefault(_part(path, root), []).append(path)
    for path in (p for group in found.values() for p in group):
        _check_shards(path)
    if set(found) == {None}:
        return {"train": found[None], "test": []}
    if "train" not in found:
        raise InputError(
            f"{root} has no training files; name them train.parquet or train-00000-of-00002.parquet"
        )
    test = found.get("test") or found.get("val")
    if not test:
        raise InputError(
            f"{root} has training files, none for test; add test.parquet, or name them without"
            f" 'train' for a {FIXED_SPLIT}"
        )
    return {"train": found["train"], "test": test}


def _part(path: Path, root: Path) -> str | None:
    names = [path.stem, *(parent.name for parent in path.relative_to(root).parents if parent.name)]
    return next((part for name in names if (part := part_of(name))), None)


def _check_shards(path: Path) -> None:
    """Of files named ``…-00000-of-00002`` all must be there."""
    numbered = re.fullmatch(r"(.*)-(\d{5})-of-(\d{5})", path.stem)
    for number in range(int(numbered[3]) if numbered else 0):
        other = path.with_name(f"{numbered[1]}-{number:05d}-of-{numbered[3]}.parquet")
        if not other.is_file():
            raise InputError(
                f"{other} is missing: {path.name} says there are {int(numbered[3])} files"
            )


def _columns(path: Path) -> Columns:
    """Choose the image and label columns: as the metadata types them, then by name."""
    schema = _open(path).schema_arrow
    features = _features(schema)
    typed = {
        kind: [n for n, f in features.items() if isinstance(f, dict) and f.get("_type") == kind]
        for kind in ("Image", "ClassLabel")
    }
    pictures = [f.name for f in schema if _holds_bytes(f.type)]
    numbers = [f.name for f in schema if pa.types.is_integer(f.type) or pa.types.is_string(f.type)]
    image = _choose(typed["Image"] or pictures, IMAGE_NAMES)
    label = _choose(
        [n for n in typed["ClassLabel"] if n in schema.names]
        or [n for n in numbers if n in LABEL_NAMES],
        LABEL_NAMES,
    )
    if (
        image is None
        or label is None
        or image not in schema.names
        or not _holds_bytes(schema.field(image).type)
    ):
        lacking = "image column (encoded bytes)" if label is not None else "label column"
        raise InputError(
            f"{path} has no {lacking}; its columns:"
            f" {', '.join(f'{f.name} ({str(f.type)[:40]})' for f in schema)}"
        )
    names = features.get(label, {}).get("names") if isinstance(features.get(label), dict) else None
    return Columns(image, label, [str(n) for n in names] if names else None)


def _features(schema: pa.Schema) -> dict:
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"][
            "features"
        ]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _choose(found: list[str], preferred: tuple[str, ...]) -> str | None:
    return next((name for name in preferred if name in found), found[0] if found else None)


def _labels(path: Path, column: str) -> list:
    try:
        values = _open(path).read(columns=[column]).column(0).to_pylist()
    except BROKEN as error:
        raise _broken(path, error) from error
    if None in values:
        raise InputError(f"{path} row {values.index(None)} has no label")
    return values


def _as_integers(values: list[list], classes: list[str] | None) -> tuple[list[str], list[Tensor]]:
    """Labels as int64; text labels are numbered in the order of `classes` or the alphabet."""
    every = [v for part in values for v in part]
    if any(isinstance(v, str) for v in every):
        classes = classes or sorted({str(v) for v in every})
        index = {name: i for i, name in enumerate(classes)}
        values = [[index.get(str(v), -1) for v in part] for part in values]
    elif classes is None:
        classes = [str(i) for i in range(max(every, default=-1) + 1)]
    return classes, [torch.tensor(part, dtype=torch.int64) for part in values]


def _check_range(paths: list[Path], values: list[Tensor], classes: list[str]) -> None:
    for path, labels in zip(paths, values):
        wrong = ((labels < 0) | (labels >= len(classes))).nonzero().flatten()
        if len(wrong):
            row = int(wrong[0])
            unlabelled = " (the part is published without labels)" if int(labels[row]) == -1 else ""
            raise InputError(
                f"{path} row {row}: label {int(labels[row])} is out of range 0 to"
                f" {len(classes) - 1}{unlabelled}"
            )


def _chunks(paths: list[Path], wanted: list[Tensor]) -> Iterator[Chunk]:
    """The pictures of the rows that each mask of `wanted` marks (over all files together), mask by
    mask.
    """
    for mask in wanted:
        start, rest = 0, []
        for path in paths:
            for rows in _rows(path):
                rest += [
                    row for row, take in zip(rows, mask[start : start + len(rows)].tolist()) if take
                ]
                start += len(rows)
                if len(rest) >= CHUNK:
                    yield rest
                    rest = []
        if rest:
            yield rest


def _rows(path: Path) -> Iterator[Chunk]:
    """(name for errors, encoded bytes or a file) of each row, some at a time."""
    column, row = _columns(path).image, 0
    try:
        for batch in _open(path).iter_batches(batch_size=CHUNK, columns=[column]):
            values = batch.column(0).to_pylist()
            yield [
                (f"{path} row {row + i}", _encoded(value, path, row + i))
                for i, value in enumerate(values)
            ]
            row += len(values)
    except BROKEN as error:
        raise _broken(path, error) from error


def _encoded(value: dict | bytes | None, path: Path, row: int) -> bytes | Path:
    """The bytes of a picture, or the file its path names where the bytes were left out."""
    if isinstance(value, dict):
        file = path.parent / (value.get("path") or "")
        value = value.get("bytes") or (file if file.is_file() else None)
    if not value:
        raise InputError(f"{path} row {row} has no picture")
    return value


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except BROKEN as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not a whole Parquet file (damaged or truncated): {str(error)[:120]}"
    )
