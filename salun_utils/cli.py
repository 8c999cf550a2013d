"""The command line: `salun` alone lists its commands."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import errno
import math
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

from .errors import InputError, unknown

TABLE_FILTERS = ("tier", "dataset", "arch", "scenario", "method", "mask")
EPILOG = "Exit status: 0 done, 1 a run failed, 2 bad input."


class _Parser(argparse.ArgumentParser):
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


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = _Parser(
        prog="salun", description="Run and tabulate machine-unlearning notebooks.", epilog=EPILOG
    )
    parser.set_defaults(act=_overview)
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)

    new = commands.add_parser(
        "new", help="write the files of a new method, study or chapter", epilog=EPILOG
    )
    new.add_argument("kind", help="method, study or chapter")
    new.add_argument("name", help="small letters, digits and hyphens, such as ga-steady")
    new.set_defaults(act=_new)

    run = commands.add_parser(
        "run", help="execute one notebook and write its record", epilog=EPILOG
    )
    run.add_argument(
        "notebook", nargs="?", help="an .ipynb file, such as notebooks/01_quickstart.ipynb"
    )
    run.add_argument(
        "--record",
        metavar="FILE",
        help="repeat the run of this record: the same notebook, the same parameters",
    )
    run.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter; repeatable",
    )
    run.add_argument(
        "--out", default="out", help="folder for records/ and notebooks/ (default: out)"
    )
    run.add_argument("--force", action="store_true", help="run again even if it is done")
    run.add_argument("--record-out", help="write the record to this file instead")
    run.add_argument("--notebook-out", help="write the executed notebook to this file instead")
    run.set_defaults(act=_run)

    grid = commands.add_parser(
        "grid", help="run a grid of parameters through Snakemake", epilog=EPILOG
    )
    grid.add_argument("grid", help="a YAML file, such as benchmark/grids/demo.yaml")
    grid.add_argument("--cores", type=int, default=1, help="runs at a time (default: 1)")
    grid.add_argument(
        "--minutes", type=float, help="start nothing that can't end in that many minutes"
    )
    grid.add_argument("--tier", help="only the runs of this tier, where the grid has several")
    grid.add_argument(
        "--out",
        help=(
            "folder for records, notebooks and state (default: benchmark/records, the rest in out/)"
        ),
    )
    grid.add_argument(
        "--list", action="store_true", help="only say which runs there are and how they stand"
    )
    grid.add_argument("--outdated", action="store_true", help="run outdated runs again as well")
    grid.add_argument("--executor", help="where: local, slurm or kubernetes (default: local)")
    grid.add_argument(
        "--profile", help="one of benchmark/profiles, or a folder like those (default: by executor)"
    )
    grid.add_argument(
        "--job-minutes",
        type=float,
        default=45,
        help="on a cluster, put short runs together in jobs of that many minutes (default: 45)",
    )
    grid.add_argument(
        "--here",
        action="store_true",
        help="single runs one after another in this process, without a kernel and a notebook each",
    )
    grid.add_argument(
        "--snakemake",
        nargs=argparse.REMAINDER,
        default=[],
        help="the words after it go to Snakemake",
    )
    grid.set_defaults(act=_grid)

    tune = commands.add_parser(
        "tune", help="choose each method's parameters on pilot seeds", epilog=EPILOG
    )
    tune.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help=(
            "set one field of RunSpec, or hold one parameter of the methods still (1,2,5: choose"
            " among these); with -p model"
            " NAME, a generator: fields of Trial"
        ),
    )
    tune.add_argument("--methods", help="comma-separated (default: all that have a search space)")
    tune.add_argument("--trials", type=int, default=12, help="of each method (default: 12)")
    tune.add_argument(
        "--pilot-seeds", default="99", help="comma-separated; kept out of reports (default: 99)"
    )
    tune.add_argument(
        "--minutes", type=float, help="start no trial after that; the next call goes on"
    )
    tune.add_argument(
        "--out",
        default="benchmark/tuned",
        help="folder of the chosen values (default: benchmark/tuned)",
    )
    tune.add_argument(
        "--state", default="out/tuning", help="folder of the studies (default: out/tuning)"
    )
    tune.set_defaults(act=_tune)

    erase = commands.add_parser(
        "erase", help="make a text-to-image pipeline forget a concept of one's own", epilog=EPILOG
    )
    erase.add_argument("pipeline", help="mini-sd, a folder, or a Hub id such as owner/name")
    erase.add_argument("--concept", required=True, help="its words, such as 'sneaker'")
    erase.add_argument("--out", required=True, help="a new folder for the erased pipeline")
    erase.add_argument("--method", default="esd-x", help="an eraser (default: esd-x)")
    erase.add_argument("--substitute", help="what to steer the concept to")
    erase.add_argument("--keep", action="append", default=[], help="what must stay; repeatable")
    erase.add_argument(
        "--template", default="a photo of a {}", help="prompt (default: 'a photo of a {}')"
    )
    erase.add_argument("--samples", type=int, default=4, help="drawn of each prompt (default: 4)")
    erase.add_argument("--steps", type=int, help="of sampling")
    erase.add_argument("--guidance", type=float, help="of sampling")
    erase.add_argument("--seed", type=int, default=0)
    erase.add_argument("--clip", help="CLIP weights for scores: a folder, a Hub id, or none")
    erase.add_argument("--judge", help="a judge that knows the concept: a name or a folder")
    erase.add_argument("--data", help="a data set with pictures of the concept")
    erase.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (default: auto)")
    erase.add_argument("--blur", action="store_true", help="blur the pictures of the concept")
    erase.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter of the method; repeatable",
    )
    erase.set_defaults(act=_erase)

    tables = commands.add_parser(
        "table", help="print or export all records, one row a run", epilog=EPILOG
    )
    tables.add_argument(
        "--records",
        action="append",
        help="folder to search; repeatable (default: benchmark/records)",
    )
    for name in TABLE_FILTERS:
        tables.add_argument(f"--{name}", help=f"only this {name}")
    tables.add_argument(
        "--export",
        metavar="FILE",
        help="write FILE.csv, FILE.parquet or FILE.md instead of printing",
    )
    tables.set_defaults(act=_table)

    canaries = commands.add_parser(
        "canaries", help="find out whether a unit's behaviour is as its version says", epilog=EPILOG
    )
    canaries.add_argument("units", nargs="*", help="only these, such as method/rl (default: all)")
    canaries.add_argument(
        "--list", action="store_true", help="only say which units there are, and their versions"
    )
    canaries.add_argument(
        "--update", metavar="UNIT", help="raise this unit's version and write its new figures"
    )
    canaries.add_argument(
        "--because", default="", metavar="TEXT", help="with --update: the line for NUMERICS.md"
    )
    canaries.add_argument("--threads", type=int, default=1, help="to compute with (default: 1)")
    canaries.set_defaults(act=_canaries)

    doctor = commands.add_parser(
        "doctor",
        help="versions, device, data found, cache size; of a PATH, what would be loaded from it",
        epilog=EPILOG,
    )
    doctor.add_argument("path", nargs="?", help="a folder of pictures or tables to look at")
    for name in ("image", "label"):
        doctor.add_argument(f"--{name}-column", metavar="NAME", help=f"the {name}s' in tables")
    doctor.set_defaults(act=_doctor)

    completion = commands.add_parser(
        "completion", help="print a script that completes commands in a shell", epilog=EPILOG
    )
    completion.add_argument("shell", help="bash or zsh")
    completion.set_defaults(act=_completion)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    os.environ.setdefault("TQDM_DISABLE", "" if sys.stderr.isatty() else "1")
    warnings.formatwarning = lambda message, *_args, **_options: f"salun: warning: {message}\n"
    args = build_parser().parse_args(argv)
    try:
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


def _overview(args: argparse.Namespace) -> int:
    from .runner.commands import overview

    print(overview(build_parser()))
    return 0


def _completion(args: argparse.Namespace) -> int:
    from .runner.commands import completion

    print(completion(build_parser(), args.shell), end="")
    return 0


def _new(args: argparse.Namespace) -> int:
    from .runner import scaffold

    written = scaffold.new(args.kind, args.name)
    for path in written:
        print(path.relative_to(scaffold.ROOT))
    print(scaffold.next_step(args.kind, args.name, written))
    return 0


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of the command line, each once."""
    from .runner.parameters import parse_value

    names = [name for name, _ in args.parameter]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise InputError(f"parameter {twice!r} is given twice")
    return {name: parse_value(value) for name, value in args.parameter}


