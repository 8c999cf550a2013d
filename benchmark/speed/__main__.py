"""Time every row in turns, write the figures, print the table of ratios.

``python -m benchmark.speed`` writes ``build/speed/cpu.json`` (``cuda.json`` on a GPU); figures of
another machine or of other versions that lie there make way. ``--publish`` writes those that the
book's page shows. ``--tiny`` runs all rows on next to nothing, in seconds, and writes nothing
unless told where. Only ratios carry over to other machines.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

import salun_utils as su
from salun_utils.errors import InputError, unknown
from salun_utils.files import atomic

from . import generators, machine, networks, starts, tries
from .figures import ratios
from .networks import FULL, TINY
from .turns import measure

HERE = Path(__file__).parent
OWN = HERE.parents[1] / "build" / "speed"
STARTS = "starts"
PROFILED = "masked small-cnn"  # furthest below its target


def main(argv: list[str] | None = None) -> int:
    """Measure; 0, or 2 after one line about a wrong word."""
    parser = argparse.ArgumentParser(prog="benchmark.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the JSON file (default: in build/speed)")
    parser.add_argument(
        "--publish", action="store_true", help="write the figures that the book shows"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (default: 1)")
    parser.add_argument("--turns", type=int, default=5, help="of each row (default: 5)")
    parser.add_argument("--only", help="the row or start of this name; the others stay as they are")
    parser.add_argument(
        "--compile", action="store_true", help="also torch.compile, minutes on a CPU"
    )
    parser.add_argument("--tiny", action="store_true", help="next to no work: a test of the rows")
    args = parser.parse_args(argv)
    try:
        everything(args)
    except InputError as error:
        print(f"speed: {error}", file=sys.stderr)
        return 2
    return 0


def everything(args: argparse.Namespace) -> None:
    """Measure row after row; each is printed and written as soon as it is there, and all ratios
    once more as a table at the end.
    """
    for name in ("threads", "turns"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} must be at least 1, not {getattr(args, name)}")
    torch.set_num_threads(args.threads)
    device = su.runs.inputs.pick_device(args.device)
    sizes, turns = (TINY, 1) if args.tiny else (FULL, args.turns)
    book = Figures(place(args, device), device, anew=args.out is None and not args.publish)
    makers = {
        **{name: ("rows", make) for name, make in (networks.ROWS | generators.ROWS).items()},
        **{name: ("tries", make) for name, make in (tries.TRIES | tries.SLOW).items()},
    }
    for name in chosen(args.only, [*makers, STARTS], device):
        if name == STARTS:
            book.note("first_seconds", starts.measure(turns))
            continue
        part, make = makers[name]
        row = make(sizes, device)
        book.note("peaks_gflops", machine.peaks(device, size=256 if args.tiny else 0))
        book.note(part, measure(row, turns=turns, device=device), name)
        if name == PROFILED:
            operators = machine.profiled(row.ways[row.tried])
            book.note("profile", {"row": row.title, "operators": operators})
    print(f"\n{ratios(book.found)}")
    if book.path is not None:
        print(f"\nfigures in {book.path}")


def place(args: argparse.Namespace, device: torch.device) -> Path | None:
    """The file that is written: the one named, that of the book, or this machine's own; None for
    none.
    """
    if args.out is not None and args.publish:
        raise InputError("--publish names the file already: leave --out away")
    if args.out is not None or (args.tiny and not args.publish):
        return args.out
    return (HERE if args.publish else OWN) / f"{device.type}.json"


def chosen(only: str | None, known: list[str], device: torch.device) -> list[str]:
    """The rows to measure: those named, or all but those that take minutes here."""
    if only is None:
        return [n for n in known if n not in tries.SLOW or device.type == "cuda"]
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in known:
            raise unknown("row", name, known)
    return names


class Figures:
    """The figures so far, on disk as they come; those of an earlier call stay until measured anew.

    Parameters
    ----------
    path : the JSON file; None for none.
    anew : begin anew where the file is of another machine or other versions, or can't be read.

    Raises
    ------
    InputError : the file is of another machine or other versions, and isn't begun anew.
    """

    def __init__(self, path: Path | None, device: torch.device, *, anew: bool = False):
        self.path, self.found = path, machine.facts(device)
        if path is None or not path.is_file():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            return
        try:
            old = json.loads(path.read_text())
            other = [fact for fact in ("device", "packages") if old[fact] != self.found[fact]]
        except (ValueError, KeyError, TypeError):
            old, other = {}, ["kind"]
        if not other:
            self.found = old | self.found
        elif not anew:
            raise InputError(f"{path} is of another {other[0]}: name a new file by --out")

    def note(self, part: str, value: dict[str, Any], row: str = "") -> None:
        """Print and keep a row of a part, or a part as a whole."""
        if part == "peaks_gflops":  # the best that was seen so far
            old = self.found.get(part, {})
            self.found[part] = {k: max(v, old.get(k, 0)) for k, v in value.items()}
        elif row:
            self.found.setdefault(part, {})[row] = value | {"commit": self.found["commit"]}
            print(line(value), flush=True)
        else:
            self.found[part] = value
            print(part, json.dumps(value), flush=True)
        if self.path is not None:
            with atomic(self.path) as partial:
                partial.write_text(json.dumps(self.found, indent=1) + "\n")


def line(row: dict[str, Any]) -> str:
    """One row of the table that is printed."""
    base, tried = (row["ways"][row[k]]["seconds"] for k in ("base", "tried"))
    spread = f"{row['ratio']:6.2f}x ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
    processor = f"processor {row['ratio_processor']:.2f}x"
    return f"{row['title']:75}{tried:9.3f}{base:9.3f} s {spread}, {processor}; {row['same']}"


if __name__ == "__main__":
    sys.exit(main())
