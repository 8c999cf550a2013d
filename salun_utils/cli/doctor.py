"""`salun doctor`: what is here, and what would be loaded."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .words import EPILOG


def add(commands: Any) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "doctor",
        help="versions, device, data found, cache size; of a PATH, what would be loaded from it",
        epilog=EPILOG,
    )
    parser.add_argument("path", nargs="?", help="a folder of pictures or tables to look at")
    for name in ("image", "label"):
        parser.add_argument(f"--{name}-column", metavar="NAME", help=f"the {name}s' in tables")
    parser.set_defaults(act=act)


def act(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    if args.path is not None:
        return _look_at(args)
    if args.image_column or args.label_column:
        raise InputError("--image-column and --label-column need the PATH of a folder of tables")
    from .. import data
    from ..data.places import cache_folder, data_folder
    from ..runs import Cache
    from ..runs.inputs import pick_device
    from ..runs.records import provenance
    from ..runs.table import records_folder

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


def _look_at(args: argparse.Namespace) -> int:
    """What would be loaded from a folder; status 2 where a picture in it is damaged."""
    from ..data.preview import preview

    found = preview(args.path, image_column=args.image_column, label_column=args.label_column)
    print("\n".join(found.lines()))
    return 0 if found.is_sound else 2


def _doctor_records(folder: Path) -> int:
    """How the records stand, those named that don't count, and whether the adoption file fits."""
    from ..runs.records.numerics import check_adopted
    from ..runs.records.standing import DONE, of_file, standing

    stand = {path: of_file(path) for path in sorted(folder.rglob("*.json"))}
    print(f"records    {folder}: {standing(stand.values())}")
    for path, one in stand.items():
        if one.word != DONE:
            print(f"           {path.stem}: {one}")
    check_adopted(one.record for one in stand.values() if one.record is not None)
    return 0
