"""Read text that others wrote, YAML and JSON, with the one meaning that a word has everywhere here,
and nothing named twice.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .errors import InputError

Key = TypeVar("Key", bound=Hashable)
LARGEST = 50 * 2**20  # bytes of a YAML or JSON file that is read
MOST_VALUES = 200_000  # in a file, those that aliases repeat counted each time
DEEPEST = 50  # levels of lists and mappings within one another
# plain words of YAML that are no texts, by the letters they begin with
YAML_WORDS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|None|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", "<<", "<"),
)


def read_yaml(path: str | os.PathLike) -> Any:
    """The content of a YAML file that somebody wrote; None for an empty one. A word means what it
    means on the command line: ``1e-3`` is a number, ``yes`` a text and ``010`` no eight.

    Raises
    ------
    InputError : it can't be read, is no YAML (or not UTF-8, or names Python objects), names
        something twice, is larger than `LARGEST`, refers to itself, or is nested deeper than
        `DEEPEST` levels.
    """
    import yaml

    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path.name} is larger than {LARGEST // 2**20} MiB")
        with path.open(encoding="utf-8") as stream:
            loader = _yaml_loader()(stream)
            loader.name = path.name
            content = loader.get_single_data()
    except OSError as error:
        raise InputError(f"can't read {path} ({error.strerror})") from error
    except RecursionError:
        raise InputError(f"{path.name} is nested too deeply; allowed: {DEEPEST} levels") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, AttributeError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name} is no YAML: {str(error)[:200]}") from error
    _check_size(content, path.name)
    return content


@functools.cache
def _yaml_loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Keys of one mapping differ; what ``<<`` merges in may be overridden."""

        yaml_implicit_resolvers: ClassVar[dict] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            if isinstance(node, yaml.MappingNode):
                own = [(k.value, k.tag) for k, _ in node.value if isinstance(k, yaml.ScalarNode)]
                if twice := first_twice(key for key in own if key[0] != "<<"):
                    raise InputError(
                        f"{self.name}, line {node.start_mark.line + 1}: {twice[0]!r} is named"
                        " twice: keep one of its values"
                    )
            return super().construct_mapping(node, deep)

    for tag, words, first in YAML_WORDS:
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{words})\Z"), list(first)
        )
    return Loader


def read_json(text: str, what: str) -> Any:
    """JSON from a parameter or a small file; `InputError` that names `what` when it is none, or
    when it names something twice in one object.
    """
    try:
        content = json.loads(text, object_pairs_hook=each_once)
    except InputError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} is no JSON ({type(error).__name__}): {str(text)[:60]!r}"
        ) from None
    _check_size(content, what)
    return content


def each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a JSON text (its `object_pairs_hook`), whose names must differ: of two values
    one would be lost without a word.
    """
    if (twice := first_twice(name for name, _ in pairs)) is not None:
        raise InputError(f"{twice!r} is named twice in one JSON object: keep one of its values")
    return dict(pairs)


def first_twice(keys: Iterable[Key]) -> Key | None:
    """The first that comes a second time; None where all differ."""
    seen: set[Key] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


def _check_size(content: Any, what: str) -> None:
    """Refuse what is nested too deeply, or refers to itself, which is endlessly deep, or repeats
    its own parts (YAML's aliases) until nobody can walk through it, or counts beyond any float.
    """
    open_parts = [(content, 0)]
    for _ in range(MOST_VALUES):
        if not open_parts:
            return
        part, level = open_parts.pop()
        if level > DEEPEST:
            raise InputError(f"{what} is nested too deeply; allowed: {DEEPEST} levels")
        if isinstance(part, dict):
            open_parts += [(value, level + 1) for value in (*part, *part.values())]
        elif isinstance(part, list | tuple | set):
            open_parts += [(value, level + 1) for value in part]
        elif isinstance(part, int) and part.bit_length() > 1023:
            raise InputError(f"{what} holds a whole number of more than 308 digits")
    raise InputError(f"{what} holds more than {MOST_VALUES:,} values")


# -- JSON with a checksum
