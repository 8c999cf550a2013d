"""`salun completion`: a script that completes commands in a shell."""

from __future__ import annotations

import argparse
from typing import Any

from .words import EPILOG


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "completion", help="print a script that completes commands in a shell", epilog=EPILOG
    )
    parser.add_argument("shell", help="bash or zsh")
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ..runner.commands import completion
    from . import build_parser

    print(completion(build_parser(), args.shell), end="")
    return 0
