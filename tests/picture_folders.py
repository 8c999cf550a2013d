"""Small folders of pictures and tables, made by hand, for the tests of loading."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from salun_utils import data
from salun_utils.errors import InputError


def picture(value: int, size: tuple[int, int] = (10, 8), mode: str = "RGB") -> Image.Image:
    """One plain picture; `value` is its brightness."""
    return Image.new(mode, size, value if mode != "RGB" else (value, value // 2, 0))


def encoded(value: int, **options) -> bytes:
    """The bytes of `picture` as PNG."""
    buffer = io.BytesIO()
    picture(value, **options).save(buffer, "PNG")
    return buffer.getvalue()


def make_classes(folder: Path, counts: dict[str, int], *, start: int = 0, **options) -> Path:
    """Class folders with `counts` plain PNG pictures each, no two alike within a hundred."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            picture((start + 40 * number + i) % 256, **options).save(folder / name / f"{i:03}.png")
    return folder


def table(
    labels, *, names=None, image="image", label="label", values=None, metadata=True
) -> pa.Table:
    """A table of pictures; `labels` is a list or an Arrow array."""
    values = values or [encoded(10 + i) for i in range(len(labels))]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    rows = [{"bytes": v, "path": f"{i}.png"} for i, v in enumerate(values)]
    made = pa.table({image: pa.array(rows, kind)})
    made = made.append_column(label, labels if isinstance(labels, pa.Array) else pa.array(labels))
    if not names or not metadata:
        return made
    features = {image: {"_type": "Image"}, label: {"names": list(names), "_type": "ClassLabel"}}
    written = json.dumps({"info": {"features": features}})
    return made.replace_schema_metadata({"huggingface": written})


def write_table(path: Path, labels, **options) -> Path:
    """Write `table` as a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(labels, **options), path)
    return path


def save_to_disk(folder: Path, labels, *, shards: int = 1, **options) -> Path:
    """What `datasets.Dataset.save_to_disk` writes: Arrow streams, and what lies beside them."""
    folder.mkdir(parents=True)
    whole = table(labels, **options)
    names = [f"data-{i:05d}-of-{shards:05d}.arrow" for i in range(shards)]
    for i, name in enumerate(names):
        part = whole.take(list(range(i, len(whole), shards)))
        with (
            pa.OSFile(str(folder / name), "wb") as sink,
            pa.ipc.new_stream(sink, part.schema) as writer,
        ):
            writer.write_table(part)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0f"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def message(path: Path, **options) -> str:
    """The one line by which `data.load` refuses a folder."""
    with pytest.raises(InputError) as caught:
        data.load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
