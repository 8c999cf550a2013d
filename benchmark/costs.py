"""What each step of unlearning costs on this machine, as a record that chapter 17 fits its laws to.

``python benchmark/costs.py [--out benchmark/records]`` measures, in processor seconds and one
process a measurement,

- the saliency pass, an epoch with all weights free and one with a mask, for the project's own
  networks of several widths and several numbers of pictures;
- the mask and its file, for scores shaped like the layers of the U-Net of Stable Diffusion, made
  smaller;
- the memory of the steps, on pictures and batches so small that nearly all of it belongs to the
  weights;
- and, each kept out of every fit and marked "held_out": a wider network and more pictures than any
  other measurement, ResNet-18 on pictures of ImageNet's size, and the U-Net's 859.5 million scores
  at their full size (about 5 GB; leave them out with --no-unet).

What else the machine does lengthens processor time less than wall time, but not by nothing: run it
while the machine is quiet.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

import salun_utils as su
from salun_utils.runs import Record
from salun_utils.studies import scale
from salun_utils.studies.scale.costs import units_of_costs

PICTURES = (256, 1024)
NETWORKS = {
    "small-cnn": (0.25, 0.5, 1, 2),
    "resnet20": (0.5, 1),
    "resnet18": (0.125, 0.25),
    "resnet50": (0.125,),
    "vgg16_bn": (0.125, 0.25),
}
WIDER, MORE = 4, 4096  # of small-cnn, held out
VECTORS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
MEMORY_WIDTHS, MEMORY_HELD_OUT = (1, 1.5, 2, 3, 4, 6, 8), 16
IMAGENET = {"pictures": 64, "size": 224, "classes": 1000}


def pictures(count: int, *, channels: int = 1, size: int = 28, classes: int = 10) -> su.data.Images:
    """Noise: what a step costs doesn't depend on what the pictures show."""
    draws = su.seeds.generator(0, "pictures of the costs")
    pixels = torch.randint(
        0, 256, (count, channels, size, size), generator=draws, dtype=torch.uint8
    )
    return su.data.Images(pixels, torch.randint(0, classes, (count,), generator=draws))


def own(arch: str, width: float, count: int, repeats: int) -> list[scale.Cost]:
    model = su.models.create(arch, num_classes=10, channels=1, image_size=28, width=width)
    return without_peaks(
        scale.step_costs(model, pictures(count), network=f"{arch} x{width:g}", repeats=repeats)
    )


def imagenet_sized(repeats: int) -> list[scale.Cost]:
    from torchvision.models import resnet18

    size, classes = IMAGENET["size"], IMAGENET["classes"]
    images = pictures(IMAGENET["pictures"], channels=3, size=size, classes=classes)
    costs = scale.step_costs(
        resnet18(num_classes=classes),
        images,
        network="ResNet-18, 224 px",
        repeats=repeats,
        batch_size=32,
    )
    return without_peaks(costs)


def without_peaks(costs: list[scale.Cost]) -> list[scale.Cost]:
    """Several steps in one process use what the one before left behind, so that their peaks say
    nothing.
    """
    return [replace(cost, peak_mb=None) for cost in costs]


def memory(width: float, step: str) -> list[scale.Cost]:
    model = su.models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=width)
    return scale.step_costs(
        model,
        pictures(8, size=8),
        network=f"small-cnn x{width:g}, 8 px",
        steps=[step],
        repeats=1,
        batch_size=8,
    )


def unet() -> nn.Module:
    """The U-Net of Stable Diffusion v1.4: layers and shapes, without the numbers in them."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768)


def flat(shapes: dict[str, tuple[int, ...]], weights: int, repeats: int) -> list[scale.Cost]:
    scores = scale.shrunk(shapes, weights, su.seeds.generator(0, "scores of the costs"))
    return scale.flat_costs(
        scores, network="U-Net" if weights > max(VECTORS) else "U-Net, smaller", repeats=repeats
    )


def plan(
    repeats: int, with_unet: bool
) -> Iterator[tuple[str, bool, Callable[[], list[scale.Cost]]]]:
    """(what is measured, whether it is held out, how), one after the other."""
    shapes = {name: tuple(p.shape) for name, p in unet().named_parameters()}
    whole = sum(p.numel() for p in unet().parameters())
    for arch, widths in NETWORKS.items():
        for width in widths:
            for count in PICTURES:
                yield "time", False, lambda a=arch, w=width, c=count: own(a, w, c, repeats)
    yield "time", True, lambda: own("small-cnn", WIDER, MORE, 1)
    yield "time", True, lambda: imagenet_sized(1)
    for weights in VECTORS:
        yield "flat", False, lambda w=weights: flat(shapes, w, repeats)
    for width in (*MEMORY_WIDTHS, MEMORY_HELD_OUT):
        for step in ("saliency", "plain epoch", "masked epoch"):
            yield "memory", width == MEMORY_HELD_OUT, lambda w=width, s=step: memory(w, s)
    if with_unet:
        yield "flat", True, lambda: flat(shapes, whole, 1)


def apart(call: Callable[[], list[scale.Cost]]) -> list[dict[str, Any]]:
    """Run in a process of its own, so that memory that an earlier measurement left behind doesn't
    count.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send([cost.to_dict() for cost in call()]))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise SystemExit(
            "error: a measurement failed or was killed; where memory is short, --no-unet leaves out"
            " the largest"
        ) from None
    finally:
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        default=str(su.runs.records_folder()),
        help="folder of the record (default: the records of the benchmark)",
    )
    parser.add_argument("--tier", default="cpu", choices=su.runs.TIERS)
    parser.add_argument(
        "--repeats", type=int, default=3, help="readings, of which the median counts (default: 3)"
    )
    parser.add_argument(
        "--no-unet", action="store_true", help="leave out the mask of 859.5 million weights"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for what, held_out, call in plan(args.repeats, not args.no_unet):
        rows += [{"what": what, "held_out": held_out, **row} for row in apart(call)]
        last = rows[-1]
        print(
            f"{last['seconds']:9.4f} s  {last['step']}: {last['network']}, {last['pictures']}"
            f" pictures, {last['weights']:,} weights",
            flush=True,
        )
    print(as_record(rows, args.tier, args.repeats).save(args.out))


def as_record(rows: list[dict[str, Any]], tier: str, repeats: int) -> Record:
    """All measurements as one record, of the study "costs", so that they are never taken for runs
    of a method.
    """
    parameters = {
        "study": "costs",
        "sweep": json.dumps(sorted({row["network"] for row in rows})),
        "repeats": repeats,
    }
    found = {"costs": rows, "parameters": parameters}
    return Record.of(
        units=units_of_costs(rows),
        device=torch.device("cpu"),
        id="costs",
        tier=tier,
        measurements=found,
    )


if __name__ == "__main__":
    main()
