"""Write files so that a reader sees either nothing or the whole, and believe a file that carries a
checksum only if every byte of it is as it was written.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import InputError

DEEPEST = 50  # levels of lists and mappings within one another
CHECKSUM = "checksum"  # the entry of a JSON object that is about all the others
MAGIC = b"salun-checked-1\n"  # what a file of `save_checked` begins with


class DamagedError(ValueError):
    """What a file holds is not what was written to it; the message says how one knows."""


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary name beside `path`; when the block ends well the file there takes its
    place, else it is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a new folder beside `path`; when the block ends well it takes the place of `path`, else
    it is removed.

    Raises
    ------
    InputError : there is something at `path` already, other than an empty folder; or it has no
        name.
    """
    if not os.fspath(path):
        raise InputError("the folder to write to has no name")
    path = Path(path).absolute()
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise InputError(f"{path} is there already: choose another folder, or an empty one")
    path.parent.mkdir(parents=True, exist_ok=True)
    # of a name that no other process has, even one that was killed here before
    around = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    partial = Path(around) / path.name
    partial.mkdir()  # with the rights of any new folder
    try:
        yield partial
        if path.is_dir():
            path.rmdir()
        os.replace(partial, path)
    finally:
        shutil.rmtree(around, ignore_errors=True)


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_sha256(path: str | os.PathLike) -> str:
    """SHA-256 (hex) of a text file, the same whether its lines end as on Unix or as on Windows."""
    return hashlib.sha256(_unix(Path(path).read_bytes())).hexdigest()


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON (sorted keys, no blanks) of all entries but the
    checksum itself.
    """
    rest = {k: v for k, v in content.items() if k != CHECKSUM}
    return hashlib.sha256(
        json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def sealed(
    content: Mapping[str, Any], *, default: Callable[[Any], Any] | None = None, **form: Any
) -> str:
    """The text of a JSON file that carries its own checksum.

    Parameters
    ----------
    default : what to do with what JSON has no word for, as in `json.dumps`.
    form : how the text is laid out, as keywords of `json.dumps`; `unsealed` needs the same ones.
    """
    plain = json.loads(
        json.dumps({k: v for k, v in content.items() if k != CHECKSUM}, default=default)
    )
    return _laid_out({**plain, CHECKSUM: checksum(plain)}, form)


def unsealed(text: bytes, **form: Any) -> dict[str, Any]:
    """The content of a file that `sealed` wrote, checksum left out.

    Raises
    ------
    DamagedError : no JSON object, no checksum, a checksum that doesn't fit, or a byte that `sealed`
        would have written otherwise (a changed letter need not change what the text says).
    """
    content = json_object(text)
    if CHECKSUM not in content:
        raise DamagedError("it has no checksum")
    if content[CHECKSUM] != checksum(content):
        raise DamagedError("its checksum differs")
    if _laid_out(content, form).encode() != _unix(text):
        raise DamagedError("it is not laid out as it was written")
    return {k: v for k, v in content.items() if k != CHECKSUM}


def json_object(text: bytes) -> dict[str, Any]:
    """The JSON object in `text`; `DamagedError` for anything else, and for one nested deeper than
    `DEEPEST`.
    """
    try:
        content = json.loads(text.decode())
        if b"\\u" in text:  # half a surrogate pair can't be printed
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise DamagedError("it is not UTF-8") from error
    except ValueError as error:
        raise DamagedError("it is not JSON") from error
    except RecursionError as error:
        raise DamagedError("it is nested too deep") from error
    if not isinstance(content, dict):
        raise DamagedError("it is no JSON object")
    if _depth(content) > DEEPEST:
        raise DamagedError("it is nested too deep")
    return content


def _depth(value: dict | list) -> int:
    deepest, left = 0, [(value, 1)]
    while left:
        one, level = left.pop()
        deepest = max(deepest, level)
        inner = one.values() if isinstance(one, dict) else one
        left += [(v, level + 1) for v in inner if isinstance(v, dict | list)]
    return deepest


def _laid_out(content: Mapping[str, Any], form: Mapping[str, Any]) -> str:
    return json.dumps(content, **{"indent": 1, "sort_keys": True, **form}) + "\n"


def _unix(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n")


# -- tensors with a checksum


def save_checked(content: Any, path: str | os.PathLike) -> None:
    """`torch.save`, with the SHA-256 of it in front; the file appears whole or not at all."""
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    with atomic(path) as partial, open(partial, "wb") as stream:
        stream.write(MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n")
        stream.write(payload)


def load_checked(path: str | os.PathLike, *, device: Any = "cpu") -> Any:
    """What `save_checked` wrote, with its tensors on `device`.

    Raises
    ------
    DamagedError : the file is torn, changed, or something else.
    """
    import torch

    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DamagedError(error.strerror or str(error)) from error
    head = re.match(re.escape(MAGIC) + rb"([0-9a-f]{64})\n", raw)
    if head is None:
        raise DamagedError("it has no checksum")
    payload = raw[head.end() :]
    if hashlib.sha256(payload).hexdigest().encode() != head[1]:
        raise DamagedError("its checksum differs")
    try:
        return torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    except Exception as error:  # whole, but not written by this version of torch
        raise DamagedError(f"torch can't read it ({type(error).__name__})") from error
