"""`salun table`: all records, one row a run."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

from ..errors import InputError
from .words import EPILOG

FILTERS = ("tier", "dataset", "arch", "scenario", "method", "mask")


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "table", help="print or export all records, one row a run", epilog=EPILOG
    )
    parser.add_argument(
        "--records",
        action="append",
        help="folder to search; repeatable (default: benchmark/records)",
    )
    for name in FILTERS:
        parser.add_argument(f"--{name}", help=f"only this {name}")
    parser.add_argument(
        "--export",
        metavar="FILE",
        help="write FILE.csv, FILE.parquet or FILE.md instead of printing",
    )
    parser.add_argument(
        "--check",
        metavar="FOLDER",
        help="say of records that somebody else made whether they may stand in the table",
    )
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    if args.check is not None:
        return check(args)
    import pandas as pd

    from ..runs import load_records, records_folder, table
    from ..runs.records.standing import standing
    from ..runs.said import OutdatedWarning
    from ..runs.table import check_export, export

    folders = [Path(f) for f in args.records or [records_folder()]]
    if args.records and "" in args.records:
        raise InputError("--records needs the name of a folder")
    if missing := next((f for f in folders if not f.is_dir()), None):
        raise InputError(f"there is no folder of records {missing}")
    if empty := next((n for n in FILTERS if getattr(args, n) == ""), None):
        raise InputError(f"--{empty} is empty: name one, or leave --{empty} out")
    if args.export is not None:
        check_export(args.export)  # before all records are read, which takes its time
    filters = {n: getattr(args, n) for n in FILTERS if getattr(args, n)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutdatedWarning)  # the line under the table says it
        records = [r for f in folders for r in load_records(f, **filters)]
    frame = table(records)
    if args.export is not None:
        export(frame, args.export)
        print(f"{len(frame)} runs written to {args.export}")
        return 0
    with pd.option_context(
        "display.width", None, "display.max_rows", None, "display.max_columns", None
    ):
        print(
            frame.to_string(index=False, float_format="%.2f") if len(frame) else "no record matches"
        )
    if len(frame):
        print(standing(records))
    for note in sorted(p for f in folders for p in f.rglob("failed/*.txt")):
        print(f"failed: {note.read_text().strip()}")
    return 0


def check(args: argparse.Namespace) -> int:
    """Accept or refuse records; status 2 where one is refused."""
    from ..runs import submissions

    others = [name for name in (*FILTERS, "export") if getattr(args, name)]
    if others or len(args.records or ()) > 1:
        raise InputError(f"--check takes no --{(others or ['records'])[0]} beside it")
    ours = Path(args.records[0]) if args.records else None
    report = submissions.check(Path(args.check), ours=ours)
    print("\n".join(report.lines()))
    return 2 if report.refused else 0