def _seeds(text: str) -> list[int]:
    """Seeds written with commas between them."""
    from .runner.parameters import parse_value
    from .seeds import check_seed

    return [check_seed(parse_value(word.strip())) for word in text.split(",")]


def _names(text: str | None, default: list[str]) -> list[str]:
    """Names written with commas between them; all of `default` where none are given."""
    if text is None:
        return default
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"--methods must be names with commas between them, not {text!r}")
    return names


def _os_error(error: OSError) -> str:
    """One line on what the system refused, with the way out where there is a usual one."""
    said = " ".join(f"{error.strerror or error}".split())
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{where}; nothing half-written is left, free some space and go on"
    if error.errno == errno.ENAMETOOLONG:
        return f"a name is too long{where}; choose a shorter --out, or a shorter TMPDIR"
    return f"{said}{where}"


def _run(args: argparse.Namespace) -> int:
    from .runner.notebooks import RunFailedError
    from .runs import run_notebook

    notebook, parameters = _named_run(args)
    try:
        record, path, done = run_notebook(
            notebook,
            parameters,
            out=args.out,
            force=args.force,
            record_out=args.record_out,
            notebook_out=args.notebook_out,
        )
    except RunFailedError as error:
        print(f"salun: {error}", file=sys.stderr)
        return 1
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
    return 0


