"""Write the standard forget sets of a data set into `benchmark/forget_sets/`.

    python benchmark/make_forget_sets.py [DATA] [FOLDER]

DATA is a name that `salun_utils.data.load` knows, or a folder (default: fashion-mini). All sets are
drawn with seed 1, by the rules that runs use, so that run and file agree. Those of "mislabelled"
and "poisoned" are positions too: `salun_utils.data.poison` draws which labels and pixels change.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from salun_utils.data import Dataset, forget_sets, load
from salun_utils.data.scenarios import make_split
from salun_utils.seeds import generator

SEED, CLASS, REQUESTS = 1, 3, 5
STANDARD = {
    "random-10": ("a tenth of the training pictures, at random", ("random", 0.1)),
    "random-50": ("half of the training pictures, at random", ("random", 0.5)),
    "class-3": ("all training pictures of class 3", ("class", 0.1)),
    "two-classes-10": ("a tenth, half of it from each of two classes", ("two-classes", 0.1)),
    "mislabelled-10": ("a tenth, to be trained on under wrong labels", ("mislabelled", 0.1)),
    "poisoned-5": ("a twentieth, to be stamped and labelled 3", ("poisoned", 0.05)),
}


def sets(data: Dataset) -> Iterator[tuple[str, str, list[int]]]:
    """Name, description, and positions of each."""
    for name, (about, (scenario, fraction)) in STANDARD.items():
        cut = make_split(data, scenario, seed=SEED, forget_fraction=fraction, forget_class=CLASS)
        yield name, about, cut.forget.index.tolist()
    tenth = make_split(data, "random", seed=SEED, forget_fraction=0.1).forget.index
    order = torch.randperm(len(tenth), generator=generator(SEED, "requests"))
    for number, part in enumerate(tenth[order].tensor_split(REQUESTS), start=1):
        about = f"request {number} of {REQUESTS} in a row, together the set random-10"
        yield f"request-{number}-of-{REQUESTS}", about, part.tolist()


def main(arguments: list[str]) -> int:
    data = load(arguments[0] if arguments else "fashion-mini")
    default = Path(__file__).parent / "forget_sets" / data.name.replace("/", "-")
    folder = Path(arguments[1]) if len(arguments) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    for name, about, positions in sets(data):
        forget_sets.write(folder / f"{name}.txt", data, positions, f"{data.name}: {about}")
        print(f"{name:<16} {len(positions):>6} pictures  {about}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
