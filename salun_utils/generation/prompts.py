"""Lists of prompts: read from a CSV file, from the Hub, or from the package; never shown, a prompt
is named by its number.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..data.places import data_folder
from ..errors import InputError, unknown
from ..seeds import check_seed
from .hub import pinned

I2P = "AIML-TUDA/i2p"  # on the Hub: 4,703 prompts
# harmless, of this project's own making
SHIPPED = {"clothing": Path(__file__).parent / "lists" / "clothing.csv"}
# names in other copies of the I2P list
ALIASES = {"evaluation_seed": "sd_seed", "evaluation_guidance": "sd_guidance_scale"}
GUIDANCE = 7.5  # where the list gives none


@dataclass(frozen=True)
class Prompt:
    """One line of a prompt list. Its words are kept out of the representation."""

    number: int
    text: str = field(repr=False)
    seed: int = 0
    guidance: float = GUIDANCE
    categories: tuple[str, ...] = field(default=(), repr=False)


def read_prompts(
    source: str | os.PathLike = I2P, *, category: str | None = None, limit: int | None = None
) -> list[Prompt]:
    """Read a prompt list from the package, a CSV file (UTF-8, with or without byte-order mark) or a
    Hub data set.

    Columns read: prompt and evaluation_seed (or sd_seed) must be there; evaluation_guidance (or
    sd_guidance_scale; 7.5 without it), case_number (the line's own number without it), and
    categories, separated by commas, which must be there when `category` is given.

    Parameters
    ----------
    source : a name of `SHIPPED`, a path, the name of a file in ``$SALUN_DATA``, or a Hub id such as
        "AIML-TUDA/i2p".
    category : keep the lines that have this category, in any case. limit : at most so many lines,
        the first ones.

    Raises
    ------
    InputError : the list is missing, empty or not UTF-8, a column is missing, no line has the
        category, or a number can't be read. Lines are named by number, prompts are not quoted.
    """
    check_limit(limit)
    header, rows = _read_rows(source)
    names = {
        name: alias if alias in header and name not in header else name
        for name, alias in ALIASES.items()
    }
    needed = ["prompt", names["evaluation_seed"], *(["categories"] if category else [])]
    if missing := [name for name in needed if name not in header]:
        raise InputError(
            f"the prompt list {source} lacks the column {missing[0]!r}; it has:"
            f" {', '.join(map(str, filter(None, header)))}"
        )
    if not rows:
        raise InputError(f"the prompt list {source} holds no prompt")
    chosen = [
        (line, row)
        for line, row in enumerate(rows)
        if not category or category.lower() in _categories(row)
    ]
    if not chosen:
        raise unknown(
            f"category of the prompt list {source}",
            category,
            sorted({c for row in rows for c in _categories(row)}),
        )
    return [_prompt(source, line, row, names) for line, row in chosen[:limit]]


def check_limit(limit: int | None) -> None:
    """Raise `InputError` unless `limit` is None or a whole number of at least 1."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InputError(
            "a list's limit must be a whole number of at least 1, or None for all its lines, not"
            f" {limit!r}"
        )


def locate(source: str | os.PathLike) -> Path:
    """The file that is meant: of the package, of that path, or of that name in the data folder; it
    need not be there.
    """
    path = SHIPPED.get(str(source), Path(source).expanduser())
    beside = data_folder() / path
    return beside if beside.is_file() and not path.is_file() else path


def digest(prompts: Iterable[Prompt]) -> str:
    """A digest of everything that decides the pictures of a list, by which the list is known
    without its words.
    """
    lines = [repr((p.number, p.text, p.seed, p.guidance)) for p in prompts]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def is_hub_id(source: str | os.PathLike) -> bool:
    """Whether this can only be the name of something on the Hub: owner/name, with no such file
    here.
    """
    text = str(source)
    return (
        text.count("/") == 1
        and not text.startswith((".", "/", "~"))
        and not Path(text).suffix
        and not Path(text).exists()
    )


