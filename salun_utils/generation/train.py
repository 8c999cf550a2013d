"""Train any of the shipped models anew: ``python -m salun_utils.generation.train ddpm-fashion``.

Each of `recipes.RECIPES` trains, measures and writes the folder with its card; by default into the
package, which is what ships.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, unknown
from ..fitting import ranks
from . import shipped
from .recipes import RECIPES, Order


def retrain(
    name: str,
    *,
    folder: Path | None = None,
    data: str | None = None,
    work: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> dict:
    """Train one of `RECIPES`, write its weights and card into `folder`, and return the card.

    Parameters
    ----------
    folder : the package's own by default. data : another name or folder of the same data set.
    work : where checkpoints go; an interrupted training goes on from there.

    Several processes (`fitting.ranks`) share the training of a DDPM or a DiT.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    recipe, usual = RECIPES[name]
    unseen = tempfile.TemporaryDirectory() if not ranks.here().first else None
    if unseen is not None:  # one of several processes, of which the first writes
        folder = Path(unseen.name) / name
    order = Order(
        name,
        folder or shipped.ROOT / name,
        data or usual,
        work or Path(".cache") / "training",
        seed,
        device,
    )
    begun = time.process_time()
    content = recipe(order)
    command = f"python -m salun_utils.generation.train {name}" + (f" --seed {seed}" if seed else "")
    about: dict[str, Any] = {
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    # of this call alone, where `seconds` count interrupted ones
    about["cpu_seconds_with_scoring"] = round(time.process_time() - begun, 1)
    return shipped.write_card(
        order.folder,
        name=name,
        command=command,
        seeds={"weights and training": seed},
        **content,
        **about,
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m salun_utils.generation.train", description=__doc__
    )
    parser.add_argument("name", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--folder", type=Path, help="where the weights go; the package by default")
    parser.add_argument("--data", help="another name or folder of the same data set")
    parser.add_argument(
        "--work", type=Path, help="where checkpoints go; .cache/training by default"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    given = vars(parser.parse_args(arguments))
    try:
        card = retrain(given.pop("name"), **given)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({k: card[k] for k in ("name", "seconds", "scores")}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
