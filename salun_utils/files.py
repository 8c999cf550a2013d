"""Write files so that a reader sees either nothing or the whole; read text that others wrote."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import InputError

LARGEST = 50 * 2**20  # bytes of a YAML or JSON file that is read
MOST_VALUES = 1_000_000
DEEPEST = 50  # levels of lists and mappings within one another


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary name beside `path`; when the block ends well the file there takes its
    place, else it is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_yaml(path: str | os.PathLike) -> Any:
    """The content of a YAML file that somebody wrote; None for an empty one.

    Raises
    ------
    InputError : it can't be read, is no YAML (or not UTF-8, or names Python objects), is larger
        than `LARGEST`, refers to itself, or is nested deeper than `DEEPEST` levels.
    """
    import yaml

    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path.name} is larger than {LARGEST // 2**20} MiB")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't read {path} ({error.strerror})") from error
    except RecursionError:
        raise InputError(f"{path.name} is nested too deeply; allowed: {DEEPEST} levels") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, AttributeError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name} is no YAML: {str(error)[:200]}") from error
    _check_depth(content, path.name)
    return content


def read_json(text: str, what: str) -> Any:
    """JSON from a parameter or a small file; `InputError` that names `what` when it is none."""
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} is no JSON ({type(error).__name__}): {str(text)[:60]!r}"
        ) from None
    _check_depth(content, what)
    return content


def _check_depth(content: Any, what: str) -> None:
    """Refuse what is nested too deeply, or refers to itself, which is endlessly deep, or repeats
    its own parts (YAML's aliases) until nobody can walk through it.
    """
    open_parts = [(content, 0)]
    for _ in range(MOST_VALUES):
        if not open_parts:
            return
        part, level = open_parts.pop()
        if level > DEEPEST:
            raise InputError(f"{what} is nested too deeply; allowed: {DEEPEST} levels")
        if isinstance(part, dict):
            open_parts += [(value, level + 1) for value in part.values()]
        elif isinstance(part, list | tuple | set):
            open_parts += [(value, level + 1) for value in part]
    raise InputError(f"{what} holds more than {MOST_VALUES:,} values")
