"""Parquet and Arrow files: damaged, of any columns, under any names."""

from __future__ import annotations

import random
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import hold, mutated, text
from picture_folders import encoded, table

from salun_utils import data as sd
from salun_utils.data.reading import decode

NAMES = (
    "train",
    "test",
    "validation",
    "train-00000-of-00002",
    "train-00001-of-00002-ab12cd34ef",
    "0000",
    "0002",
    "small_train",
    "large_test",
    "cache-0f",
    "x",
    "train_1_of_1",
    "of-9-of-0",
    "train-00000-of-99999999999999999999",
)
FOLDERS = ("", "data", "train", "small", "large", ".hidden", "a/b/c", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(decode, "workers", lambda: 1)


def written(made: pa.Table, kind: str) -> bytes:
    sink = pa.BufferOutputStream()
    if kind == "parquet":
        pq.write_table(made, sink)
    else:
        opened = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with opened(sink, made.schema) as writer:
            writer.write_table(made, max_chunksize=5)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("kind", ["parquet", "stream", "file"])
def test_damaged_files(tmp_path, kind):
    made = [
        written(table([0, 1] * 6, names=("cat", "dog")), kind),
        written(table(pa.array(["a", "b"] * 6).dictionary_encode()), kind),
    ]
    path = tmp_path / "set" / ("d.parquet" if kind == "parquet" else "d.arrow")
    path.parent.mkdir()

    def one(draw: random.Random) -> None:
        path.write_bytes(mutated(draw, draw.choice(made)))
        data = sd.load(path.parent, size=4, channels=3)
        assert len(data.train) > 0 and int(data.train.labels.max()) < data.num_classes

    outcomes = hold(f"damaged {kind}", 1500, one)
    assert outcomes["refused"] > 0


def pool(draw: random.Random) -> list:
    """What a label column may hold."""
    return draw.choice(
        (
            [0, 1],
            [0, 1],
            [1, 2, 3],
            ["cat", "dog"],
            [-1],
            [-1, 0, 1],
            [10**18, 5],
            ["1", "10", "2"],
            ["", "a"],
            [0.0, 1.0],
            [0.5, 1.0],
            [float("nan"), 1.0, 2.0],
            [True, False],
            [b"a", b"\xff"],
            [[1], [2]],
            [{"a": 1}],
            [None],
            [text(draw), text(draw)],
        )
    )


def column(draw: random.Random, values: list, rows: int) -> pa.Array:
    """A column of some of the values, at times with one missing, at times as categories."""
    cells = [draw.choice(values) for _ in range(rows)]
    if draw.random() < 0.05:
        cells[draw.randrange(rows)] = None
    try:
        made = pa.array(cells)
        encode = draw.random() < 0.2 and not pa.types.is_null(made.type)
        return made.dictionary_encode() if encode else made
    except (pa.ArrowException, UnicodeEncodeError):
        return pa.array([0] * rows)


SETS = (
    ("x",),
    ("train", "test"),
    ("train", "validation", "test"),
    ("0000", "0001"),
    ("mnist_train", "mnist_test"),
    ("train-00000-of-00001-0f3ab2c4d5e6f708", "validation"),
    ("small_train", "large_train", "small_test"),
    NAMES,
)


def test_tables_of_any_columns_and_names(tmp_path):
    good = [encoded(v, size=(4, 4)) for v in (5, 90)]
    root = tmp_path / "set"

    def one(draw: random.Random) -> None:
        shutil.rmtree(root, ignore_errors=True)
        names = draw.choice(SETS)
        if names is NAMES:
            names = draw.sample(NAMES, 3)
        label = draw.choice(("label", "label", "label", "labels", "Class", "breed", "image"))
        common = pool(draw)
        for name in names:
            rows = draw.randint(4, 16)
            odd = draw.random() < 0.1
            pictures = draw.choice(([None], [b""], ["gone"], [b"no"])) if odd else good
            if draw.random() < 0.5:
                pictures = [{"bytes": p, "path": "x"} for p in pictures if isinstance(p, bytes)]
            made = pa.table({"image": [draw.choice(pictures or [None]) for _ in range(rows)]})
            values = common if draw.random() < 0.9 else pool(draw)
            made = made.append_column(label, column(draw, values, rows))
            if draw.random() < 0.1:
                metadata = draw.choice((b"{", b"{}", b'{"info": {"features": 3}}', b"[" * 10**5))
                made = made.replace_schema_metadata({b"huggingface": metadata})
            file = root / (draw.choice(FOLDERS) if draw.random() < 0.1 else "") / f"{name}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(made, file)
        named = draw.choice((None,) * 8 + ("label", "breed", "image", ""))
        data = sd.load(root, size=4, label_column=named)
        assert data.num_classes > 1 and int(data.train.labels.max()) < data.num_classes
        assert data.train.labels.unique().numel() > 1 and len(data.test)

    outcomes = hold("tables", 3000, one)
    assert min(outcomes.values()) > 0