def _named_run(args: argparse.Namespace) -> tuple[str | Path, dict[str, Any]]:
    """The notebook and the parameters that the words of `salun run` name."""
    if args.record is None:
        if args.notebook is None:
            raise InputError("name a notebook, or with --record the record of a run to repeat")
        return args.notebook, _given(args)
    if args.parameter:
        raise InputError("--record repeats a run as it was: it takes no -p")
    from .runner.repeat import recorded_run

    return recorded_run(args.record, args.notebook)


def _grid(args: argparse.Namespace) -> int:
    from .runner import grid as grids
    from .runner.grid.driver import stands
    from .runs import records_folder

    if args.cores < 1:
        raise InputError(f"--cores must be at least 1, not {args.cores}")
    if args.minutes is not None and not args.minutes > 0:
        raise InputError(f"--minutes must be above 0, not {args.minutes}")
    if not 0 <= args.job_minutes < math.inf:
        raise InputError(f"--job-minutes must be at least 0, not {args.job_minutes}")
    grid = grids.read(args.grid).only(args.tier)
    home = Path(args.out) if args.out else Path("out") / "grids" / grid.name
    records = home / "records" if args.out else records_folder()
    if args.list:
        for run in grid.runs:
            found = stands(grid, run, records)
            why = f"  ({found.why})" if found.why else ""
            print(f"{found.word:<8}  {run.priority:>4}  {run.name}{why}")
        return 0
    outcome = grids.run(
        grid,
        records=records,
        state=home / "state",
        notebooks=home / "notebooks",
        cores=args.cores,
        minutes=args.minutes,
        snakemake=args.snakemake,
        outdated=args.outdated,
        executor=args.executor,
        profile=args.profile,
        job_minutes=args.job_minutes,
        here=args.here,
    )
    for line in outcome.failed.values():
        print(f"failed: {line}", file=sys.stderr)
    counts = (
        f"{len(grid.runs)} runs: {len(outcome.before)} done before, {len(outcome.done)} done now"
    )
    counts += f", {len(outcome.failed)} failed, {len(outcome.left)} left"
    if outcome.outdated:
        counts += f", {len(outcome.outdated)} outdated (--outdated runs them again)"
    print(f"{counts}; records in {records}")
    if outcome.left and args.minutes is None and not outcome.failed:
        why = f" ({outcome.why})" if outcome.why else ""
        log = home / "state" / "snakemake.log"
        print(f"salun: Snakemake stopped early{why}; see {log}", file=sys.stderr)
        return 1
    return 1 if outcome.failed else 0


