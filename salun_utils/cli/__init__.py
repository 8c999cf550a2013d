"""The command line, one command a file; `salun` alone lists them."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import warnings

from ..errors import InputError
from . import canaries, completion, doctor, erase, grid, new, run, table, tune
from .words import EPILOG, Parser

# as the help lists them
COMMANDS = (new, run, grid, tune, erase, table, canaries, doctor, completion)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = Parser(
        prog="salun", description="Run and tabulate machine-unlearning notebooks.", epilog=EPILOG
    )
    parser.set_defaults(act=_overview)
    commands = parser.add_subparsers(dest="command", parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    return parser


def _overview(args: argparse.Namespace) -> int:
    from ..runner.commands import overview

    print(overview(build_parser()))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    os.environ.setdefault("TQDM_DISABLE", "" if sys.stderr.isatty() else "1")
    warnings.formatwarning = lambda message, *_args, **_options: f"salun: warning: {message}\n"
    args = build_parser().parse_args(argv)
    try:
        _check_alone(args.command)
        return args.act(args)
    except InputError as error:
        print(f"salun: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        print(f"salun: {_os_error(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("salun: interrupted", file=sys.stderr)
        return 130


def _check_alone(command: str | None) -> None:
    """Raise `InputError` where a launcher started several processes of a command that can't share
    its work out.
    """
    if "LOCAL_RANK" not in os.environ or command == "run":
        return
    from ..fitting.ranks import launched

    if (count := launched()[1]) > 1:
        raise InputError(
            f"salun {command or ''} is one process, and a launcher started {count}: start it"
            " without one; salun run can be started in several"
        )


def _os_error(error: OSError) -> str:
    """One line on what the system refused, with the way out where there is a usual one."""
    said = " ".join(f"{error.strerror or error}".split())
    name = str(error.filename or "")
    where = f" ({name[:200] + '…' * (len(name) > 200)})" if name else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{where}; nothing half-written is left, free some space and go on"
    if error.errno == errno.ENAMETOOLONG:
        return f"a name is too long{where}; give a shorter one, or a shorter --out or TMPDIR"
    return f"{said}{where}"
