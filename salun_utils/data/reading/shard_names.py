"""What the names of files say beside their part: which of how many, and what makes them unique."""

from __future__ import annotations

import re

_HEX = re.compile(
    r"(?<![0-9a-zA-Z])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=[0-9]*[a-fA-F])[0-9a-fA-F]{8,})(?![0-9a-zA-Z])"
)
_MIXED = re.compile(
    r"(?<![0-9a-zA-Z])(?=[0-9a-zA-Z]{6})(?:[a-zA-Z]*[0-9]+[a-zA-Z]+[0-9]+[0-9a-zA-Z]*"
    r"|[0-9]+[a-zA-Z]+[0-9]+[0-9a-zA-Z]*)(?![0-9a-zA-Z])"
)
# which of how many: 00000-of-00002
OF = re.compile(r"(?<![0-9])([0-9]{1,9})[-_. ]*of[-_. ]*([0-9]{1,9})(?![0-9])", re.IGNORECASE)


def without_hash(name: str, instead: str = "") -> str:
    """A file's name without what writers add to make it unique, in hexadecimal or other digits."""
    return _MIXED.sub(instead, _HEX.sub(instead, name))


def words(name: str) -> list[str]:
    """The words and whole numbers of a file's name, without a hash or a shard; "v2" is one word."""
    bare = OF.sub("", without_hash(name.split(".")[0]))
    return re.findall(r"(?<![a-zA-Z])[vV][0-9]+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]{1,18}", bare)