def _tune(args: argparse.Namespace) -> int:
    from .runs import RunSpec
    from .runs.tuning import entry_name, read_tuned, tune
    from .training import TrainingDivergedError
    from .unlearning import METHODS

    given = _given(args)
    if "model" in given:
        return _tune_erasers(args, given)
    spec = RunSpec(**{name: value for name, value in given.items() if name in RunSpec.model_fields})
    fixed = {
        name: _choices(name, value)
        for name, value in given.items()
        if name not in RunSpec.model_fields
    }
    known = [
        *RunSpec.model_fields,
        *dict.fromkeys(k for m in METHODS.values() for k in (*m.defaults, *m.search_space)),
    ]
    if wrong := next((name for name in fixed if name not in known), None):
        raise unknown("parameter", wrong, known)
    methods = _names(args.methods, [n for n, m in METHODS.items() if m.search])
    seeds = _seeds(args.pilot_seeds)
    try:
        path = tune(
            spec,
            methods,
            trials=args.trials,
            pilot_seeds=seeds,
            out=args.out,
            state=args.state,
            minutes=args.minutes,
            fixed=fixed,
        )
    except TrainingDivergedError as error:
        print(
            f"salun: {error} ({spec.dataset}, {spec.arch}, {spec.scenario_name})", file=sys.stderr
        )
        return 1
    there = read_tuned(path)
    missing = [n for n in methods if METHODS[n].search and entry_name(n, spec.mask) not in there]
    print(
        f"chosen values in {path}"
        + (f"; not yet those of {', '.join(missing)}: call again to go on" if missing else "")
    )
    return 0


def _choices(name: str, value: Any) -> Any:
    """A value held still, or the list of those to choose from: ``1,2,5``."""
    from .runner.parameters import parse_value

    if not isinstance(value, str) or "," not in value or name == "drops":
        return value
    return [parse_value(word.strip()) for word in value.split(",")]


def _tune_erasers(args: argparse.Namespace, given: dict[str, Any]) -> int:
    from .generation import ERASERS, kind_named
    from .generation.trials.trial import Trial
    from .generation.trials.tuning import tune
    from .runs.tuning import read_tuned

    fields = [f.name for f in dataclasses.fields(Trial)]
    if wrong := next((name for name in given if name not in fields), None):
        raise unknown("parameter", wrong, fields)
    if "concept" not in given:
        raise InputError("name a pilot class that no report forgets: -p concept NAME")
    kind = kind_named(str(given["model"]))
    fitting = [name for name, eraser in ERASERS.items() if kind in eraser.kinds and eraser.search]
    names = _names(args.methods, fitting)
    seeds = _seeds(args.pilot_seeds)
    if len(seeds) != 1:
        raise InputError("erasers are tuned on one pilot seed")
    pilot = {"seed": seeds[0], "sample_seed": seeds[0], **given}
    path = tune(
        pilot, names, trials=args.trials, out=args.out, state=args.state, minutes=args.minutes
    )
    missing = [name for name in names if ERASERS[name].search and name not in read_tuned(path)]
    print(
        f"chosen values in {path}"
        + (f"; not yet those of {', '.join(missing)}: call again to go on" if missing else "")
    )
    return 0


