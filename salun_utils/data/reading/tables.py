"""List a folder of tables (Parquet files, or the Arrow files that `save_to_disk` of Hugging Face's
`datasets` writes) with an image column of encoded pictures and a label column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..names import ordered
from ..statistics import fixed_test_rows
from . import columns, shards, table_files
from .columns import Columns, Label
from .decode import Chunk
from .listing import (
    CHUNK,
    FIXED_SPLIT,
    VALIDATION_AS_TEST,
    Listing,
    check_classes,
    check_fixed_split,
    counted,
    facts,
)
from .walk import Walk

UNLABELLED = -1  # what the Hub puts into a test part that is published without labels


@dataclass(frozen=True)
class Part:
    """The files of one part and the labels in each."""

    paths: list[Path]
    labels: list[list[Label]]

    def __iter__(self) -> Iterator[tuple[Path, int, Label]]:
        """(file, row in it, label) of all rows."""
        for path, values in zip(self.paths, self.labels):
            yield from ((path, row, value) for row, value in enumerate(values))

    def __len__(self) -> int:
        return sum(map(len, self.labels))


def listing(
    root: Path, *, image_column: str | None = None, label_column: str | None = None
) -> Listing:
    """List the tables in `root`; files without train, test or val in name or folder make a flat set
    with a fixed split.

    Raises
    ------
    InputError : a truncated file, a missing shard, several configurations, no image or label
        column, files that name other classes than others, a label out of range, one class only, no
        test part with labels.
    """
    walk = Walk(root)
    parts, doubts = shards.parts(root, walk)
    first = parts["train"][0]
    chosen = columns.choose(first, image=image_column, label=label_column)
    train = _read(parts["train"], chosen, first)
    flat = set(parts) == {"train"}
    name, test = ("train", Part([], [])) if flat else _test(parts, chosen, first, walk)
    classes, labels = _numbered(train, test, chosen.classes)
    count = len(train)
    check_classes(root, classes, labels[:count])
    known = [facts(path, root) for path in train.paths + test.paths]
    own: dict[str, Any] = {"columns": (chosen.image, chosen.label), "left_out": walk.left_out}
    own["doubts"] = tuple(doubts)
    own["layout"] = f"{counted(len(known), 'table')}, columns {chosen.image} and {chosen.label}"
    rows = partial(_chunks, train.paths + test.paths, chosen.image)
    if flat:
        check_fixed_split(root, classes, labels)
        held = fixed_test_rows(labels)
        chunks = partial(rows, [~held, held])
        return Listing(classes, labels[~held], labels[held], known, chunks, FIXED_SPLIT, **own)
    chunks = partial(rows, [torch.ones(len(labels), dtype=torch.bool)])
    note = VALIDATION_AS_TEST if name == "val" else ""
    return Listing(classes, labels[:count], labels[count:], known, chunks, note, **own)


def _read(paths: list[Path], chosen: Columns, first: Path) -> Part:
    """The labels of a part whose files all have the columns and the classes of the first."""
    for path in paths:
        own = columns.choose(path, **_named(path, chosen, first))
        if own.classes == chosen.classes or own.classes is None:
            continue
        if chosen.classes and sorted(own.classes) == sorted(chosen.classes):
            raise InputError(
                f"{path} names the classes of {first} in another order: its labels mean other"
                " classes; write them alike"
            )
        raise InputError(f"{path} names other classes than {first}")
    return Part(paths, [columns.labels(path, chosen.label) for path in paths])


def _named(path: Path, chosen: Columns, first: Path) -> dict[str, str]:
    """The columns of the first file, which every other must have as well."""
    schema = table_files.schema(path)
    for kind, name in (("label", chosen.label), ("image", chosen.image)):
        if name not in schema.names:
            raise InputError(
                f"{path} has no {kind} column {name!r}, which {first} has; its columns:"
                f" {columns.described(schema)}"
            )
    return {"image": chosen.image, "label": chosen.label}


def _test(
    parts: dict[str, list[Path]], chosen: Columns, first: Path, walk: Walk
) -> tuple[str, Part]:
    """The first of the test and the validation part that has labels."""
    candidates = [name for name in ("test", "val") if name in parts]
    for name in candidates:
        last = name == candidates[-1]
        lacking = [
            p for p in parts[name] if not last and chosen.label not in table_files.schema(p).names
        ]
        part = None if lacking else _read(parts[name], chosen, first)
        if part and len(part) and (last or not _is_unlabelled(part)):
            for other in candidates[candidates.index(name) + 1 :]:
                why = f"the {name} part is there: validation pictures are drawn from training"
                for path in parts[other]:
                    walk.pass_over(path, "file", why, loud=False)
            if _is_unlabelled(part):
                raise InputError(
                    f"{part.paths[0]} is published without labels; add a test or validation part"
                    f" that has them, or load the training files alone, in a folder without 'train'"
                    f" in its name, for a {FIXED_SPLIT}"
                )
            return name, part
        for path in parts[name]:
            walk.pass_over(path, "file", "published without labels", loud=False)
    raise InputError(f"{parts[candidates[-1]][0]} has no rows")


def _is_unlabelled(part: Part) -> bool:
    return all(label is None or label == UNLABELLED for _, _, label in part)


def _numbered(train: Part, test: Part, names: list[str] | None) -> tuple[list[str], Tensor]:
    """Class names, and the labels of both parts as int64: numbers of the names that the schema
    gives, else of the values that the training part holds, in the order of `names.ordered`.
    """
    rows = [*train, *test]
    for path, row, label in rows:
        if label is None:
            raise InputError(f"{path} row {row} has no label")
    values = {label for _, _, label in rows[: len(train)]}
    texts = {isinstance(label, str) for label in values}
    if len(texts) > 1:
        raise InputError(
            f"{train.paths[0]} and the files beside it hold labels of two kinds: texts and numbers"
        )
    places = names is not None and texts == {False}
    if names is not None and texts == {False}:
        index: dict[Label, int] = {i: i for i in range(len(names))}
    else:
        if UNLABELLED in values and values != {-1, 1}:
            path, row = next((p, r) for p, r, label in rows if label == UNLABELLED)
            raise InputError(f"{path} row {row} has no label (it says {UNLABELLED})")
        names = names or ordered(map(str, values))
        of_text = {str(value): value for value in values}
        index = {of_text.get(name, name): i for i, name in enumerate(names)}
    numbers = [index.get(label, -1) for _, _, label in rows]
    if -1 in numbers:
        path, row, label = rows[numbers.index(-1)]
        if places:
            allowed = f"out of range 0 to {len(names) - 1}"
        else:
            listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
            allowed = f"none of the {counted(len(names), 'class')} of {train.paths[0]}: {listed}"
        raise InputError(f"{path} row {row}: label {label!r} is {allowed}")
    return names, torch.tensor(numbers, dtype=torch.int64)


def _chunks(paths: list[Path], image: str, wanted: list[Tensor]) -> Iterator[Chunk]:
    """The pictures of the rows that each mask of `wanted` marks (over all files together), mask by
    mask.
    """
    for mask in wanted:
        start = 0
        rest: Chunk = []
        for path in paths:
            for rows in _rows(path, image):
                marked = mask[start : start + len(rows)].tolist()
                rest += [row for row, take in zip(rows, marked) if take]
                start += len(rows)
                if len(rest) >= CHUNK:
                    yield rest
                    rest = []
        if rest:
            yield rest


def _rows(path: Path, image: str) -> Iterator[Chunk]:
    """(name for errors, encoded bytes or a file) of each row, some at a time."""
    row = 0
    for values in table_files.batches(path, image, CHUNK):
        yield [
            (f"{path} row {row + i}", _encoded(value, path, row + i))
            for i, value in enumerate(values)
        ]
        row += len(values)


def _encoded(value: dict | bytes | str | None, path: Path, row: int) -> bytes | Path:
    """The bytes of a picture, or the file its path names where the bytes were left out."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and value:
        file = path.parent / value
        try:
            found = file.is_file()
        except (OSError, ValueError):  # a name that no file can have
            found = False
        if not found:
            raise InputError(f"{path} row {row} has no picture: {value[:200]} is not there")
        return file
    if not isinstance(value, bytes) or not value:
        raise InputError(f"{path} row {row} has no picture")
    return value