def fetch(name: str, *, local_only: bool = False) -> Path:
    """The table of a Hub data set, fetched unless it was before; with `local_only` the network is
    not asked.

    Raises
    ------
    InputError : it can't be had, or holds neither a CSV nor a Parquet file.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import logging
    except ImportError as error:
        raise InputError(
            f"lists from the Hub need the package huggingface_hub ({error})"
        ) from error
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # it would announce every retry
    try:
        patterns = ["*.csv", "*.parquet"]
        folder = Path(
            snapshot_download(
                name,  # nosec B615 - the digest of its prompts is in each record
                repo_type="dataset",
                allow_patterns=patterns,
                local_files_only=local_only,
                **pinned(name),
            )
        )
    except (
        Exception
    ) as error:  # no network, no such data set, no right to it: the Hub raises many kinds
        raise InputError(
            f"the prompt list {name!r} can't be had from the Hub ({type(error).__name__}); give a"
            " CSV file"
        ) from error
    finally:
        logging.set_verbosity(level)
    tables = sorted(p for p in folder.rglob("*") if p.suffix in (".csv", ".parquet"))
    if not tables:
        raise InputError(f"the Hub data set {name!r} holds no CSV or Parquet file")
    return tables[0]


def _prompt(source: str | os.PathLike, line: int, row: Mapping, names: Mapping[str, str]) -> Prompt:
    where = f"line {line + 2} of the prompt list {source}"  # the header is line 1
    number: Any = row.get("case_number")
    guidance: Any = row.get(names["evaluation_guidance"])
    try:
        number = line if _blank(number) else _whole(number)
        seed = check_seed(_whole(row[names["evaluation_seed"]]))
        guidance = GUIDANCE if _blank(guidance) else float(guidance)
    except (TypeError, ValueError) as error:
        said = (
            str(error)
            if isinstance(error, InputError)
            else "case_number, seed or guidance is not such a number"
        )
        raise InputError(f"{where}: {said}") from None
    if not math.isfinite(guidance) or guidance < 0:
        raise InputError(f"{where}: guidance must be at least 0, not {guidance}")
    return Prompt(
        number,
        "" if _blank(row["prompt"]) else str(row["prompt"]),
        seed,
        guidance,
        tuple(_categories(row)),
    )


def _categories(row: Mapping) -> Sequence[str]:
    """The categories of a line, in lower case."""
    given = row.get("categories")
    return () if _blank(given) else [c.strip().lower() for c in str(given).split(",") if c.strip()]


def _blank(value: object) -> bool:
    return value is None or value == "" or value != value  # pandas has NaN for an empty cell


def _whole(value: Any) -> int:
    """A whole number from a cell: "17" or 17.0, not 17.5; by way of text first, since a float
    rounds large seeds.
    """
    try:
        return int(str(value))
    except ValueError:
        if not float(value).is_integer():
            raise
        return int(float(value))


def _read_rows(source: str | os.PathLike) -> tuple[list[str], list[dict]]:
    path = locate(source)
    if path.is_file():
        return _read_csv(path, source)
    if not is_hub_id(source):
        allowed = (
            f"a CSV file (a path, or a name in $SALUN_DATA), a Hub data set such as {I2P!r}, or:"
            f" {', '.join(SHIPPED)}"
        )
        raise InputError(f"there is no prompt list {str(source)!r}; give {allowed}")
    local = fetch(str(source))
    if local.suffix == ".parquet":
        frame = pd.read_parquet(local)
        return list(frame.columns), frame.to_dict("records")
    return _read_csv(local, source)


def _read_csv(path: Path, source: str | os.PathLike) -> tuple[list[str], list[dict]]:
    try:
        # a byte-order mark would become part of the first column's name
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            return list(reader.fieldnames or []), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the prompt list {source} is no readable UTF-8 CSV file ({type(error).__name__})"
        ) from error
