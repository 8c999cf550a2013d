"""What commands share: how words on the line are read."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError

EPILOG = "Exit status: 0 done, 1 a run failed, 2 bad input."


class Parser(argparse.ArgumentParser):
    """One line for bad usage, with the nearest option or command."""

    def error(self, message: str) -> NoReturn:
        options = [
            o
            for a in self._actions
            for o in [*a.option_strings, *(a.choices or {} if isinstance(a.choices, dict) else [])]
        ]
        word = message.split(":")[-1].split("(")[0].strip().strip("'").split(" ")[0]
        near = difflib.get_close_matches(word, options, n=1)
        print(
            f"salun: {message}"
            + (f"; did you mean {near[0]}?" if near and near[0] not in message else ""),
            file=sys.stderr,
        )
        raise SystemExit(2)


def add_parameters(parser: argparse.ArgumentParser, what: str) -> None:
    """The option -p, which `parameters_of` reads."""
    parser.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help=what,
    )


def parameters_of(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of the command line, each once."""
    from ..runner.parameters import parse_value

    names = [name for name, _ in args.parameter]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise InputError(f"parameter {twice!r} is given twice")
    return {name: parse_value(value) for name, value in args.parameter}


def check_folder(name: str | None, option: str) -> Path | None:
    """The folder that an option names, ``~`` as the shell reads it; None where it names none.

    Raises
    ------
    InputError : it can't be made, which is said before hours are spent on what would be written
        there; nothing is made yet.
    """
    if name is None:
        return None
    if not name.strip() or not name.isprintable():
        raise InputError(f"{option} needs the name of a folder, not {name[:200]!r}")
    path = _expanded(name, option)
    there = next((p for p in (path, *path.parents) if p.exists()), None)
    if there is not None and not there.is_dir():
        raise InputError(f"{option} {name}: {there} is a file, not a folder")
    return path


def _expanded(name: str, option: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~somebody
        raise InputError(f"{option} {name}: there is no such user") from None


def check_file(name: str | None, option: str) -> Path | None:
    """The file that an option names, ``~`` as the shell reads it; None where it names none.

    Raises
    ------
    InputError : no file can be written under that name; nothing is made yet.
    """
    if name is None:
        return None
    if not name.strip() or not name.isprintable():
        raise InputError(f"{option} needs the name of a file, not {name[:200]!r}")
    path = _expanded(name, option)
    if path.is_dir():
        raise InputError(f"{option} {name}: there is a folder of that name")
    check_folder(str(path.parent), option)
    return path


def seeds_in(text: str) -> list[int]:
    """Seeds written with commas between them."""
    from ..runner.parameters import parse_value
    from ..seeds import check_seed

    return [check_seed(parse_value(word.strip())) for word in text.split(",")]


def names_in(text: str | None, default: list[str]) -> list[str]:
    """Names written with commas between them; all of `default` where none are given."""
    if text is None:
        return default
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"--methods must be names with commas between them, not {text!r}")
    return names
