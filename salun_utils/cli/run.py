"""`salun run`: one notebook, one record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from .words import EPILOG, add_parameters, check_file, check_folder, parameters_of


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "run", help="execute one notebook and write its record", epilog=EPILOG
    )
    parser.add_argument(
        "notebook", nargs="?", help="an .ipynb file, such as notebooks/01_quickstart.ipynb"
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="repeat the run of this record: the same notebook, the same parameters",
    )
    add_parameters(parser, "set one parameter; repeatable")
    parser.add_argument(
        "--out", default="out", help="folder for records/ and notebooks/ (default: out)"
    )
    parser.add_argument("--force", action="store_true", help="run again even if it is done")
    parser.add_argument("--record-out", help="write the record to this file instead")
    parser.add_argument("--notebook-out", help="write the executed notebook to this file instead")
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ..fitting.ranks import launched
    from ..runner.notebooks import RunFailedError
    from ..runs import run_notebook

    out = check_folder(args.out, "--out")
    record_out = check_file(args.record_out, "--record-out")
    notebook_out = check_file(args.notebook_out, "--notebook-out")
    notebook, parameters = _named_run(args)
    try:
        record, path, done = run_notebook(
            notebook,
            parameters,
            out=out or "out",
            force=args.force,
            record_out=record_out,
            notebook_out=notebook_out,
        )
    except RunFailedError as error:
        print(f"salun: {error}", file=sys.stderr)
        return 1
    if launched()[0]:
        return 0  # the first of several processes says it
    print(f"{'done already' if done else 'done'}: {path}")
    for single in record.flat():
        row = single.row()
        if row["ua"] == row["ua"]:
            figures = "  ".join(
                f"{k} {row[k]:.2f}"
                for k in ("ua", "ra", "ta", "mia", "avg_gap", "seconds")
                if row[k] is not None
            )
            print(f"  {row['method']:<12} {row['scenario']:<12} seed {row['seed']}  {figures}")
            if single.can_tell is False and single.average_gap is not None:
                print(
                    "  the membership attack can't tell here: average gap without MIA"
                    f" {single.average_gap:.2f}"
                )
    return 0


def _named_run(args: argparse.Namespace) -> tuple[str | Path, dict[str, Any]]:
    """The notebook and the parameters that the words of `salun run` name."""
    if args.record is None:
        if args.notebook is None:
            raise InputError("name a notebook, or with --record the record of a run to repeat")
        return args.notebook, parameters_of(args)
    if args.parameter:
        raise InputError("--record repeats a run as it was: it takes no -p")
    from ..runner.repeat import recorded_run

    return recorded_run(args.record, args.notebook)
