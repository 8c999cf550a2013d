"""Read tables column by column, Parquet and Arrow files alike: damaged ones give one line."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import InputError

SUFFIXES = (".parquet", ".pq", ".parq", ".arrow", ".feather")
STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"
# what pyarrow raises for bytes that are none of its formats, or only half of one
BROKEN = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    NotImplementedError,
    struct.error,
)


def schema(path: Path) -> pa.Schema:
    """Names and types of the columns, with the metadata that stands beside them."""
    with _naming(path):
        if _is_arrow(path):
            with _reader(path) as reader:
                found = reader.schema
        else:
            found = pq.ParquetFile(path).schema_arrow
        _ = found.names, str(found)  # a name that is no UTF-8 fails here, not at its first use
        return found


def column(path: Path, name: str) -> list:
    """All values of one column as Python values; None where there is none."""
    return [value for part in batches(path, name, 65_536) for value in part]


def batches(path: Path, name: str, size: int) -> Iterator[list]:
    """The values of one column, at most `size` at a time.

    Raises
    ------
    InputError : the file is damaged or truncated.
    """
    with _naming(path):
        for array in _arrays(path, name, size):
            array.validate(full=True)
            if isinstance(array, pa.ExtensionArray):
                array = array.storage
            yield array.to_pylist()


def _arrays(path: Path, name: str, size: int) -> Iterator[pa.Array]:
    if not _is_arrow(path):
        for batch in pq.ParquetFile(path).iter_batches(batch_size=size, columns=[name]):
            yield batch.column(0)
        return
    with _reader(path) as reader:
        place = reader.schema.names.index(name)
        if isinstance(reader, pa.RecordBatchFileReader):
            whole = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            whole = iter(reader)
        for batch in whole:
            values = batch.column(place)
            for start in range(0, len(values), size):
                yield values.slice(start, size)


def _is_arrow(path: Path) -> bool:
    return path.suffix.lower() in (".arrow", ".feather")


@contextlib.contextmanager
def _reader(path: Path) -> Iterator[pa.RecordBatchReader | pa.RecordBatchFileReader]:
    """An Arrow file in either of its two layouts; `datasets` writes streams."""
    with pa.memory_map(str(path)) as source:
        size = source.size()
        source.seek(max(0, size - len(STREAM_END)))
        end = source.read(len(STREAM_END))
        source.seek(0)
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        if not is_file and end != STREAM_END:
            # a stream that was cut between two batches would read as a shorter one
            raise ValueError("the mark at its end is missing")
        opened = pa.ipc.open_file if is_file else pa.ipc.open_stream
        with opened(source) as reader:
            yield reader


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises into a line that names the file."""
    try:
        yield
    except InputError:
        raise
    except BROKEN as error:
        kind = "Arrow" if _is_arrow(path) else "Parquet"
        reason = f"{str(error)[:120] or type(error).__name__}"
        raise InputError(
            f"{path} is not a whole {kind} file (damaged or truncated): {reason}"
        ) from error
