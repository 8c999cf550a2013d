"""`salun grid`: many runs."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from .words import EPILOG, check_folder


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "grid", help="run a grid of parameters through Snakemake", epilog=EPILOG
    )
    parser.add_argument("grid", help="a YAML file, such as benchmark/grids/demo.yaml")
    parser.add_argument("--cores", type=int, help="runs at a time on this machine (default: 1)")
    parser.add_argument(
        "--minutes", type=float, help="start nothing that can't end in that many minutes"
    )
    parser.add_argument("--tier", help="only the runs of this tier, where the grid has several")
    parser.add_argument(
        "--out",
        help=(
            "folder for records, notebooks and state (default: benchmark/records, the rest in out/)"
        ),
    )
    parser.add_argument(
        "--list", action="store_true", help="only say which runs there are and how they stand"
    )
    parser.add_argument("--outdated", action="store_true", help="run outdated runs again as well")
    parser.add_argument("--executor", help="where: local, slurm or kubernetes (default: local)")
    parser.add_argument(
        "--profile", help="one of benchmark/profiles, or a folder like those (default: by executor)"
    )
    parser.add_argument(
        "--job-minutes",
        type=float,
        help="on a cluster, put short runs together in jobs of that many minutes (default: 45)",
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="single runs one after another in this process, without a kernel and a notebook each",
    )
    parser.add_argument(
        "--snakemake",
        nargs=argparse.REMAINDER,
        default=[],
        help="the words after it go to Snakemake",
    )
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ..runner import grid as grids
    from ..runner.grid.resources import JOB_MINUTES
    from ..runs import records_folder

    _check_numbers(args)
    out = check_folder(args.out, "--out")
    grid = grids.read(args.grid).only(args.tier)
    home = out or Path("out") / "grids" / grid.name
    records = home / "records" if out else records_folder()
    if args.list:
        return _list(args, grid, records)
    outcome = grids.run(
        grid,
        records=records,
        state=home / "state",
        notebooks=home / "notebooks",
        cores=args.cores or 1,
        minutes=args.minutes,
        snakemake=args.snakemake,
        outdated=args.outdated,
        executor=args.executor,
        profile=args.profile,
        job_minutes=JOB_MINUTES if args.job_minutes is None else args.job_minutes,
        here=args.here,
    )
    for line in outcome.failed.values():
        print(f"failed: {line}", file=sys.stderr)
    print(f"{_counts(outcome, len(grid.runs))}; records in {records}")
    if outcome.left and args.minutes is None and not outcome.failed:
        why = f" ({outcome.why})" if outcome.why else ""
        log = home / "state" / "snakemake.log"
        print(f"salun: Snakemake stopped early{why}; see {log}", file=sys.stderr)
        return 1
    return 1 if outcome.failed else 0


def _check_numbers(args: argparse.Namespace) -> None:
    """Raise `InputError` for a number out of range, or one that means nothing where the runs go."""
    away = args.profile is not None or args.executor not in (None, "local")
    if args.cores is not None and args.cores < 1:
        raise InputError(f"--cores must be at least 1, not {args.cores}")
    if args.minutes is not None and not args.minutes > 0:
        raise InputError(f"--minutes must be above 0, not {args.minutes}")
    if args.job_minutes is not None and not 0 <= args.job_minutes < math.inf:
        raise InputError(f"--job-minutes must be at least 0, not {args.job_minutes}")
    if args.cores is not None and away:
        raise InputError(
            "--cores is for runs on this machine; on a cluster jobs in the profile says how many"
            " there are at a time"
        )
    if args.job_minutes is not None and not away:
        raise InputError("--job-minutes is for a cluster: name it by --executor or --profile")


def _list(args: argparse.Namespace, grid: Any, records: Path) -> int:
    from ..runner.grid.driver import place, stands

    place(grid, args.executor, args.profile, args.snakemake)
    for run in grid.runs:
        found = stands(grid, run, records)
        why = f"  ({found.why})" if found.why else ""
        print(f"{found.word:<8}  {run.priority:>4}  {run.name}{why}")
    return 0


def _counts(outcome: Any, runs: int) -> str:
    said = (
        f"{runs} runs: {len(outcome.before)} done before, {len(outcome.done)} done now,"
        f" {len(outcome.failed)} failed, {len(outcome.left)} left"
    )
    if outcome.outdated:
        said += f", {len(outcome.outdated)} outdated (--outdated runs them again)"
    return said
