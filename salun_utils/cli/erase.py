"""`salun erase`: a pipeline forgets a concept of one's own."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

from .words import EPILOG, add_parameters, check_folder, parameters_of


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "erase", help="make a text-to-image pipeline forget a concept of one's own", epilog=EPILOG
    )
    parser.add_argument("pipeline", help="mini-sd, a folder, or a Hub id such as owner/name")
    parser.add_argument(
        "--concept",
        action="append",
        required=True,
        help="its words, such as 'sneaker'; repeatable: one after another",
    )
    parser.add_argument("--out", required=True, help="a new folder for the erased pipeline")
    parser.add_argument("--method", default="esd-x", help="an eraser (default: esd-x)")
    parser.add_argument("--substitute", help="what to steer the concept to")
    parser.add_argument("--keep", action="append", default=[], help="what must stay; repeatable")
    parser.add_argument(
        "--template", default="a photo of a {}", help="prompt (default: 'a photo of a {}')"
    )
    parser.add_argument("--samples", type=int, default=4, help="drawn of each prompt (default: 4)")
    parser.add_argument("--steps", type=int, help="of sampling")
    parser.add_argument("--guidance", type=float, help="of sampling")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clip", help="CLIP weights for scores: a folder, a Hub id, or none")
    parser.add_argument("--judge", help="a judge that knows the concept: a name or a folder")
    parser.add_argument("--data", help="a data set with pictures of the concept")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (default: auto)")
    parser.add_argument("--blur", action="store_true", help="blur the pictures of the concept")
    add_parameters(parser, "set one parameter of the method; repeatable")
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ..generation import own
    from ..training import TrainingDivergedError

    args.out = str(check_folder(args.out, "--out"))
    special = ("params", "keep", "concept")
    names = [f.name for f in dataclasses.fields(own.Request) if f.name not in special]
    request = own.Request(
        **{name: getattr(args, name) for name in names},
        concept=args.concept[0] if len(args.concept) == 1 else tuple(args.concept),
        keep=tuple(args.keep),
        params=parameters_of(args),
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