def _erase(args: argparse.Namespace) -> int:
    from .generation import own
    from .training import TrainingDivergedError

    names = [f.name for f in dataclasses.fields(own.Request) if f.name not in ("params", "keep")]
    request = own.Request(
        **{name: getattr(args, name) for name in names},
        keep=tuple(args.keep),
        params=_given(args),
    )
    try:
        report = own.run(request)
    except TrainingDivergedError as error:
        print(f"salun: {error}", file=sys.stderr)
        return 1
    print(f"done: {report.folder}")
    for line in report.lines():
        print(f"  {line}")
    return 0


def _table(args: argparse.Namespace) -> int:
    import pandas as pd

    from .runs import load_records, records_folder, table
    from .runs.records.standing import standing
    from .runs.said import OutdatedWarning
    from .runs.table import export

    folders = [Path(f) for f in args.records or [records_folder()]]
    if args.records and "" in args.records:
        raise InputError("--records needs the name of a folder")
    if missing := next((f for f in folders if not f.is_dir()), None):
        raise InputError(f"there is no folder of records {missing}")
    filters = {n: getattr(args, n) for n in TABLE_FILTERS if getattr(args, n)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutdatedWarning)  # the line under the table says it
        records = [r for f in folders for r in load_records(f, **filters)]
    frame = table(records)
    if args.export:
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


def _canaries(args: argparse.Namespace) -> int:
    import torch

    from . import units
    from .runs import canaries

    if args.threads < 1:
        raise InputError(f"--threads must be at least 1, not {args.threads}")
    torch.set_num_threads(args.threads)
    if args.list:
        for name in canaries.load():
            print(f"{units.version(name):>3}  {name}")
        return 0
    if args.update:
        from .runs.canaries.update import update

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


def _look_at(args: argparse.Namespace) -> int:
    """What would be loaded from a folder; status 2 where a picture in it is damaged."""
    from .data.preview import preview

    found = preview(args.path, image_column=args.image_column, label_column=args.label_column)
    print("\n".join(found.lines()))
    return 0 if found.is_sound else 2


def _doctor(args: argparse.Namespace) -> int:
    if args.path is not None:
        return _look_at(args)
    if args.image_column or args.label_column:
        raise InputError("--image-column and --label-column need the PATH of a folder of tables")
    from . import data
    from .data.places import cache_folder, data_folder
    from .runs import Cache
    from .runs.inputs import pick_device
    from .runs.records import provenance
    from .runs.table import records_folder

    device = pick_device("auto")
    print("versions   " + ", ".join(f"{k} {v}" for k, v in provenance.package_versions().items()))
    print("device     " + ", ".join(f"{k} {v}" for k, v in provenance.device_facts(device).items()))
    for name in data.NAMES:
        try:
            found = data.load(name, download=False)
            print(
                f"data       {name:<14} {len(found.train):,} + {len(found.test):,} images,"
                f" {len(found.classes)} classes {found.note}"
            )
        except InputError as error:
            print(f"data       {name:<14} not here ({str(error)[:100]})")
    print(f"data in    {data_folder()}")
    print(f"cache      {cache_folder()}: {Cache(cache_folder()).size() / 2**20:.1f} MB")
    return _doctor_records(records_folder())


def _doctor_records(folder: Path) -> int:
    """How the records stand, those named that don't count, and whether the adoption file fits."""
    from .runs.records.numerics import check_adopted
    from .runs.records.standing import DONE, of_file, standing

    stand = {path: of_file(path) for path in sorted(folder.rglob("*.json"))}
    print(f"records    {folder}: {standing(stand.values())}")
    for path, one in stand.items():
        if one.word != DONE:
            print(f"           {path.stem}: {one}")
    check_adopted(one.record for one in stand.values() if one.record is not None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
