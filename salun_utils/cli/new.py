"""`salun new`: files of a new method, study or chapter."""

from __future__ import annotations

import argparse
from typing import Any

from .words import EPILOG


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "new", help="write the files of a new method, study or chapter", epilog=EPILOG
    )
    parser.add_argument("kind", help="method, study or chapter")
    parser.add_argument("name", help="small letters, digits and hyphens, such as ga-steady")
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ..runner import scaffold

    written = scaffold.new(args.kind, args.name)
    for path in written:
        print(path.relative_to(scaffold.ROOT))
    print(scaffold.next_step(args.kind, args.name, written))
    return 0
