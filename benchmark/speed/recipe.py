"""What each part of the recipe of `speednet` pays, and how well it learns CIFAR-10 on a processor.

``python -m benchmark.speed.recipe`` trains the network on the first 12,000 training pictures with
one part of the recipe changed at a time, and at full width on 45,000 pictures; it writes accuracy,
time and operations of each into ``benchmark/speed/recipe.json`` and goes on where it was stopped.
The pictures are a folder cifar10_jpeg in $SALUN_DATA.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import salun_utils as su
from salun_utils.data import Dataset
from salun_utils.errors import InputError
from salun_utils.files import atomic
from salun_utils.metrics import accuracy, predict_logits
from salun_utils.runs import RunSpec
from salun_utils.runs.inputs import load_dataset
from salun_utils.training import RECIPES

from . import machine

OUT = Path(__file__).parent / "recipe.json"
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Trial:
    """One way to train it: a named recipe, what is changed of it, and on how much."""

    name: str
    change: dict[str, Any] = field(default_factory=dict)
    recipe: str = "speednet"
    pictures: int = 12_000
    width: float = 0.5
    epochs: int = 8
    whiten: bool = True
    norm_momentum: float = 0.1  # share of a batch in the running statistics of the norms


PARTS = (
    Trial("as it is"),
    Trial("first layer: pixels, not whitened patches", whiten=False),
    Trial("biases at the rate of the weights", {"bias_rate": 1.0}),
    Trial("momentum without Nesterov's look ahead", {"optimizer": "sgd"}),
    Trial("constant rate, half as high", {"schedule": "constant", "lr": 0.183}),
    Trial("no weight decay", {"weight_decay": 0.0}),
    Trial("labels smoothed by 0.2", {"label_smoothing": 0.2}),
    Trial("shifts and flips", {"augment": "shift-flip"}),
    Trial("batches of 1,000, the rate four times as high", {"batch_size": 1000, "lr": 1.465}),
)
WHOLE = Trial(
    "45,000 pictures, full width",
    {"augment": "shift-flip"},
    recipe="speednet-smooth",
    pictures=45_000,
    width=1.0,
    epochs=12,
)
BEST = replace(
    WHOLE,
    name="the same, biases at the rate of the weights, norms that follow faster",
    change={**WHOLE.change, "bias_rate": 1.0},
    norm_momentum=0.4,
)


def asked(seeds: tuple[int, ...] = SEEDS) -> Iterator[tuple[Trial, int]]:
    """What is to be run, in the order of what it tells."""
    yield from ((trial, seeds[0]) for trial in PARTS)
    yield from ((trial, seeds[0]) for trial in (WHOLE, BEST))
    yield from ((trial, seed) for seed in seeds[1:] for trial in PARTS)


def train(trial: Trial, data: Dataset, seed: int) -> dict[str, Any]:
    """Accuracy on what was learnt and on the test pictures, per cent, time and operations."""
    each = trial.pictures // data.num_classes
    rows = [(data.train.labels == k).nonzero()[:each, 0] for k in range(data.num_classes)]
    images = data.train.subset(torch.cat(rows).sort().values)
    channels, height, _ = images.shape
    shown = {"channels": channels, "image_size": height, "mean": data.mean, "std": data.std}
    model: Any = su.models.create(
        "speednet", num_classes=data.num_classes, seed=seed, width=trial.width, **shown
    )
    if not trial.whiten:
        model.whiten.made.fill_(True)
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.momentum = trial.norm_momentum
    how = {**RECIPES[trial.recipe], **trial.change}
    started = time.process_time()
    history = su.training.fit(model, images, epochs=trial.epochs, seed=seed, **how)
    return {
        "train": right(model, images),
        "test": right(model, data.test),
        "test_averaged": right(Averaged(model), data.test),
        "pictures": len(images),
        "epochs": trial.epochs,
        "seconds": history.seconds,
        "processor_seconds": time.process_time() - started,
        "pflop": history.pflop,
        "weights": sum(p.numel() for p in model.parameters()),
    }


class Averaged(torch.nn.Module):
    """A model asked six times about each picture, as airbench's is: the picture and its mirror
    image, and both moved by one pixel to the upper left and to the lower right, which count a half.
    """

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        wide = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        moved = [wide[..., at : at + height, at : at + width] for at in (0, 2)]
        still, *others = (self.model(view) + self.model(view.flip(-1)) for view in (x, *moved))
        return still / 4 + sum(others) / 8


def check_same(path: Path, about: dict[str, Any]) -> None:
    """Raise `InputError` where a file holds trials on other data, another machine or other
    versions: they would be taken for trials of this call.
    """
    old = json.loads(path.read_text()) if path.is_file() else about
    for fact in ("data", "device", "packages"):
        if old.get(fact) != about[fact]:
            raise InputError(f"{path} is of another {fact}: name a new file by --out")


def right(model: torch.nn.Module, images: Any) -> float:
    """Per cent of the pictures that the model names right."""
    return accuracy(predict_logits(model, images), images.labels)


def main(argv: list[str] | None = None) -> int:
    """Train what is missing; 0, or 2 after one line where the pictures are not there, or the file
    is of others.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--data", default="cifar10_jpeg")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (default: 1)")
    parser.add_argument("--only", help="trials whose name begins so")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    try:
        data = load_dataset(RunSpec(dataset=args.data))
        about = {"data": data.note, **machine.facts(torch.device("cpu"))}
        check_same(args.out, about)
    except InputError as error:
        print(f"recipe: {error}", file=sys.stderr)
        return 2
    for trial, seed in asked():
        found = json.loads(args.out.read_text()) if args.out.is_file() else {"trials": {}}
        runs = found["trials"].setdefault(trial.name, {})
        if str(seed) in runs or not trial.name.startswith(args.only or ""):
            continue
        runs[str(seed)] = train(trial, data, seed)
        print(trial.name, seed, json.dumps(runs[str(seed)]), flush=True)
        found |= about
        with atomic(args.out) as part:
            part.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
