"""Time every row in turns, print the table, write the figures.

``python -m benchmark.speed`` writes ``benchmark/speed/cpu.json`` (``cuda.json`` on a GPU) and
prints one line a row. ``--tiny`` runs all rows on next to nothing, in seconds, and writes nothing
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
from .networks import FULL, TINY
from .turns import measure

HERE = Path(__file__).parent
STARTS = "starts"
PROFILED = "masked small-cnn"  # furthest below its target


def main(argv: list[str] | None = None) -> int:
    """Measure; 0, or 2 after one line about a wrong word."""
    parser = argparse.ArgumentParser(prog="benchmark.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the JSON file (default: beside the rows)")
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
    """Measure row after row; each is printed and written as soon as it is there."""
    for name in ("threads", "turns"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} must be at least 1, not {getattr(args, name)}")
    torch.set_num_threads(args.threads)
    device = su.runs.inputs.pick_device(args.device)
    sizes, turns = (TINY, 1) if args.tiny else (FULL, args.turns)
    book = Figures(args.out or (None if args.tiny else HERE / f"{device.type}.json"), device)
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

    Raises
    ------
    InputError : the file is of another machine or other versions.
    """

    def __init__(self, path: Path | None, device: torch.device):
        self.path, self.found = path, machine.facts(device)
        if path is not None and path.is_file():
            old = json.loads(path.read_text())
            for fact in ("device", "packages"):
                if old.get(fact) != self.found[fact]:
                    raise InputError(f"{path} is of another {fact}: name a new file by --out")
            self.found = old | self.found

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
