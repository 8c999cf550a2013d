"""`salun tune`: parameters chosen on pilot seeds, of methods and of erasers."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError, unknown
from .words import EPILOG, add_parameters, check_folder, names_in, parameters_of, seeds_in

# fields of one run that tuning sets itself, and where it is told what they would say
_BY_METHODS, _BY_SEEDS = "name what is tuned by --methods", "name seeds by --pilot-seeds"
ELSEWHERE = {
    "method": _BY_METHODS,
    "eraser": _BY_METHODS,
    "seed": _BY_SEEDS,
    "split_seed": _BY_SEEDS,
    "training_seed": _BY_SEEDS,
}


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "tune", help="choose each method's parameters on pilot seeds", epilog=EPILOG
    )
    add_parameters(
        parser,
        (
            "set one field of RunSpec, or hold one parameter of the methods still (1,2,5: choose"
            " among these); with -p model"
            " NAME, a generator: fields of Trial"
        ),
    )
    parser.add_argument("--methods", help="comma-separated (default: all that have a search space)")
    parser.add_argument("--trials", type=int, default=12, help="of each method (default: 12)")
    parser.add_argument(
        "--pilot-seeds", default="99", help="comma-separated; kept out of reports (default: 99)"
    )
    parser.add_argument(
        "--minutes", type=float, help="start no trial after that; the next call goes on"
    )
    parser.add_argument(
        "--out",
        default="benchmark/tuned",
        help="folder of the chosen values (default: benchmark/tuned)",
    )
    parser.add_argument(
        "--state", default="out/tuning", help="folder of the studies (default: out/tuning)"
    )
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ..runs import RunSpec
    from ..runs.tuning import entry_name, read_tuned, tune
    from ..training import TrainingDivergedError
    from ..unlearning import METHODS

    for option in ("out", "state"):
        setattr(args, option, check_folder(getattr(args, option), f"--{option}"))
    given = parameters_of(args)
    if ignored := next((name for name in given if name in ELSEWHERE), None):
        raise InputError(f"tuning takes no parameter {ignored!r}: {ELSEWHERE[ignored]}")
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
    methods = names_in(args.methods, [n for n, m in METHODS.items() if m.search])
    seeds = seeds_in(args.pilot_seeds)
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
    return _chosen(path, missing)


def _chosen(path: Path, missing: list[str]) -> int:
    """Say where the values are, and of what there are none yet."""
    more = f"; not yet those of {', '.join(missing)}: call again to go on" if missing else ""
    print(f"chosen values in {path}{more}")
    return 0


def _choices(name: str, value: Any) -> Any:
    """A value held still, or the list of those to choose from: ``1,2,5``."""
    from ..runner.parameters import parse_value

    if not isinstance(value, str) or "," not in value or name == "drops":
        return value
    return [parse_value(word.strip()) for word in value.split(",")]


def _tune_erasers(args: argparse.Namespace, given: dict[str, Any]) -> int:
    from ..generation import ERASERS, kind_named
    from ..generation.trials.trial import Trial
    from ..generation.trials.tuning import tune
    from ..runs.tuning import read_tuned

    fields = [f.name for f in dataclasses.fields(Trial)]
    if wrong := next((name for name in given if name not in fields), None):
        raise unknown("parameter", wrong, fields)
    if "concept" not in given:
        raise InputError("name a pilot class that no report forgets: -p concept NAME")
    kind = kind_named(str(given["model"]))
    fitting = [name for name, eraser in ERASERS.items() if kind in eraser.kinds and eraser.search]
    names = names_in(args.methods, fitting)
    seeds = seeds_in(args.pilot_seeds)
    if len(seeds) != 1:
        raise InputError("erasers are tuned on one pilot seed")
    pilot = {"seed": seeds[0], "sample_seed": seeds[0], **given}
    path = tune(
        pilot, names, trials=args.trials, out=args.out, state=args.state, minutes=args.minutes
    )
    missing = [name for name in names if ERASERS[name].search and name not in read_tuned(path)]
    return _chosen(path, missing)
