"""`salun canaries`: whether behaviour is as the versions say."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import InputError
from .words import EPILOG


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "canaries", help="find out whether a unit's behaviour is as its version says", epilog=EPILOG
    )
    parser.add_argument("units", nargs="*", help="only these, such as method/rl (default: all)")
    parser.add_argument(
        "--list", action="store_true", help="only say which units there are, and their versions"
    )
    parser.add_argument(
        "--update", metavar="UNIT", help="raise this unit's version and write its new figures"
    )
    parser.add_argument(
        "--because", default="", metavar="TEXT", help="with --update: the line for NUMERICS.md"
    )
    parser.add_argument("--threads", type=int, default=1, help="to compute with (default: 1)")
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    import torch

    from .. import units
    from ..runs import canaries

    if args.threads < 1:
        raise InputError(f"--threads must be at least 1, not {args.threads}")
    torch.set_num_threads(args.threads)
    if args.list:
        for name in canaries.load():
            print(f"{units.version(name):>3}  {name}")
        return 0
    if args.update is not None:
        if args.units:
            raise InputError(f"--update takes one unit, not {args.units[0]} as well")
        from ..runs.canaries.update import update

        written = update(args.update, because=args.because)
        print(f"{args.update} has version {canaries.read()[args.update]['version']} now")
        if written[1:]:
            print(f"figures of those that moved with it are written anew: {', '.join(written[1:])}")
        return 0
    report = canaries.check(args.units or None)
    for line in report.lines():
        print(line, file=sys.stderr)
    print(f"{len(report.ran)} canaries: " + ("none moved" if report.well else report.counts()))
    return 0 if report.well else 1
