"""Write the standard forget sets of a data set into `benchmark/forget_sets/`.

    python benchmark/make_forget_sets.py [DATA] [FOLDER] [--images N] [--scored]

DATA is a name that `salun_utils.data.load` knows, or a folder (default: fashion-mini); --images
cuts it to the first N pictures, as the parameter `train_images` of a run does. All sets are drawn
with seed 1, by the rules that runs use, so that run and file agree. Those of "mislabelled" and
"poisoned" are positions too: `salun_utils.data.poison` draws which labels and pixels change.

--scored writes instead the sets that are chosen by how a trained network sees each picture
("memorised-…", "worst-case"). It trains the reference that a run trains by default, small-cnn for
10 epochs: under a minute for fashion-mini. Another machine may train it to other last bits and rank
a few pictures otherwise, so here the file is the set.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from salun_utils.data import Dataset, forget_sets
from salun_utils.data.scenarios import make_split
from salun_utils.runs import RunSpec, prepare
from salun_utils.runs.inputs import load_dataset
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
SCORED = {
    "memorised-most": "the tenth of the lowest margin",
    "memorised-medium": "the tenth around the median margin",
    "memorised-least": "the tenth of the highest margin",
    "worst-case": "the tenth whose representation lies nearest to the mean of all",
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


def scored_sets(spec: RunSpec) -> Iterator[tuple[str, str, list[int]]]:
    """Name, description, and positions of each set that a reference network chooses."""
    for name, about in SCORED.items():
        cut = prepare(spec.but(scenario=name, forget_fraction=0.1, seed=SEED)).split
        about = f"{about}, as a {spec.arch} of {spec.train_epochs} epochs sees them"
        yield f"{name}-10", about, cut.forget.index.tolist()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="fashion-mini")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--images", type=int, help="cut the training set to that many pictures")
    parser.add_argument("--scored", action="store_true", help="the sets that a network chooses")
    args = parser.parse_args(arguments)
    spec = RunSpec(dataset=args.data, train_images=args.images)
    data = load_dataset(spec)
    called = data.name.replace("/", "-") + (f"-{args.images}" if args.images else "")
    called += "-scored" if args.scored else ""
    folder = args.folder or Path(__file__).parent / "forget_sets" / called
    folder.mkdir(parents=True, exist_ok=True)
    for name, about, positions in scored_sets(spec) if args.scored else sets(data):
        forget_sets.write(folder / f"{name}.txt", data, positions, f"{data.name}: {about}")
        print(f"{name:<20} {len(positions):>6} pictures  {about}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
