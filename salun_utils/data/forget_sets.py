"""Forget sets as files that others can use: positions in a training set, one a line.

Lines that begin with # say what the set is, of which data it is, and hold a checksum, so that
``numpy.loadtxt`` reads such a file as it is, and this module refuses it beside other data or after
it was edited. A plain list of positions without any such line is taken as well.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import InputError
from ..files import atomic
from .images import Dataset
from .splits import check_positions

FIELDS = ("data", "pictures", "fingerprint", "sha256")


def write(path: str | os.PathLike, data: Dataset, positions: Sequence[int], about: str) -> None:
    """Write a forget set.

    Parameters
    ----------
    positions : in ``data.train``, each once; written in ascending order. about : one line that says
        what the set is.

    Raises
    ------
    InputError : what `splits.subset_split` would refuse, or an `about` of more lines.
    """
    if "\n" in about:
        raise InputError("a forget set is described in one line")
    ordered = check_positions(positions, len(data.train)).sort().values.tolist()
    facts = (data.name, len(data.train), data.fingerprint, checksum(ordered))
    lines = [f"# {about}", *(f"# {name}: {fact}" for name, fact in zip(FIELDS, facts))]
    with atomic(Path(path)) as partial:
        partial.write_text("\n".join([*lines, *map(str, ordered)]) + "\n")


def read(path: str | os.PathLike, data: Dataset | None = None) -> list[int]:
    """Positions of a forget set, in the order of the file.

    Parameters
    ----------
    data : the set they are for, held against what the file says of it; None checks the file alone.

    Raises
    ------
    InputError : no such file, something in it is no position, it was changed after it was written,
        its checksum is missing though other facts stand in it, or it was written for other data.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows puts a mark before the text
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"indices: can't read {str(path)[:200]} ({reason})") from error
    lines = text.splitlines()
    words = " ".join(line.split("#", 1)[0] for line in lines).replace(",", " ").split()
    if not words or not all(w.isascii() and w.isdecimal() and len(w) < 19 for w in words):
        raise InputError(
            f"indices: {path} must hold whole numbers separated by blanks, commas or lines"
        )
    positions = [int(w) for w in words]
    facts = _facts(lines)
    if facts and "sha256" not in facts:
        raise InputError(
            f"indices: {path} says what it is of but has no line '# sha256: …', so nobody can tell"
            " whether it was changed: write it with forget_sets.write, or leave a plain list"
        )
    if "sha256" in facts and facts["sha256"] != checksum(positions):
        raise InputError(
            f"indices: {path} was changed after it was written: its checksum is another"
        )
    if data is not None and facts.get("fingerprint", data.fingerprint) != data.fingerprint:
        raise InputError(
            f"indices: {path} is a forget set of {facts.get('data', 'other data')}"
            f" ({facts['fingerprint'][:12]}…), not of {data.name} ({data.fingerprint[:12]}…)"
        )
    return positions


def checksum(positions: Sequence[int]) -> str:
    """SHA-256 (hex) of the positions, one a line."""
    return hashlib.sha256("".join(f"{p}\n" for p in positions).encode()).hexdigest()


def _facts(lines: Sequence[str]) -> Mapping[str, str]:
    """What the lines that begin with # say: name -> value, of the names in `FIELDS`."""
    said = (line[1:].partition(":") for line in lines if line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in said if name.strip() in FIELDS}
